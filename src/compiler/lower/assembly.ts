import ts from 'typescript';
import type { Address, AsmOperand } from '../ir/module.ts';
import { badAssembly } from '../rules/syntax.ts';
import { notConstant } from '../rules/values.ts';
import { AssemblyError, assembleInto } from '../x64/assembler.ts';
import { CodeAssembler } from '../x64/code.ts';
import { register } from '../x64/operands.ts';
import type { FunctionLowering } from './function.ts';
import { materialise } from './integers.ts';
import { type Value, VOID_VALUE } from './values.ts';
import { lowerExpression } from './visitors.ts';

/** What a template in an ordinary function may overwrite. */
const CALLER_SAVED = ['rax', 'rcx', 'rdx', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'flags', 'memory'];

/** An `asm` template: constants and symbols become text, integers become register operands. */
export function lowerAssembly(lowering: FunctionLowering, node: ts.TaggedTemplateExpression): Value {
  const { builder } = lowering;
  const { template } = node;
  const operands: AsmOperand[] = [];
  let text = ts.isNoSubstitutionTemplateLiteral(template) ? template.text : template.head.text;
  if (!ts.isNoSubstitutionTemplateLiteral(template)) {
    for (const span of template.templateSpans) {
      text += operandText(lowering, span.expression, operands) + span.literal.text;
    }
  }
  const naked = builder.function.convention === 'naked';
  checkAssembly(lowering, text, operands, node);
  builder.emit({ op: 'asm', text, mode: 64, operands, clobbers: naked ? [] : CALLER_SAVED });
  return VOID_VALUE;
}

/** Assembles the text with any register for its operands, so that a mistake is reported at the template. */
function checkAssembly(lowering: FunctionLowering, text: string, operands: readonly AsmOperand[], node: ts.Node): void {
  const anyRegister = new Map(operands.map(({ name }) => [name, register(0)] as const));
  try {
    assembleInto(new CodeAssembler(), text, 64, { operands: anyRegister, labelPrefix: '' });
  } catch (error) {
    if (!(error instanceof AssemblyError)) throw error;
    lowering.report(badAssembly(error.message), node);
  }
}

function operandText(lowering: FunctionLowering, node: ts.Expression, operands: AsmOperand[]): string {
  const constant = lowering.module.constants.evaluate(node);
  if (typeof constant === 'number' || typeof constant === 'bigint') return String(constant);
  if (typeof constant === 'string') return constant;
  const code = lowering.module.functionValue(node);
  if (code !== undefined) return lowering.module.requestFunction(code.node, code.environment);
  const symbol = ts.isIdentifier(node) ? lowering.module.storage.symbolOf(node) : undefined;
  if (symbol !== undefined) return symbol;
  const value = lowerExpression(lowering, node);
  if (value.kind === 'pointer' || value.kind === 'array') return symbolText(lowering, value.address, node);
  if (value.kind !== 'integer' || lowering.builder.function.convention === 'naked') {
    lowering.report(notConstant('an operand of assembly'), node);
    return '0';
  }
  const name = `operand${operands.length}`;
  operands.push({ name, direction: 'in', register: materialise(lowering, value.expression, 64) });
  return `{${name}}`;
}

function symbolText(lowering: FunctionLowering, address: Address, node: ts.Expression): string {
  if (address.base?.kind !== 'symbol' || address.index !== undefined) {
    lowering.report(notConstant('an operand of assembly'), node);
    return '0';
  }
  const { displacement = 0 } = address;
  return displacement === 0 ? address.base.symbol : `${address.base.symbol}+${displacement}`;
}
