/**
 * What an instruction means, as a small typed tree. Semantics build it once per form through `Context`; the interpreter lowers it
 * to WebAssembly with operands found through the op record, the oracle evaluates it in BigInt, and a translator lowers it with
 * operands known. Expressions are pure functions of bound values and constants: everything that reads state or memory is a
 * statement that binds its result, so evaluation order is program order.
 */
import { OPERATORS, type ValueType } from '../wasm/operators.ts';

export type { ValueType };

/** An expression of WebAssembly type T. */
export type Node<T extends ValueType = ValueType> = (
  | ConstantNode
  | LocalNode
  | OperationNode
  | SelectNode
  | InstructionNode
) & { readonly type: T };
export type I32 = Node<'i32'>;
export type I64 = Node<'i64'>;
export type F32 = Node<'f32'>;
export type F64 = Node<'f64'>;
export type V128 = Node<'v128'>;

export interface ConstantNode {
  readonly kind: 'constant';
  readonly type: ValueType;
  /** The bits of the value, unsigned; 128 of them for v128, lane 0 lowest. */
  readonly bits: bigint;
}
/** A value bound by a `let`, `load` or read statement, or a variable. */
export interface LocalNode {
  readonly kind: 'local';
  readonly type: ValueType;
  readonly id: number;
}
export interface OperationNode {
  readonly kind: 'operation';
  readonly type: ValueType;
  /** A key of OPERATORS. */
  readonly name: string;
  readonly operands: readonly Node[];
  /** Lane of extract_lane and replace_lane; the sixteen of shuffle. */
  readonly lanes?: readonly number[];
}
export interface SelectNode {
  readonly kind: 'select';
  readonly type: ValueType;
  readonly condition: I32;
  readonly whenTrue: Node;
  readonly whenFalse: Node;
}
/** A 64-bit constant of the decoded instruction; branch targets are already cut to the width of the instruction pointer. */
export interface InstructionNode {
  readonly kind: 'instruction';
  readonly type: 'i64';
  readonly what: 'immediate' | 'immediate2' | 'rip' | 'nextRip' | 'branchTarget';
}

/** Which register an operand is: a fixed number, or the one that a field of the instruction names. */
export interface RegisterReference {
  readonly field: 'fixed' | 'reg' | 'rm' | 'vvvv';
  /**
   * Register number 0 to 15 when `field` is 'fixed'; 20 to 23 (AH CH DH BH) in 8-bit accesses. Otherwise what the field's number
   * is added to: MMX_VECTORS when it names an MMX register, else 0.
   */
  readonly number: number;
}

export type Bits = 8 | 16 | 32 | 64 | 128;
/** What an instruction does at its memory operand's address: outside 64-bit mode the segment must allow all of it. */
export interface OperandAccess {
  readonly bytes: number;
  readonly write: boolean;
}
/** How a fault on a memory access is reported: #SS for the stack; `operand` decides by base register and segment. */
export type AccessKind = 'operand' | 'stack' | 'data';

/** The lanes of a bound value hold no denormals, or these are treated like any number: DE is set, and DAZ is not. */
export interface NoDenormals {
  readonly local: LocalNode;
  readonly width: 32 | 64;
}

export type Statement =
  | { readonly kind: 'let'; readonly local: LocalNode; readonly value: Node }
  /** Binds a general register, zero-extended from `bits`. */
  | {
      readonly kind: 'readRegister';
      readonly local: LocalNode;
      readonly register: RegisterReference;
      readonly bits: Bits;
    }
  /** Binds lane 0 of an XMM or MMX register: i32, i64, f32, f64 or all of it (v128), by the local's type. */
  | { readonly kind: 'readVector'; readonly local: LocalNode; readonly register: RegisterReference }
  /** 8 and 16 bits merge into the register, 32 bits clear the upper half. */
  | {
      readonly kind: 'writeRegister';
      readonly register: RegisterReference;
      readonly bits: Bits;
      readonly value: I64;
    }
  /** Writes lane `lane` (of the value's type) and keeps the rest of the register; v128 writes all of it. */
  | {
      readonly kind: 'writeVector';
      readonly register: RegisterReference;
      readonly lane: number;
      readonly value: Node;
    }
  | { readonly kind: 'readField'; readonly local: LocalNode; readonly address: number; readonly bytes: 4 | 8 }
  | { readonly kind: 'writeField'; readonly address: number; readonly bytes: 4 | 8; readonly value: Node }
  /**
   * Binds the linear address of the memory operand, segment base included, or SEGMENT_VIOLATION; without `access` its offset in the
   * segment.
   */
  | { readonly kind: 'operandAddress'; readonly local: LocalNode; readonly access: OperandAccess | undefined }
  /**
   * Outside 64-bit mode only: binds the linear address of `bytes` at an offset in a segment (undefined: that of the memory operand,
   * written or implied), or SEGMENT_VIOLATION where it does not allow the access.
   */
  | {
      readonly kind: 'segmentAddress';
      readonly local: LocalNode;
      readonly segment: number | undefined;
      readonly offset: I64;
      readonly bytes: I64;
      readonly write: boolean;
    }
  /** Binds the base of the segment that the instruction's memory operand, written or implied, is in. */
  | { readonly kind: 'operandSegment'; readonly local: LocalNode }
  /**
   * Loads `bits` at a linear address, zero-extended to i64, or i32, f32, f64, v128 as the local is typed. A load with `place` asks for
   * write permission as well; a store with the same place goes to the same bytes and cannot fault.
   */
  | {
      readonly kind: 'load';
      readonly local: LocalNode;
      readonly address: I64;
      readonly bits: Bits;
      readonly access: AccessKind;
      readonly aligned: boolean;
      readonly place: number | undefined;
    }
  | {
      readonly kind: 'store';
      readonly address: I64;
      readonly bits: Bits;
      readonly value: Node;
      readonly access: AccessKind;
      readonly aligned: boolean;
      readonly place: number | undefined;
    }
  /** Lazy flags: `flagKind` is a stored kind (flags.ts), constant where the result does not depend on values. */
  | { readonly kind: 'setFlags'; readonly flagKind: I32; readonly a: I64; readonly b: I64 }
  /** Binds i32 0 or 1: condition `code` as encoded in Jcc. */
  | { readonly kind: 'condition'; readonly local: LocalNode; readonly code: number }
  /** Binds the six status flags (i32) as they stand in RFLAGS. */
  | { readonly kind: 'statusFlags'; readonly local: LocalNode }
  | {
      readonly kind: 'if';
      readonly condition: I32;
      readonly whenTrue: readonly Statement[];
      readonly whenFalse: readonly Statement[];
      /** What holds behind it. Where that is known before, nothing needs to be done. */
      readonly establishes?: NoDenormals | undefined;
    }
  /** Repeats `body` while `condition`, evaluated after the body, is not 0. */
  | { readonly kind: 'loop'; readonly body: readonly Statement[]; readonly condition: I32 }
  /** Gives a variable a new value. */
  | { readonly kind: 'assign'; readonly local: LocalNode; readonly value: Node }
  /** The instruction ends here with an exception; nothing of it has happened. */
  | { readonly kind: 'raise'; readonly vector: number; readonly errorCode: number | undefined }
  /** The instruction is left unexecuted, for its TypeScript function. */
  | { readonly kind: 'leave' }
  /** Ends the instruction by a jump to the branch target if `condition` is not 0 (always, when undefined). */
  | { readonly kind: 'branch'; readonly condition: I32 | undefined }
  /** `resumes`: RFLAGS.RF may have been set, for the instruction at the target alone; the driver is to know whether that has retired. */
  | { readonly kind: 'jump'; readonly target: I64; readonly resumes: boolean }
  /** Stops before the instruction is complete: RIP stays, nothing is counted, and it will run again from its present state. */
  | { readonly kind: 'restart' }
  /**
   * Drops what the TLB has of the page at a linear address; binds i32 1. Binds 0, with nothing done, when instructions may have been
   * fetched from the page, which is for the driver to forget.
   */
  | { readonly kind: 'invalidatePage'; readonly local: LocalNode; readonly address: I64 }
  /**
   * Moves or fills as many elements as lie, from these addresses upward, in pages that the TLB already maps, up to `count`; binds how
   * many it did, perhaps 0. Overlapping moves that a byte-by-byte copy would smear are left to the caller (0).
   */
  | {
      readonly kind: 'bulk';
      readonly local: LocalNode;
      readonly destination: I64;
      readonly source: I64 | undefined;
      readonly value: I64 | undefined;
      readonly count: I64;
      readonly bits: Bits;
    };

/** One form of one instruction at one operand size, recorded. */
export interface Program {
  readonly statements: readonly Statement[];
  /** Type of each local, by id. */
  readonly locals: readonly ValueType[];
}

export function constant<T extends ValueType>(type: T, value: bigint | number): Node<T> {
  const bits = type === 'v128' ? 128 : type === 'i64' || type === 'f64' ? 64 : 32;
  return { kind: 'constant', type, bits: BigInt.asUintN(bits, BigInt(value)) } as Node<T>;
}

/** @param name a key of OPERATORS; operand types are checked against it */
export function operation<T extends ValueType>(
  type: T,
  name: string,
  operands: readonly Node[],
  lanes?: readonly number[],
): Node<T> {
  const operator = OPERATORS.get(name);
  if (!operator || operator.result !== type || operator.parameters.some((wanted, i) => operands[i]?.type !== wanted)) {
    throw new TypeError(`${name}(${operands.map((operand) => operand.type).join(', ')}) is not a ${type} operator`);
  }
  return { kind: 'operation', type, name, operands, ...(lanes ? { lanes } : {}) } as unknown as Node<T>;
}

export function select<T extends ValueType>(whenTrue: Node<T>, whenFalse: Node<T>, condition: I32): Node<T> {
  return { kind: 'select', type: whenTrue.type, condition, whenTrue, whenFalse } as unknown as Node<T>;
}

type Unary<A extends ValueType, R extends ValueType> = (a: Node<A>) => Node<R>;
type Binary<A extends ValueType, B extends ValueType, R extends ValueType> = (a: Node<A>, b: Node<B>) => Node<R>;

function unary<const K extends string, A extends ValueType, R extends ValueType>(
  prefix: string,
  names: readonly K[],
  _operand: A,
  result: R,
): Record<K, Unary<A, R>> {
  return Object.fromEntries(
    names.map((name) => [name, (a: Node<A>) => operation(result, `${prefix}.${name}`, [a])]),
  ) as Record<K, Unary<A, R>>;
}

function binary<const K extends string, A extends ValueType, B extends ValueType, R extends ValueType>(
  prefix: string,
  names: readonly K[],
  _first: A,
  _second: B,
  result: R,
): Record<K, Binary<A, B, R>> {
  return Object.fromEntries(
    names.map((name) => [name, (a: Node<A>, b: Node<B>) => operation(result, `${prefix}.${name}`, [a, b])]),
  ) as Record<K, Binary<A, B, R>>;
}

const COMPARISONS = ['eq', 'ne', 'lt_s', 'lt_u', 'gt_s', 'gt_u', 'le_s', 'le_u', 'ge_s', 'ge_u'] as const;
const FLOAT_COMPARISONS = ['eq', 'ne', 'lt', 'gt', 'le', 'ge'] as const;
const ARITHMETIC = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr'.split(
  ' ',
) as readonly IntegerBinary[];
const FLOAT_UNARY = ['abs', 'neg', 'ceil', 'floor', 'trunc', 'nearest', 'sqrt'] as const;
const FLOAT_BINARY = ['add', 'sub', 'mul', 'div', 'min', 'max', 'copysign'] as const;

type IntegerBinary =
  | ('add' | 'sub' | 'mul' | 'div_s' | 'div_u' | 'rem_s' | 'rem_u' | 'and' | 'or' | 'xor')
  | ('shl' | 'shr_s' | 'shr_u' | 'rotl' | 'rotr');

/** i32 operators, by their WebAssembly names. Values are bit patterns. */
export const i32 = {
  const: (value: number) => constant('i32', value),
  ...unary('i32', ['eqz', 'clz', 'ctz', 'popcnt', 'extend8_s', 'extend16_s'], 'i32', 'i32'),
  ...unary('i32', ['wrap_i64'], 'i64', 'i32'),
  ...unary('i32', ['reinterpret_f32', 'trunc_sat_f32_s', 'trunc_sat_f32_u'], 'f32', 'i32'),
  ...unary('i32', ['trunc_sat_f64_s', 'trunc_sat_f64_u'], 'f64', 'i32'),
  ...binary('i32', COMPARISONS, 'i32', 'i32', 'i32'),
  ...binary('i32', ARITHMETIC, 'i32', 'i32', 'i32'),
};

export const i64 = {
  const: (value: bigint | number) => constant('i64', value),
  ...unary('i64', ['eqz'], 'i64', 'i32'),
  ...unary('i64', ['clz', 'ctz', 'popcnt', 'extend8_s', 'extend16_s', 'extend32_s'], 'i64', 'i64'),
  ...unary('i64', ['extend_i32_s', 'extend_i32_u'], 'i32', 'i64'),
  ...unary('i64', ['trunc_sat_f32_s', 'trunc_sat_f32_u'], 'f32', 'i64'),
  ...unary('i64', ['reinterpret_f64', 'trunc_sat_f64_s', 'trunc_sat_f64_u'], 'f64', 'i64'),
  ...binary('i64', COMPARISONS, 'i64', 'i64', 'i32'),
  ...binary('i64', ARITHMETIC, 'i64', 'i64', 'i64'),
};

export const f32 = {
  /** @param bits the 32 bits of the value */
  const: (bits: bigint | number) => constant('f32', bits),
  ...unary('f32', FLOAT_UNARY, 'f32', 'f32'),
  ...unary('f32', ['demote_f64'], 'f64', 'f32'),
  ...unary('f32', ['reinterpret_i32', 'convert_i32_s', 'convert_i32_u'], 'i32', 'f32'),
  ...unary('f32', ['convert_i64_s', 'convert_i64_u'], 'i64', 'f32'),
  ...binary('f32', FLOAT_BINARY, 'f32', 'f32', 'f32'),
  ...binary('f32', FLOAT_COMPARISONS, 'f32', 'f32', 'i32'),
};

export const f64 = {
  /** @param bits the 64 bits of the value */
  const: (bits: bigint | number) => constant('f64', bits),
  ...unary('f64', FLOAT_UNARY, 'f64', 'f64'),
  ...unary('f64', ['promote_f32'], 'f32', 'f64'),
  ...unary('f64', ['convert_i32_s', 'convert_i32_u'], 'i32', 'f64'),
  ...unary('f64', ['reinterpret_i64', 'convert_i64_s', 'convert_i64_u'], 'i64', 'f64'),
  ...binary('f64', FLOAT_BINARY, 'f64', 'f64', 'f64'),
  ...binary('f64', FLOAT_COMPARISONS, 'f64', 'f64', 'i32'),
};

/** Vector operators by their full WebAssembly name; the result type is the operator's. */
export function vector(name: string, ...operands: readonly Node[]): V128 {
  return operation('v128', name, operands);
}
/** Vector operators with a scalar result and no lane: bitmask, any_true, all_true. */
export function vectorTest(name: string, operand: V128): I32 {
  return operation('i32', name, [operand]);
}
/** @param name such as `i16x8.extract_lane_u` @param lane constant lane number */
export function extractLane<T extends 'i32' | 'i64' | 'f32' | 'f64'>(
  type: T,
  name: string,
  operand: V128,
  lane: number,
): Node<T> {
  return operation(type, name, [operand], [lane]);
}
/** @param name such as `f64x2.replace_lane` */
export function replaceLane(name: string, operand: V128, lane: number, value: Node): V128 {
  return operation('v128', name, [operand, value], [lane]);
}
/** @param lanes sixteen byte numbers, 0 to 15 of `a` and 16 to 31 of `b` */
export function shuffle(a: V128, b: V128, lanes: readonly number[]): V128 {
  return operation('v128', 'i8x16.shuffle', [a, b], lanes);
}
