import type { VirtAddr } from './addresses.ts';
import { arrayAt, type FixedArray, type InlineArray, isArray, layoutOfArray } from './arrays.ts';
import { defineAccessor, entriesOf, larger, toInteger } from './host.ts';
import {
  type Integer,
  type IntegerType,
  u8 as toU8,
  u16 as toU16,
  u32 as toU32,
  u64 as toU64,
  type u8,
  type u16,
  type u32,
  type u64,
} from './integers.ts';
import { place } from './placement.ts';
import { type AccessSize, load, store } from './socket.ts';

declare const fieldType: unique symbol;

/** A scalar field of a layout. */
export interface Field<T extends Integer> {
  readonly size: u32;
  readonly convert: IntegerType<T>;
  readonly [fieldType]?: T;
  /** Splits the field into bit fields, given as widths from bit 0 upwards; names that begin with `_` are padding. */
  bits<B extends Readonly<Record<string, number>>>(widths: B): BitFields<T, B>;
}

export interface BitFields<T extends Integer, B> {
  readonly size: u32;
  readonly convert: IntegerType<T>;
  readonly widths: B;
}

function field<T extends Integer>(convert: IntegerType<T>): Field<T> {
  return { size: convert.size, convert, bits: (widths) => ({ size: convert.size, convert, widths }) };
}

export const f8: Field<u8> = field<u8>(toU8);
export const f16: Field<u16> = field<u16>(toU16);
export const f32: Field<u32> = field<u32>(toU32);
export const f64: Field<u64> = field<u64>(toU64);

type AnyField =
  | Field<number>
  | Field<bigint>
  | IntegerType<number>
  | IntegerType<bigint>
  | BitFields<number, Readonly<Record<string, number>>>
  | BitFields<bigint, Readonly<Record<string, number>>>
  | FixedArray<number>
  | FixedArray<bigint>
  // biome-ignore lint/suspicious/noExplicitAny: a nested layout may hold any fields
  | InlineArray<any>
  // biome-ignore lint/suspicious/noExplicitAny: a nested layout may hold any fields
  | Struct<any>;

export type Fields = Readonly<Record<string, AnyField>>;

/** What `.at()` returns: the fields as properties, bit fields as properties of theirs (`raw` is the whole word). */
export type View<F> = {
  -readonly [K in keyof F]: F[K] extends BitFields<infer T, infer B>
    ? BitView<T, B>
    : F[K] extends Struct<infer G>
      ? View<G>
      : F[K] extends Field<infer T>
        ? T
        : F[K] extends FixedArray<number> | FixedArray<bigint> | InlineArray<unknown>
          ? F[K]
          : F[K] extends IntegerType<infer T>
            ? T
            : never;
};
export type BitView<T, B> = { -readonly [K in keyof B]: T } & { raw: T };

/** The type of a structure's views: `ViewOf<typeof Gate>`. */
export type ViewOf<S> = S extends Struct<infer F> ? View<F> : never;

/** A layout that hardware or another address space sees: little endian, in declaration order. */
export interface Struct<F> {
  /** Bytes, trailing padding included. */
  readonly size: u32;
  readonly alignment: u32;
  /** Bytes from the start. The name must be a literal. */
  offsetOf(name: keyof F & string): u32;
  /** The structure that lies at an address. Each property access is one load or store. */
  at(address: VirtAddr): View<F>;
}

interface Placed {
  readonly name: string;
  readonly type: AnyField;
  readonly offset: u32;
}

/** Fields at their natural alignment, as C lays them out. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  return layout(fields, false);
}

/** Fields without any padding, as `__attribute__((packed))`. */
export function packed<const F extends Fields>(fields: F): Struct<F> {
  return layout(fields, true);
}

function measure(type: AnyField): { size: u32; alignment: u32 } {
  if (isArray(type)) return layoutOfArray(type);
  const { size, alignment = size } = type as { size: u32; alignment?: u32 };
  return { size, alignment };
}

function layout<F extends Fields>(fields: F, dense: boolean): Struct<F> {
  let end = 0;
  let alignment = 1;
  const placed: Placed[] = [];
  const offsets: Record<string, u32> = {};
  for (const [name, type] of entriesOf<AnyField>(fields)) {
    const measured = measure(type);
    const step = dense ? 1 : measured.alignment;
    const offset = alignUp(end, step);
    placed.push({ name, type, offset });
    offsets[name] = offset;
    end = offset + measured.size;
    alignment = larger(alignment, step);
  }
  const size = alignUp(end, alignment);
  return {
    size,
    alignment,
    offsetOf: (name) => offsets[name] as u32,
    at: (address) => view<F>(placed, address),
  };
}

const alignUp = (value: u32, alignment: u32): u32 => {
  const over = value % alignment;
  return over === 0 ? value : value + alignment - over;
};

function view<F>(fields: readonly Placed[], address: bigint): View<F> {
  const result = {};
  place(result, address);
  for (const { name, type, offset } of fields) {
    defineAccessor(result, name, { enumerable: true, ...accessor(type, address + toInteger(offset)) });
  }
  return result as View<F>;
}

function accessor(type: AnyField, address: bigint): object {
  if (isArray(type)) {
    const value = arrayAt(type, address);
    return { get: () => value };
  }
  if ('at' in type) {
    const value = type.at(address as VirtAddr);
    return { get: () => value };
  }
  if ('widths' in type) {
    const value = bitView(type, address);
    return { get: () => value };
  }
  const scalar = type as Field<Integer> | IntegerType<Integer>;
  const size = scalar.size as AccessSize;
  const convert = 'convert' in scalar ? scalar.convert : scalar;
  return {
    get: () => convert(load(address, size)),
    set: (value: Integer) => store(address, size, toInteger(value)),
  };
}

function bitView<B extends Readonly<Record<string, number>>>(type: BitFields<Integer, B>, address: bigint): object {
  const size = type.size as AccessSize;
  const result = {};
  let shift = 0n;
  for (const [name, bits] of entriesOf<number>(type.widths)) {
    const from = shift;
    const mask = (1n << toInteger(bits)) - 1n;
    shift += toInteger(bits);
    if (name[0] === '_') continue;
    defineAccessor(result, name, {
      enumerable: true,
      get: () => type.convert((load(address, size) >> from) & mask),
      set: (value: Integer) => {
        const others = load(address, size) & ~(mask << from);
        store(address, size, others | ((toInteger(value) & mask) << from));
      },
    });
  }
  defineAccessor(result, 'raw', {
    get: () => type.convert(load(address, size)),
    set: (value: Integer) => store(address, size, toInteger(value)),
  });
  return result;
}
