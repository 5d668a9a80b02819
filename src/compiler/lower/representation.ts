import type ts from 'typescript';
import { type Interval, interval, within } from '../frontend/interval.ts';
import { describe } from '../frontend/type-names.ts';
import { type DialectType, type IntegerType, integers, rangeOfType } from '../frontend/types.ts';
import { at } from '../ir/builder.ts';
import type { Address, Register, Type } from '../ir/module.ts';
import {
  arrayStored,
  escapingClosure,
  ignoredResult,
  tooWide,
  typeMismatch,
  unsupportedType,
} from '../rules/values.ts';
import { fraction, literalOutOfRange, undeclaredWidth } from '../rules/widths.ts';
import { capturedNames } from './captures.ts';
import type { Variable } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { constant, held, integerValue, integral, materialise, registerType } from './integers.ts';
import type { IntegerValue, Value } from './values.ts';

/** A length in elements or bytes: never negative, at most 32 bits. */
export const LENGTHS: Interval = interval(0n, 0xffff_ffffn);

/** The registers that a value of the type takes, in passing and in locals. */
export function registersOf(type: DialectType): readonly Type[] {
  switch (type.kind) {
    case 'integer':
      return [registerType(type.bits)];
    case 'boolean':
      return ['i8'];
    case 'string':
    case 'array':
      return ['i64', 'i64'];
    case 'result': {
      const value = registersOf(type.value);
      return [...(value.length === 0 ? (['i64'] as const) : value), 'i32'];
    }
    case 'error':
      return ['i64', 'i32'];
    case 'void':
    case 'never':
      return [];
    default:
      return ['i64'];
  }
}

/** The registers a function returns the type in, two at most. */
export function resultRegisters(
  lowering: { report: FunctionLowering['report'] },
  type: DialectType,
  node: ts.Node,
): readonly Type[] {
  const registers = registersOf(type);
  if (registers.length <= 2) return registers;
  lowering.report(tooWide(describe(type)), node);
  return registers.slice(0, 2);
}

/** The registers of a value, which must already have the type. */
export function registersOfValue(lowering: FunctionLowering, value: Value, type: DialectType): Register[] {
  const { builder } = lowering;
  switch (value.kind) {
    case 'integer': {
      const bits = type.kind === 'integer' ? type.bits : 64;
      return [materialise(lowering, value.expression, bits)];
    }
    case 'boolean':
      return [value.register];
    case 'truth':
      return [builder.const('i8', value.value ? 1n : 0n)];
    case 'pointer':
      return [lowering.pointer(value.address)];
    case 'string':
    case 'array':
      return [
        lowering.pointer(value.kind === 'string' ? value.pointer : value.address),
        lengthRegister(lowering, value.length),
      ];
    case 'function':
      return [builder.addressOf(at.symbol(lowering.module.requestFunction(value.node, value.environment)))];
    case 'code':
      return [value.register];
    case 'result': {
      const inner = type.kind === 'result' ? type.value : value.type.kind === 'result' ? value.type.value : value.type;
      const registers = value.value.kind === 'void' ? [] : registersOfValue(lowering, value.value, inner);
      const wanted = registersOf(type)[0]!;
      return [registers[0] ?? builder.const(wanted, 0n), ...registers.slice(1), value.error];
    }
    case 'null':
      return registersOf(type).map((register) => builder.const(register, 0n));
    default:
      return registersOf(type).map((register) => builder.const(register, 0n));
  }
}

export const lengthRegister = (lowering: FunctionLowering, length: Register | bigint): Register =>
  typeof length === 'bigint' ? lowering.builder.const('i64', length) : length;

/** The value that registers of a type hold. */
export function valueOfRegisters(
  type: DialectType,
  registers: readonly Register[],
  variable?: Variable,
  range?: Interval,
): Value {
  const [first = 0, second = 0] = registers;
  switch (type.kind) {
    case 'integer': {
      const leaf = { op: 'register', register: first, bits: type.bits, range: range ?? rangeOfType(type) } as const;
      return integerValue(type, variable === undefined ? leaf : { ...leaf, variable });
    }
    case 'plain':
      return integerValue(integers.i64, held(first, 64, integers.i64.range));
    case 'boolean':
      return { kind: 'boolean', register: first };
    case 'string':
      return { kind: 'string', pointer: at.register(first), length: second };
    case 'array':
      return { kind: 'array', type, address: at.register(first), length: second };
    case 'function':
      return { kind: 'code', register: first, type };
    case 'result':
    case 'error': {
      const inner = type.kind === 'result' ? type.value : ({ kind: 'void' } as const);
      return { kind: 'result', type, value: valueOfRegisters(inner, registers.slice(0, -1)), error: registers.at(-1)! };
    }
    case 'void':
    case 'never':
      return { kind: 'void' };
    case 'null':
      return { kind: 'null' };
    default:
      return { kind: 'pointer', type, address: at.register(first) };
  }
}

/** Gives a value the type that its place declares, or reports the rule it breaks: the width rule above all. */
export function coerce(lowering: FunctionLowering, value: Value, type: DialectType, node: ts.Node): Value {
  if (type.kind === 'plain') return value;
  if (type.kind === 'unsupported') {
    lowering.report(unsupportedType(type.text), node);
    return value;
  }
  switch (value.kind) {
    case 'integer':
      return type.kind === 'integer'
        ? coerceInteger(lowering, value, type, node)
        : mismatch(lowering, value, type, node);
    case 'boolean':
    case 'truth':
      return type.kind === 'boolean' ? value : mismatch(lowering, value, type, node);
    case 'closure':
      return coerceClosure(lowering, value, type, node);
    case 'function':
      return coerceFunction(lowering, value, type, node);
    case 'result':
      if (type.kind === 'result' || type.kind === 'error') return coerceResult(lowering, value, type, node);
      return mismatch(lowering, value, type, node);
    case 'string':
      return type.kind === 'string' ? value : mismatch(lowering, value, type, node);
    case 'array':
      return type.kind === 'array' ? value : mismatch(lowering, value, type, node);
    default:
      return value;
  }
}

function mismatch(lowering: FunctionLowering, value: Value, type: DialectType, node: ts.Node): Value {
  lowering.report(typeMismatch(kindOf(value), describe(type)), node);
  return valueOfRegisters(
    type,
    registersOf(type).map((register) => lowering.builder.const(register, 0n)),
  );
}

export const kindOf = (value: Value): string =>
  'type' in value && value.kind !== 'array' ? describe(value.type) : value.kind === 'truth' ? 'boolean' : value.kind;

export function coerceInteger(
  lowering: FunctionLowering,
  value: IntegerValue,
  type: IntegerType,
  node: ts.Node,
): IntegerValue {
  const { expression } = value;
  integral(lowering, expression, node);
  if (value.type.kind === 'plain' && !value.literal) {
    lowering.report(undeclaredWidth(describe(value.type), type.name), node);
  } else if (value.literal && !within(expression.range, type.range)) {
    lowering.report(literalOutOfRange(String(expression.range.low), type.name), node);
  }
  return { ...value, type, literal: false };
}

function coerceResult(
  lowering: FunctionLowering,
  value: Value & { kind: 'result' },
  type: DialectType,
  node: ts.Node,
): Value {
  if (type.kind !== 'result' || value.type.kind === 'error' || value.value.kind === 'void') {
    const registers = type.kind === 'result' ? registersOf(type.value) : [];
    const empty = registers.map((register) => lowering.builder.const(register, 0n));
    const inner = type.kind === 'result' ? type.value : ({ kind: 'void' } as const);
    return { kind: 'result', type, value: valueOfRegisters(inner, empty), error: value.error };
  }
  if (type.value.kind === 'void') return { ...value, type, value: { kind: 'void' } };
  return { ...value, type, value: coerce(lowering, value.value, type.value, node) };
}

/** Whether a function may be called through a type: its result must not be lost there. */
export function checkResult(
  report: FunctionLowering['report'],
  found: DialectType,
  wanted: DialectType,
  node: ts.Node,
): void {
  if (found.kind !== 'function' || wanted.kind !== 'function' || wanted.result.kind !== 'void') return;
  if (found.result.kind === 'result' || found.result.kind === 'error') report(ignoredResult(), node);
}

function coerceFunction(
  lowering: FunctionLowering,
  value: Value & { kind: 'function' },
  type: DialectType,
  node: ts.Node,
): Value {
  checkResult((rule, place) => lowering.report(rule, place), value.type, type, node);
  return value;
}

/** An arrow function that captures nothing becomes a function of its own. */
function coerceClosure(
  lowering: FunctionLowering,
  value: Value & { kind: 'closure' },
  type: DialectType,
  node: ts.Node,
): Value {
  const [captured] = capturedNames(lowering, value.node);
  if (captured !== undefined) {
    lowering.report(escapingClosure(captured), node);
    return { kind: 'null' };
  }
  const { environment } = value.frame;
  return coerceFunction(
    lowering,
    { kind: 'function', environment, type: lowering.typeOf(value.node), node: value.node },
    type,
    node,
  );
}

/** Reads a value of a type from memory. */
export function load(
  lowering: FunctionLowering,
  address: Address,
  type: DialectType,
  volatile: boolean,
  node: ts.Node,
): Value {
  const { builder } = lowering;
  const registers = registersOf(type);
  if (type.kind === 'array') {
    lowering.report(arrayStored(), node);
    return { kind: 'void' };
  }
  if (type.kind === 'string') {
    const pointer = builder.load('i64', address);
    return valueOfRegisters(type, [pointer, builder.load('i64', lowering.offset(address, 8))]);
  }
  return valueOfRegisters(type, [builder.load(registers[0] ?? 'i64', address, volatile)]);
}

/** Writes a value, already of the type, to memory. */
export function store(
  lowering: FunctionLowering,
  address: Address,
  value: Value,
  type: DialectType,
  volatile: boolean,
): void {
  const registers = registersOfValue(lowering, value, type);
  registers.forEach((register, index) => {
    lowering.builder.store(lowering.offset(address, 8 * index), register, volatile);
  });
}

/** An integer constant as Node computed it. */
export function constantValue(lowering: FunctionLowering, value: number | bigint, node: ts.Node): IntegerValue {
  const big = typeof value === 'bigint';
  if (!big && !Number.isInteger(value)) {
    lowering.report(fraction(), node);
    return { kind: 'integer', type: { kind: 'plain', big }, expression: constant(0n), literal: true };
  }
  return { kind: 'integer', type: { kind: 'plain', big }, expression: constant(BigInt(value)), literal: true };
}

/** Holds a value in registers of its own, so that later assignments to variables do not reach it. */
export function settled(lowering: FunctionLowering, value: Value, type: DialectType): Value {
  const registers = registersOfValue(lowering, value, type).map((register) => {
    const copy = lowering.builder.register(lowering.builder.typeOf(register));
    lowering.builder.copy(copy, register);
    return copy;
  });
  const range = value.kind === 'integer' ? value.expression.range : undefined;
  return valueOfRegisters(type, registers, undefined, range);
}
