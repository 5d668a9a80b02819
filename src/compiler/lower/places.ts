import type ts from 'typescript';
import type { Interval } from '../frontend/interval.ts';
import { exactly, ofWidth } from '../frontend/interval.ts';
import type { DialectType, IntegerType } from '../frontend/types.ts';
import type { Address } from '../ir/module.ts';
import { elementReplaced, unsupportedType } from '../rules/values.ts';
import type { Variable } from './frame.ts';
import type { FunctionLowering } from './function.ts';
import { held, integerValue, registerType } from './integers.ts';
import { coerce, load, registersOf, registersOfValue, store, valueOfRegisters } from './representation.ts';
import type { Value } from './values.ts';

/** Something that can be read and, mostly, assigned. */
export type Place =
  | { readonly kind: 'variable'; readonly variable: Variable }
  | { readonly kind: 'memory'; readonly address: Address; readonly type: DialectType; readonly volatile: boolean }
  | {
      readonly kind: 'bits';
      readonly address: Address;
      readonly carrier: IntegerType;
      readonly shift: number;
      readonly width: number;
    }
  /** An object, array or structure that lies in place. */
  | { readonly kind: 'inline'; readonly value: Value };

export function typeOfPlace(place: Place): DialectType {
  switch (place.kind) {
    case 'variable':
      return place.variable.type;
    case 'memory':
      return place.type;
    case 'bits':
      return place.carrier;
    default:
      return place.value.kind === 'pointer' || place.value.kind === 'array' ? place.value.type : { kind: 'void' };
  }
}

export function readVariable(lowering: FunctionLowering, variable: Variable): Value {
  if (variable.fixed !== undefined) return variable.fixed;
  return valueOfRegisters(variable.type, variable.registers, variable, lowering.rangeOf(variable));
}

export function readPlace(lowering: FunctionLowering, place: Place, node: ts.Node): Value {
  switch (place.kind) {
    case 'variable':
      return readVariable(lowering, place.variable);
    case 'memory':
      return load(lowering, place.address, place.type, place.volatile, node);
    case 'bits':
      return readBits(lowering, place);
    default:
      return place.value;
  }
}

function readBits(lowering: FunctionLowering, place: Place & { kind: 'bits' }): Value {
  const { builder } = lowering;
  const { bits } = place.carrier;
  const type = registerType(bits);
  let register = builder.load(type, place.address, true);
  if (place.shift > 0) register = builder.binary('shr', register, builder.const(type, BigInt(place.shift)));
  const mask = (1n << BigInt(place.width)) - 1n;
  if (place.shift + place.width < bits) register = builder.binary('and', register, builder.const(type, mask));
  return integerValue(place.carrier, held(register, bits, ofWidth(place.width, false)));
}

function writeBits(lowering: FunctionLowering, place: Place & { kind: 'bits' }, value: Value): void {
  const { builder } = lowering;
  const { bits } = place.carrier;
  const type = registerType(bits);
  const mask = (1n << BigInt(place.width)) - 1n;
  const shift = BigInt(place.shift);
  let [field = 0] = registersOfValue(lowering, value, place.carrier);
  const range: Interval = value.kind === 'integer' ? value.expression.range : exactly(0n);
  if (range.low < 0n || range.high > mask) field = builder.binary('and', field, builder.const(type, mask));
  if (shift > 0n) field = builder.binary('shl', field, builder.const(type, shift));
  const others = BigInt.asUintN(bits, ~(mask << shift));
  const kept = builder.binary('and', builder.load(type, place.address, true), builder.const(type, others));
  builder.store(place.address, builder.binary('or', kept, field), true);
}

/** Assigns a value, coerced to the place's type; returns the value as the place now holds it. */
export function writePlace(lowering: FunctionLowering, place: Place, value: Value, node: ts.Node): Value {
  if (place.kind === 'inline') {
    lowering.report(elementReplaced('this'), node);
    return value;
  }
  const type = typeOfPlace(place);
  const coerced = coerce(lowering, value, type, node);
  if (place.kind === 'variable') {
    assign(lowering, place.variable, coerced);
    return readVariable(lowering, place.variable);
  }
  if (place.kind === 'bits') writeBits(lowering, place, coerced);
  else if (place.type.kind === 'array') lowering.report(elementReplaced('an array'), node);
  else store(lowering, place.address, coerced, type, place.volatile);
  return coerced;
}

/** Puts a value, already of its type, into a variable's registers. */
export function assign(lowering: FunctionLowering, variable: Variable, value: Value): void {
  const { builder } = lowering;
  const registers = registersOfValue(lowering, value, variable.type);
  registers.forEach((register, index) => {
    const target = variable.registers[index];
    if (target !== undefined && target !== register) builder.copy(target, register);
  });
  if (value.kind === 'integer') lowering.facts.set(variable, value.expression.range);
}

/** A new local variable that holds a value. */
export function newVariable(
  lowering: FunctionLowering,
  name: string,
  type: DialectType,
  value: Value | null,
  node: ts.Node,
): Variable {
  if (type.kind === 'unsupported') lowering.report(unsupportedType(type.text), node);
  const registers = registersOf(type).map((register) => lowering.builder.register(register));
  const variable: Variable = { name, type, registers };
  if (value !== null) assign(lowering, variable, value);
  return variable;
}

/** The place as it is now, whatever the expression evaluated next does to the variables in its address. */
export function settledPlace(lowering: FunctionLowering, place: Place | undefined, next: ts.Node): Place | undefined {
  if (place?.kind !== 'memory' && place?.kind !== 'bits') return place;
  return { ...place, address: lowering.settledAddress(place.address, [next]) };
}
