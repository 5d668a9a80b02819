import ts from 'typescript';
import { unwrapped } from '../frontend/constants.ts';
import { dialectOnlyHere, typeMismatch } from '../rules/values.ts';
import type { FunctionLowering } from './function.ts';
import { integral, materialise } from './integers.ts';
import { kindOf, lengthRegister, registersOfValue } from './representation.ts';
import { type Value, VOID_VALUE } from './values.ts';
import { lowerExpression } from './visitors.ts';

/** A printer's template becomes one call of its sink for each piece. */
export function lowerPrint(lowering: FunctionLowering, node: ts.TaggedTemplateExpression): Value {
  const sink = sinkOf(lowering, node.tag);
  if (sink === undefined) {
    lowering.report(dialectOnlyHere('a tagged template', 'after a constant made by printer({ ... })'), node);
    return VOID_VALUE;
  }
  const { template } = node;
  if (ts.isNoSubstitutionTemplateLiteral(template)) {
    printText(lowering, sink, template.text, node);
    return VOID_VALUE;
  }
  printText(lowering, sink, template.head.text, node);
  for (const span of template.templateSpans) {
    lowering.spanned(span.expression, () => printValue(lowering, sink, span.expression));
    printText(lowering, sink, span.literal.text, node);
  }
  return VOID_VALUE;
}

function sinkOf(lowering: FunctionLowering, tag: ts.Expression): ts.ObjectLiteralExpression | undefined {
  const { constants } = lowering.module;
  const initialiser = constants.initialiserOf(unwrapped(tag));
  const call = initialiser === undefined ? undefined : unwrapped(initialiser);
  if (call === undefined || !ts.isCallExpression(call)) return undefined;
  if (constants.libraryName(call.expression) !== 'printer') return undefined;
  const [sink] = call.arguments;
  return sink === undefined ? undefined : constants.namespaceOf(sink);
}

/** Calls one of the sink's functions. */
function callSink(
  lowering: FunctionLowering,
  sink: ts.ObjectLiteralExpression,
  name: string,
  registers: readonly number[],
): void {
  for (const property of sink.properties) {
    if (property.name?.getText() !== name) continue;
    const target = ts.isPropertyAssignment(property) ? property.initializer : property.name;
    const code = lowering.module.functionValue(target as ts.Expression);
    if (code !== undefined)
      lowering.builder.call(lowering.module.requestFunction(code.node, code.environment), registers);
    return;
  }
}

function printText(lowering: FunctionLowering, sink: ts.ObjectLiteralExpression, text: string, node: ts.Node): void {
  if (text.length === 0) return;
  const value = lowering.module.strings.value(text, node);
  callSink(lowering, sink, 'text', registersOfValue(lowering, value, { kind: 'string' }));
}

function printValue(lowering: FunctionLowering, sink: ts.ObjectLiteralExpression, node: ts.Expression): void {
  if (isHex(lowering, node)) {
    const [number, digits] = node.arguments;
    const value = lowerExpression(lowering, number!);
    const count = digits === undefined ? undefined : lowerExpression(lowering, digits);
    const wide = value.kind === 'integer' ? materialise(lowering, value.expression, 64) : 0;
    const width =
      count?.kind === 'integer' ? materialise(lowering, count.expression, 32) : lowering.builder.const('i32', 1n);
    callSink(lowering, sink, 'hex', [wide, width]);
    return;
  }
  const value = lowerExpression(lowering, node);
  if (value.kind === 'string') {
    callSink(lowering, sink, 'text', [lowering.pointer(value.pointer), lengthRegister(lowering, value.length)]);
  } else if (value.kind === 'integer') printInteger(lowering, sink, value, node);
  else if (value.kind === 'truth') printText(lowering, sink, String(value.value), node);
  else if (value.kind === 'boolean') printBoolean(lowering, sink, node, value);
  else lowering.report(typeMismatch(kindOf(value), 'printable value'), node);
}

const isHex = (lowering: FunctionLowering, node: ts.Expression): node is ts.CallExpression =>
  ts.isCallExpression(node) && lowering.module.constants.libraryName(node.expression) === 'hex';

/** Negative values go to `signed`, decided at run time where the range does not tell. */
function printInteger(
  lowering: FunctionLowering,
  sink: ts.ObjectLiteralExpression,
  value: Value & { kind: 'integer' },
  node: ts.Node,
): void {
  const { builder } = lowering;
  const { expression } = value;
  integral(lowering, expression, node);
  const register = materialise(lowering, expression, 64);
  if (expression.range.low >= 0n) {
    callSink(lowering, sink, 'unsigned', [register]);
    return;
  }
  if (expression.range.high < 0n) {
    callSink(lowering, sink, 'signed', [register]);
    return;
  }
  const negative = lowering.label();
  const other = lowering.label();
  const done = lowering.label();
  negative.arrive(lowering.facts);
  other.arrive(lowering.facts);
  builder.branchCompare('slt', register, builder.const('i64', 0n), negative.block, other.block);
  lowering.enter(negative);
  callSink(lowering, sink, 'signed', [register]);
  lowering.jump(done);
  lowering.enter(other);
  callSink(lowering, sink, 'unsigned', [register]);
  lowering.jump(done);
  lowering.enter(done);
}

function printBoolean(
  lowering: FunctionLowering,
  sink: ts.ObjectLiteralExpression,
  node: ts.Expression,
  value: Value & { kind: 'boolean' },
): void {
  const done = lowering.label();
  const yes = lowering.label();
  const no = lowering.label();
  yes.arrive(lowering.facts);
  no.arrive(lowering.facts);
  lowering.builder.branch(value.register, yes.block, no.block);
  for (const [label, text] of [
    [yes, 'true'],
    [no, 'false'],
  ] as const) {
    lowering.enter(label);
    printText(lowering, sink, text, node);
    lowering.jump(done);
  }
  lowering.enter(done);
}
