import { failure, newProxy, newWeakMap, textToNumber, toInteger } from './host.ts';
import { type Integer, type IntegerType, u32 as toU32, type u8, type u32 } from './integers.ts';
import { place } from './placement.ts';
import { type AccessSize, load, reserve, store } from './socket.ts';
import type { Field, Struct, View } from './struct.ts';

/** Elements in place, of a length known at compile time. An index outside panics; read with `array[index]!`. */
export interface FixedArray<T> {
  [index: number]: T;
  readonly length: u32;
  [Symbol.iterator](): Iterator<T>;
}

/** As `FixedArray`, for elements that are objects or structures themselves: they can be changed but not replaced. */
export interface InlineArray<T> {
  readonly [index: number]: T;
  readonly length: u32;
  [Symbol.iterator](): Iterator<T>;
}

/** Constant elements in .rodata. */
export interface Table<T> extends InlineArray<T> {}

interface Shape {
  readonly length: u32;
  readonly size: u32;
  readonly alignment: u32;
  readonly at: (address: bigint) => Elements;
}
interface Elements {
  get(index: u32): unknown;
  set(index: u32, value: unknown): void;
}

const shapes = newWeakMap<object, Shape>();

type AnyArray = FixedArray<number> | FixedArray<bigint> | InlineArray<unknown>;

export const isArray = (value: object): value is AnyArray => shapes.get(value) !== undefined;

/** Bytes and alignment of an array whose elements live in simulated memory. */
export function layoutOfArray(value: object): { size: u32; alignment: u32 } {
  return shapes.get(value) as Shape;
}

/** The same array at another address: how a structure holds one. */
export function arrayAt(value: object, address: bigint): object {
  const shape = shapes.get(value) as Shape;
  return create(shape, shape.at(address), address);
}

function create(shape: Shape, elements: Elements, address?: bigint): object {
  const check = (key: string): u32 => {
    const index = textToNumber(key);
    if (!(index >= 0 && index < shape.length)) throw failure(`index ${key} is outside [0, ${shape.length})`);
    return index;
  };
  const iterate = (): Iterator<unknown> => {
    let next = 0;
    return {
      next: () =>
        next < shape.length ? { done: false, value: elements.get(next++) } : { done: true, value: undefined },
    };
  };
  const result = newProxy<object>(
    (key) => {
      if (key === Symbol.iterator) return iterate;
      if (key === 'length') return shape.length;
      return typeof key === 'string' ? elements.get(check(key)) : undefined;
    },
    (key, value) => {
      elements.set(check(key as string), value);
      return true;
    },
  );
  shapes.set(result, shape);
  if (address !== undefined) place(result, address);
  return result;
}

/** An array in place: a field, a module-level constant or a local. Integers start as zero. */
export function array<T extends Integer>(type: IntegerType<T> | Field<T>, length: number): FixedArray<T>;
export function array<F>(type: Struct<F>, length: number): InlineArray<View<F>>;
export function array<T extends object>(type: new () => T, length: number): InlineArray<T>;
export function array(type: object, length: number): object {
  if ('offsetOf' in type) return arrayOfStructs(type as Struct<unknown>, length);
  if ('size' in type) return arrayOfIntegers(type as IntegerType<Integer> | Field<Integer>, length);
  return arrayOfObjects(type as new () => object, length);
}

function arrayOfIntegers(type: IntegerType<Integer> | Field<Integer>, length: number): object {
  const size = type.size as AccessSize;
  const convert = 'convert' in type ? type.convert : type;
  const at = (base: bigint): Elements => ({
    get: (index) => convert(load(base + toInteger(index * size), size)),
    set: (index, value) => store(base + toInteger(index * size), size, toInteger(value as Integer)),
  });
  return reserved({ length, size: size * length, alignment: size, at });
}

function arrayOfStructs(type: Struct<unknown>, length: number): object {
  const at = (base: bigint): Elements => ({
    get: (index) => type.at((base + toInteger(index * type.size)) as never),
    set: () => {
      throw failure('an element in place cannot be replaced');
    },
  });
  return reserved({ length, size: type.size * length, alignment: type.alignment, at });
}

function reserved(shape: Shape): object {
  const address = reserve(shape.size, shape.alignment);
  return create(shape, shape.at(address), address);
}

function arrayOfObjects(type: new () => object, length: number): object {
  const objects: object[] = [];
  for (let index = 0; index < length; index++) objects.push(new type());
  return listed(objects, false);
}

function listed(values: unknown[], writable: boolean): object {
  const elements: Elements = {
    get: (index) => values[index],
    set: (index, value) => {
      if (!writable) throw failure('the elements of this array cannot be replaced');
      values[index] = value;
    },
  };
  return create({ length: toU32(values.length), size: values.length * 8, alignment: 8, at: () => elements }, elements);
}

/** An array of references to objects (or of function values), all null at first. */
export function references<T extends object>(length: number): FixedArray<T | null> {
  const values: null[] = [];
  for (let index = 0; index < length; index++) values.push(null);
  return listed(values, true) as FixedArray<T | null>;
}

/** The storage made by `array`, `references` or `embed`, at an alignment (bytes, a power of two) of its own. */
export function aligned<T>(_alignment: number, storage: T): T {
  return storage;
}

/** A constant table. Give the element type: `table<u16>([1, 2])`, `table<Handler>([first, second])`. */
export function table<T>(elements: readonly T[]): Table<T> {
  return listed([...elements], false) as Table<T>;
}

/** A constant table given by index, the gaps filled with `missing`. */
export function sparseTable<T>(length: number, missing: T, entries: readonly (readonly [number, T])[]): Table<T> {
  const values: T[] = [];
  for (let index = 0; index < length; index++) values.push(missing);
  for (const [index, value] of entries) values[index] = value;
  return listed(values, false) as Table<T>;
}

/** The bytes of an ASCII literal, without a terminating zero. */
export function bytes(text: string): Table<u8> {
  const values: number[] = [];
  for (let index = 0; index < text.length; index++) values.push(text.charCodeAt(index));
  return listed(values, false) as Table<u8>;
}
