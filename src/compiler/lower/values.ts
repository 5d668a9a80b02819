import type ts from 'typescript';
import { exactly, type Interval } from '../frontend/interval.ts';
import type { ArrayType, DialectType, IntegerType, PlainType, TypeEnvironment } from '../frontend/types.ts';
import type { Address, Register } from '../ir/module.ts';
import type { Frame, Variable } from './frame.ts';

/**
 * An integer not yet in a register. Building one emits nothing; `materialise` in integers.ts emits the code at the width
 * that its user wants, so that `u8(a + b)` is one 8-bit addition. `range` is the value's range as Node computes it.
 */
export type IntegerExpression = { readonly range: Interval } & (
  | { readonly op: 'constant' }
  /** Holds the value: zero-extended when the range is not negative, else sign-extended. */
  | { readonly op: 'register'; readonly register: Register; readonly bits: number; readonly variable?: Variable }
  | RingExpression<'add' | 'sub' | 'mul' | 'and' | 'or' | 'xor'>
  | RingExpression<'shl'>
  | { readonly op: 'neg' | 'not'; readonly operand: IntegerExpression; readonly int32: boolean }
  | { readonly op: 'wrap'; readonly operand: IntegerExpression; readonly bits: number; readonly signed: boolean }
  /** A number division whose result only a constructor may take, since it need not be an integer. */
  | { readonly op: 'quotient' | 'remainder'; readonly left: IntegerExpression; readonly right: IntegerExpression }
);

export interface RingExpression<Operator> {
  readonly op: Operator;
  readonly left: IntegerExpression;
  readonly right: IntegerExpression;
  /** JavaScript's number operators `& | ^ << ~`: the result is taken as a signed 32-bit integer. */
  readonly int32: boolean;
}

export interface IntegerValue {
  readonly kind: 'integer';
  readonly type: IntegerType | PlainType;
  readonly expression: IntegerExpression;
  /** Written as a literal or computed from constants: takes any width it fits. */
  readonly literal: boolean;
}

/** What a function's code comes from. */
export type Callable = ts.FunctionDeclaration | ts.MethodDeclaration | ts.ArrowFunction | ts.FunctionExpression;

/** A value of the program while its code is being emitted. */
export type Value =
  | IntegerValue
  | { readonly kind: 'boolean'; readonly register: Register }
  | { readonly kind: 'truth'; readonly value: boolean }
  /** An object, a structure's view or bit fields, an atomic cell: all pointers. */
  | { readonly kind: 'pointer'; readonly type: DialectType; readonly address: Address }
  /** A string. */
  | { readonly kind: 'string'; readonly pointer: Address; readonly length: Register | bigint; readonly text?: string }
  | ArrayValue
  /** A function by name; its type parameters, if any, are the call's business. */
  | {
      readonly kind: 'function';
      readonly node: Callable;
      readonly environment: TypeEnvironment;
      readonly type: DialectType;
    }
  | { readonly kind: 'code'; readonly register: Register; readonly type: DialectType }
  | { readonly kind: 'closure'; readonly node: ts.ArrowFunction | ts.FunctionExpression; readonly frame: Frame }
  | { readonly kind: 'result'; readonly type: DialectType; readonly value: Value; readonly error: Register }
  | { readonly kind: 'null' }
  | { readonly kind: 'void' };

export interface ArrayValue {
  readonly kind: 'array';
  readonly type: ArrayType;
  readonly address: Address;
  readonly length: Register | bigint;
}

export const VOID_VALUE: Value = { kind: 'void' };

export function constantInteger(value: bigint, type: IntegerType | PlainType): IntegerValue {
  return { kind: 'integer', type, expression: { op: 'constant', range: exactly(value) }, literal: true };
}
