import type {
  Address,
  AsmOperand,
  Callee,
  DataObject,
  Instruction,
  IrFunction,
  IrModule,
  Span,
  SwitchCase,
  Terminator,
} from './module.ts';
import { type FieldKind, type Fields, shapeOf } from './shapes.ts';

/** The module as text that `parseModule` reads back to an equal module. */
export function printModule(module: IrModule): string {
  const lines = [`module ${module.kind} ${JSON.stringify(module.name)} ${JSON.stringify(module.directory)}`];
  for (const [kind, symbol] of Object.entries(module.entries)) lines.push(`entry ${kind} @${symbol}`);
  for (const file of module.files) lines.push(`file ${JSON.stringify(file)}`);
  for (const type of module.types) lines.push(`type ${printJson(type)}`);
  for (const object of module.data) lines.push(printData(object));
  return [...lines, ...module.functions.map(printFunction)].join('\n');
}

function printData(object: DataObject): string {
  const rest = {
    alignment: object.alignment,
    size: object.size,
    bytes: [...object.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
    relocations: object.relocations,
    debug: object.debug,
  };
  return `data @${object.name} ${object.section} ${printJson(rest)}`;
}

/** One function in the text form of `printModule`. */
export function printFunction(fn: IrFunction): string {
  const { name, section, convention, inline, exported, displayName, resultType, scope } = fn;
  const header = { displayName, parameters: fn.parameters, resultType, slots: fn.slots, scope };
  const lines = [
    `function @${name} ${section} ${convention} inline-${inline} ${exported ? 'exported' : 'local'} -> (${fn.results.join(', ')}) ${printSpan(fn.span)} {`,
    `  registers ${fn.registers.join(' ')}`,
    `  header ${printJson(header)}`,
  ];
  fn.blocks.forEach((block, index) => {
    lines.push(`b${index}:${block.cold ? ' cold' : ''}`);
    for (const instruction of block.instructions) lines.push(`  ${printInstruction(instruction)}`);
    lines.push(`  ${printInstruction(block.terminator)}`);
  });
  lines.push('}');
  return lines.join('\n');
}

/** One instruction, such as `%3 = add %1, %2 !0:12:5+3` (the span is file:line:column+length). */
export function printInstruction(instruction: Instruction | Terminator): string {
  const fields = instruction as unknown as Fields;
  const defined: string[] = [];
  const rest: string[] = [];
  for (const [field, kind] of shapeOf(instruction)) {
    const value = fields[field];
    if (kind === 'def') defined.push(`%${value as number}`);
    else if (kind === 'defs') defined.push(...(value as number[]).map((register) => `%${register}`));
    else if (kind !== 'flag') rest.push(printField(kind, value));
    else if (value) rest.push(field);
  }
  const left = defined.length > 0 ? `${defined.join(', ')} = ` : '';
  return `${left}${instruction.op}${rest.length > 0 ? ` ${rest.join(', ')}` : ''} ${printSpan(instruction.span)}`;
}

function printField(kind: FieldKind, value: unknown): string {
  switch (kind) {
    case 'use':
    case 'name':
      return `%${value as number}`;
    case 'uses':
      return `(${(value as number[]).map((register) => `%${register}`).join(', ')})`;
    case 'address':
      return printAddress(value as Address);
    case 'callee':
      return printCallee(value as Callee);
    case 'block':
      return `b${value as number}`;
    case 'cases':
      return `{${(value as SwitchCase[]).map((entry) => `${entry.value}: b${entry.target}`).join(', ')}}`;
    case 'text':
      return JSON.stringify(value);
    case 'operands':
      return `(${(value as AsmOperand[]).map(printOperand).join(', ')})`;
    case 'names':
      return `(${(value as string[]).join(', ')})`;
    default:
      return String(value);
  }
}

function printOperand(operand: AsmOperand): string {
  const place = operand.physical ? ` ${operand.physical}` : '';
  return `${operand.name} ${operand.direction}${place} %${operand.register}`;
}

function printCallee(callee: Callee): string {
  return callee.kind === 'symbol' ? `@${callee.symbol}` : `%${callee.register}`;
}

/** `gs:[%1 + %2 * 8 + 16]`, `[@symbol]`, `[slot 0 - 4]`. */
export function printAddress(address: Address): string {
  const terms: string[] = [];
  if (address.base?.kind === 'register') terms.push(`%${address.base.register}`);
  if (address.base?.kind === 'symbol') terms.push(`@${address.base.symbol}`);
  if (address.base?.kind === 'slot') terms.push(`slot ${address.base.slot}`);
  if (address.index !== undefined) terms.push(`%${address.index} * ${address.scale ?? 1}`);
  const displacement = address.displacement ?? 0;
  if (displacement !== 0 || terms.length === 0) terms.push(`${displacement}`);
  return `${address.segment ? `${address.segment}:` : ''}[${terms.join(' + ')}]`;
}

function printSpan(span: Span): string {
  return `!${span.file}:${span.line}:${span.column}+${span.length}`;
}

function printJson(value: unknown): string {
  return JSON.stringify(value, (_key, item) => (typeof item === 'bigint' ? { bigint: String(item) } : item));
}
