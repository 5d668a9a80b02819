// biome-ignore-all lint/suspicious/noEmptyInterface: the checker asks for these by name
// biome-ignore-all lint/suspicious/noShadowRestrictedNames: this file is the standard library
/**
 * The JavaScript that exists on the bare machine: kernel and user programs are compiled with `noLib` and see this instead.
 * What is not declared here does not exist in the editor.
 */

interface Object {}
interface Function {}
interface CallableFunction extends Function {}
interface NewableFunction extends Function {}
interface IArguments {}
interface RegExp {}
interface Boolean {}
interface Number {}
interface BigInt {}
interface Symbol {}

/** An ASCII literal in .rodata: a pointer and a length. */
interface String {
  /** Bytes. */
  readonly length: import('#dialect').u32;
  /** The byte at an index; outside the string is a panic. */
  charCodeAt(index: number): import('#dialect').u8;
  readonly [index: number]: string;
}

/** Only as the argument of `table`; storage is `array` and `references`. */
interface Array<T> {
  readonly length: import('#dialect').u32;
  [index: number]: T;
  push(...values: T[]): number;
  [Symbol.iterator](): Iterator<T>;
}
interface ReadonlyArray<T> {
  readonly length: import('#dialect').u32;
  readonly [index: number]: T;
  [Symbol.iterator](): Iterator<T>;
}
interface TemplateStringsArray extends ReadonlyArray<string> {
  readonly raw: readonly string[];
}

interface SymbolConstructor {
  readonly iterator: unique symbol;
  readonly dispose: unique symbol;
}
declare const Symbol: SymbolConstructor;

interface Iterator<T> {
  next(): IteratorResult<T>;
}
interface IteratorResult<T> {
  done?: boolean;
  value: T;
}
interface Iterable<T> {
  [Symbol.iterator](): Iterator<T>;
}
interface IterableIterator<T> extends Iterator<T> {
  [Symbol.iterator](): IterableIterator<T>;
}

/** What `using` needs: called on every way out of the block. */
interface Disposable {
  [Symbol.dispose](): void;
}

type Readonly<T> = { readonly [K in keyof T]: T[K] };
type Record<K extends string | number | symbol, T> = { [P in K]: T };
type Exclude<T, U> = T extends U ? never : T;
type Extract<T, U> = T extends U ? T : never;
type Pick<T, K extends keyof T> = { [P in K]: T[P] };
type Omit<T, K> = { [P in keyof T as P extends K ? never : P]: T[P] };
type NonNullable<T> = T & {};
