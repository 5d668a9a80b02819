import type { Address, AsmOperand, Callee, Instruction, Register, Terminator } from './module.ts';

/** What a field of an instruction holds; the order of a shape's fields is the order in the printed text. */
export type FieldKind =
  | 'def'
  | 'defs'
  | 'use'
  /** a register that is named, not read */
  | 'name'
  | 'number'
  | 'uses'
  | 'address'
  | 'constant'
  | 'word'
  | 'callee'
  | 'flag'
  | 'mode'
  | 'text'
  | 'operands'
  | 'names'
  | 'block'
  | 'cases';
export type Shape = readonly (readonly [field: string, kind: FieldKind])[];

const unary: Shape = [
  ['result', 'def'],
  ['source', 'use'],
];
const binary: Shape = [
  ['result', 'def'],
  ['left', 'use'],
  ['right', 'use'],
];

/** The fields of every instruction: the printer, the parser and every walk over operands follow this table. */
export const instructionShapes: Readonly<Record<Instruction['op'], Shape>> = {
  const: [
    ['result', 'def'],
    ['value', 'constant'],
  ],
  copy: unary,
  neg: unary,
  not: unary,
  byteSwap: unary,
  bitScanForward: unary,
  bitScanReverse: unary,
  zeroExtend: unary,
  signExtend: unary,
  truncate: unary,
  add: binary,
  sub: binary,
  mul: binary,
  and: binary,
  or: binary,
  xor: binary,
  shl: binary,
  shr: binary,
  sar: binary,
  rotl: binary,
  mulHighUnsigned: binary,
  mulHighSigned: binary,
  divUnsigned: binary,
  divSigned: binary,
  remUnsigned: binary,
  remSigned: binary,
  compare: [
    ['result', 'def'],
    ['condition', 'word'],
    ['left', 'use'],
    ['right', 'use'],
  ],
  select: [
    ['result', 'def'],
    ['test', 'use'],
    ['whenTrue', 'use'],
    ['whenFalse', 'use'],
  ],
  load: [
    ['result', 'def'],
    ['address', 'address'],
    ['volatile', 'flag'],
  ],
  store: [
    ['address', 'address'],
    ['source', 'use'],
    ['volatile', 'flag'],
  ],
  addressOf: [
    ['result', 'def'],
    ['address', 'address'],
  ],
  call: [
    ['results', 'defs'],
    ['callee', 'callee'],
    ['arguments', 'uses'],
  ],
  copyMemory: [
    ['destination', 'use'],
    ['source', 'use'],
    ['length', 'use'],
  ],
  setMemory: [
    ['destination', 'use'],
    ['value', 'use'],
    ['length', 'use'],
  ],
  tryLoad: [
    ['result', 'def'],
    ['fault', 'def'],
    ['address', 'address'],
  ],
  tryStore: [
    ['fault', 'def'],
    ['address', 'address'],
    ['source', 'use'],
  ],
  tryCopy: [
    ['result', 'def'],
    ['destination', 'use'],
    ['source', 'use'],
    ['length', 'use'],
  ],
  atomicLoad: [
    ['result', 'def'],
    ['address', 'address'],
    ['order', 'word'],
  ],
  atomicStore: [
    ['address', 'address'],
    ['source', 'use'],
    ['order', 'word'],
  ],
  atomicUpdate: [
    ['result', 'def'],
    ['operator', 'word'],
    ['address', 'address'],
    ['source', 'use'],
  ],
  compareExchange: [
    ['result', 'def'],
    ['address', 'address'],
    ['expected', 'use'],
    ['replacement', 'use'],
  ],
  portIn: [
    ['result', 'def'],
    ['port', 'use'],
  ],
  portOut: [
    ['port', 'use'],
    ['source', 'use'],
  ],
  intrinsic: [
    ['results', 'defs'],
    ['name', 'word'],
    ['arguments', 'uses'],
  ],
  bind: [
    ['variable', 'number'],
    ['source', 'name'],
  ],
  asm: [
    ['text', 'text'],
    ['mode', 'mode'],
    ['operands', 'operands'],
    ['clobbers', 'names'],
  ],
};

export const terminatorShapes: Readonly<Record<Terminator['op'], Shape>> = {
  jump: [['target', 'block']],
  branch: [
    ['test', 'use'],
    ['then', 'block'],
    ['otherwise', 'block'],
  ],
  branchCompare: [
    ['condition', 'word'],
    ['left', 'use'],
    ['right', 'use'],
    ['then', 'block'],
    ['otherwise', 'block'],
  ],
  switch: [
    ['value', 'use'],
    ['cases', 'cases'],
    ['otherwise', 'block'],
  ],
  return: [['values', 'uses']],
  unreachable: [],
};

/** The fields of an instruction by name, for walks that follow the shape tables. */
export type Fields = Record<string, unknown>;

const shapes: Readonly<Record<string, Shape>> = { ...instructionShapes, ...terminatorShapes };

export function shapeOf(instruction: Instruction | Terminator): Shape {
  return shapes[instruction.op]!;
}

/** A field with what it holds: walks over every operand of a function iterate lists of these, chosen in advance. */
export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
}

function fieldsOf(kinds: readonly FieldKind[]): Readonly<Record<string, readonly Field[]>> {
  const entries = Object.entries(shapes).map(([op, shape]) => {
    const chosen = shape.filter(([, kind]) => kinds.includes(kind));
    return [op, chosen.map(([name, kind]): Field => ({ name, kind }))] as const;
  });
  return Object.fromEntries(entries);
}

/** By operation, the fields in which registers are read or named. */
export const useFields = fieldsOf(['use', 'uses', 'name', 'address', 'callee', 'operands']);

/** By operation, the fields in which registers are written. */
export const definitionFields = fieldsOf(['def', 'defs', 'operands']);

/** Calls `visit` for every register the instruction reads, addresses included. */
export function forEachUse(instruction: Instruction | Terminator, visit: (register: Register) => void): void {
  const chosen = useFields[instruction.op]!;
  for (let index = 0; index < chosen.length; index++) {
    const { name, kind } = chosen[index]!;
    const value = (instruction as unknown as Fields)[name];
    if (kind === 'use') visit(value as Register);
    else if (kind === 'uses') for (const register of value as Register[]) visit(register);
    else if (kind === 'address') {
      const address = value as Address;
      if (address.base?.kind === 'register') visit(address.base.register);
      if (address.index !== undefined) visit(address.index);
    } else if (kind === 'callee') {
      const callee = value as Callee;
      if (callee.kind === 'register') visit(callee.register);
    } else if (kind === 'operands') {
      for (const operand of value as AsmOperand[]) if (operand.direction !== 'out') visit(operand.register);
    }
  }
}

/** Calls `visit` for every register the instruction writes. */
export function forEachDefinition(instruction: Instruction | Terminator, visit: (register: Register) => void): void {
  const chosen = definitionFields[instruction.op]!;
  for (let index = 0; index < chosen.length; index++) {
    const { name, kind } = chosen[index]!;
    const value = (instruction as unknown as Fields)[name];
    if (kind === 'def') visit(value as Register);
    else if (kind === 'defs') for (const register of value as Register[]) visit(register);
    else for (const operand of value as AsmOperand[]) if (operand.direction !== 'in') visit(operand.register);
  }
}

/** The blocks a terminator may go to, in order, duplicates included. */
export function successors(terminator: Terminator): number[] {
  switch (terminator.op) {
    case 'jump':
      return [terminator.target];
    case 'branch':
    case 'branchCompare':
      return [terminator.then, terminator.otherwise];
    case 'switch':
      return [...terminator.cases.map((entry) => entry.target), terminator.otherwise];
    default:
      return [];
  }
}
