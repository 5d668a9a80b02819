import { asSigned, asUnsigned, bigintToNumber, multiplyLow32, toInteger } from './host.ts';

declare const width: unique symbol;

/** Integers up to 32 bits are JavaScript numbers; the brand is optional, so literals need no conversion. */
export type u8 = number & { readonly [width]?: 'u8' };
export type u16 = number & { readonly [width]?: 'u16' };
export type u32 = number & { readonly [width]?: 'u32' };
export type i8 = number & { readonly [width]?: 'i8' };
export type i16 = number & { readonly [width]?: 'i16' };
export type i32 = number & { readonly [width]?: 'i32' };
/** 64-bit integers are bigints. */
export type u64 = bigint & { readonly [width]?: 'u64' };
export type i64 = bigint & { readonly [width]?: 'i64' };
export type usize = bigint & { readonly [width]?: 'usize' };

/** Any integer of the dialect. */
export type Integer = number | bigint;

/**
 * Converts to one width: the value modulo 2^bits, in the type's range; a quotient is truncated towards zero, and what is
 * not finite (a division by zero) becomes zero.
 */
export interface IntegerType<T extends Integer> {
  (value: Integer | boolean): T;
  /** Bytes. */
  readonly size: u32;
  readonly signed: boolean;
}

function narrow<T extends number>(size: u32, signed: boolean): IntegerType<T> {
  const wrap = signed ? asSigned : asUnsigned;
  const convert = (value: Integer | boolean): T => bigintToNumber(wrap(size * 8, toInteger(value))) as T;
  return withLayout(convert, size, signed);
}

function wide<T extends bigint>(signed: boolean): IntegerType<T> {
  const wrap = signed ? asSigned : asUnsigned;
  return withLayout((value: Integer | boolean): T => wrap(64, toInteger(value)) as T, 8, signed);
}

function withLayout<T extends Integer>(convert: (value: Integer | boolean) => T, size: u32, signed: boolean) {
  const type = convert as IntegerType<T> & { size: u32; signed: boolean };
  type.size = size;
  type.signed = signed;
  return type;
}

export const u8 = narrow<u8>(1, false);
export const u16 = narrow<u16>(2, false);
export const u32 = narrow<u32>(4, false);
export const i8 = narrow<i8>(1, true);
export const i16 = narrow<i16>(2, true);
export const i32 = narrow<i32>(4, true);
export const u64 = wide<u64>(false);
export const i64 = wide<i64>(true);
export const usize = wide<usize>(false);

/** The low 32 bits of a 32 by 32 bit product, which a plain `*` on numbers would round. */
export function mulLow32(a: u32, b: u32): u32 {
  return u32(multiplyLow32(a, b));
}

/** The high 64 bits of a 64 by 64 bit unsigned product. */
export function mulHigh64(a: u64, b: u64): u64 {
  return u64((a * b) >> 64n);
}
