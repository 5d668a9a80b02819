// biome-ignore-all lint/suspicious/noShadowRestrictedNames: these declarations are the host's own globals
/**
 * What the Node implementation of the dialect needs from the JavaScript host, declared here and nowhere else: kernel and
 * user programs are checked with `noLib`, so these names must not leak into their editors.
 */

interface HostView {
  getUint8(offset: number): number;
  getUint16(offset: number, littleEndian: boolean): number;
  getUint32(offset: number, littleEndian: boolean): number;
  getBigUint64(offset: number, littleEndian: boolean): bigint;
  setUint8(offset: number, value: number): void;
  setUint16(offset: number, value: number, littleEndian: boolean): void;
  setUint32(offset: number, value: number, littleEndian: boolean): void;
  setBigUint64(offset: number, value: bigint, littleEndian: boolean): void;
}

interface HostMap<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
  delete(key: K): boolean;
  clear(): void;
}

type HostBuffer = object;
interface HostCells<T> {
  [index: number]: T;
}

declare const BigInt: {
  (value: number): bigint;
  asUintN(bits: number, value: bigint): bigint;
  asIntN(bits: number, value: bigint): bigint;
};
declare const Number: { (value: bigint | string): number; isFinite(value: number): boolean };
declare const Math: {
  trunc(value: number): number;
  max(a: number, b: number): number;
  imul(a: number, b: number): number;
};
declare const Map: new <K, V>() => HostMap<K, V>;
declare const WeakMap: new <K, V>() => HostMap<K, V>;
declare const SharedArrayBuffer: new (bytes: number) => HostBuffer;
declare const ArrayBuffer: new (bytes: number) => HostBuffer;
declare const DataView: new (buffer: HostBuffer) => HostView;
declare const Uint32Array: new (buffer: HostBuffer) => HostCells<number>;
declare const BigUint64Array: new (buffer: HostBuffer) => HostCells<bigint>;
declare const Error: new (message: string) => object;
declare const Proxy: new <T extends object>(
  target: object,
  traps: {
    get(target: object, key: string | symbol): unknown;
    set?(target: object, key: string | symbol, value: unknown): boolean;
  },
) => T;
declare const Object: {
  entries<T>(value: object): [string, T][];
  defineProperty(o: object, key: string, p: object): void;
};
declare const Atomics: {
  load<T>(cells: HostCells<T>, index: number): T;
  store<T>(cells: HostCells<T>, index: number, value: T): T;
  exchange<T>(cells: HostCells<T>, index: number, value: T): T;
  add<T>(cells: HostCells<T>, index: number, value: T): T;
  and<T>(cells: HostCells<T>, index: number, value: T): T;
  or<T>(cells: HostCells<T>, index: number, value: T): T;
  compareExchange<T>(cells: HostCells<T>, index: number, expected: T, replacement: T): T;
};

export type { HostCells, HostMap, HostView };

export const asUnsigned = (bits: number, value: bigint): bigint => BigInt.asUintN(bits, value);
export const asSigned = (bits: number, value: bigint): bigint => BigInt.asIntN(bits, value);
export const multiplyLow32 = (a: number, b: number): number => Math.imul(a, b);
export const larger = (a: number, b: number): number => Math.max(a, b);
export const bigintToNumber = (value: bigint): number => Number(value);
export const textToNumber = (value: string): number => Number(value);
export const newMap = <K, V>(): HostMap<K, V> => new Map<K, V>();
export const newWeakMap = <K, V>(): HostMap<K, V> => new WeakMap<K, V>();
export const newView = (bytes: number): HostView => new DataView(new ArrayBuffer(bytes));
export const sharedCell32 = (): HostCells<number> => new Uint32Array(new SharedArrayBuffer(4));
export const sharedCell64 = (): HostCells<bigint> => new BigUint64Array(new SharedArrayBuffer(8));
export const atomics: typeof Atomics = Atomics;
export const failure = (message: string): object => new Error(message);
export const entriesOf = <T>(value: object): [string, T][] => Object.entries<T>(value);
export const defineAccessor = (target: object, name: string, accessor: object): void =>
  Object.defineProperty(target, name, accessor);
export const newProxy = <T extends object>(
  get: (key: string | symbol) => unknown,
  set: (key: string | symbol, value: unknown) => boolean,
): T => new Proxy<T>({}, { get: (_, key) => get(key), set: (_, key, value) => set(key, value) });

/** Truncation towards zero; what JavaScript's ToInt32 makes of NaN and the infinities, zero, holds for every width. */
export function toInteger(value: number | bigint | boolean): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}
