import { describe, it } from 'vitest';
import { agree, type Call } from './harness.ts';

const edges32 = [0, 1, 2, 7, 31, 32, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const edges64 = [0n, 1n, 9n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn];
const signed32 = [0, 1, -1, 5, -2147483648, 2147483647];
const signed64 = [0n, 1n, -1n, 7n, -0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn];

function pairs(name: string, values: readonly (number | bigint)[]): Call[] {
  return values.flatMap((a) => values.map((b): Call => [name, a, b]));
}

describe('integers mean what Node says', () => {
  it('wraps sums, differences and products in their constructors', () => {
    agree(
      `export function f(a: u32, b: u32): u32 { return u32(a + b - 3); }
       export function g(a: u32, b: u32): u8 { return u8(a - b); }
       export function h(a: u32, b: u32): i32 { return i32((a & 0xffff) * (b & 0xffff) + a); }
       export function m(a: u32, b: u32): u32 { return mulLow32(a, b); }
       export function w(a: u32, b: u32): u64 { return u64(u64(a) * u64(b) + 1n); }`,
      ['f', 'g', 'h', 'm', 'w'].flatMap((name) => pairs(name, edges32)),
    );
  });

  it('wraps bigint chains once at the end', () => {
    agree(
      `export function f(a: u64, b: u64): u64 { return u64(a * b + (a << 3n) - (b ^ a) + ~b); }
       export function g(a: u64, b: u64): i64 { return i64(a - b); }
       export function h(a: u64, b: u64): u64 { return mulHigh64(a, b); }
       export function s(a: u64, b: u64): u64 { return u64(a << (b & 63n)) ; }
       export function t(a: u64, b: u64): u64 { return u64(a >> (b & 63n)) ; }
       export function p(a: u64, b: u64): u32 { return u32((a >> 12n) + b); }`,
      ['f', 'g', 'h', 's', 't', 'p'].flatMap((name) => pairs(name, edges64)),
    );
  });

  it('takes 32-bit views for the bitwise operators on numbers', () => {
    agree(
      `export function f(a: u32, b: u32): i32 { return i32((a & b) | (a ^ 0x55)); }
       export function g(a: u32, b: u32): u32 { return u32(a << b); }
       export function h(a: u32, b: u32): i32 { return i32(a >> b); }
       export function k(a: u32, b: u32): u32 { return u32(a >>> b); }
       export function n(a: u32, b: u32): i64 { return i64(~a & b); }
       export function o(a: u32, b: u32): i64 { return i64((a | b) + (a << 1)); }`,
      ['f', 'g', 'h', 'k', 'n', 'o'].flatMap((name) => pairs(name, edges32)),
    );
  });

  it('divides towards zero, and numbers by zero to zero', () => {
    agree(
      `export function f(a: u32, b: u32): u32 { return u32(a / b); }
       export function g(a: u32, b: u32): u32 { return u32(a % b); }
       export function c(a: u32, b: u32): u32 { return u32(a / 10 + b % 7); }`.replace(
        'a / 10 + b % 7',
        'u32(a / 10) + b % 7',
      ),
      ['f', 'g', 'c'].flatMap((name) => pairs(name, edges32)),
    );
    agree(
      `export function f(a: i32, b: i32): i32 { return i32(a / b); }
       export function g(a: i32, b: i32): i32 { return i32(a % b); }`,
      ['f', 'g'].flatMap((name) => pairs(name, signed32)),
    );
  });

  it('divides bigints, and panics where Node throws', () => {
    agree(
      `export function f(a: u64, b: u64): u64 { return u64(a / b); }
       export function g(a: u64, b: u64): u64 { return u64(a % b); }
       export function k(a: u64, b: u64): u64 { return u64(a / 10n + b % 16n); }`,
      ['f', 'g', 'k'].flatMap((name) => pairs(name, edges64)),
    );
    agree(
      `export function f(a: i64, b: i64): i64 { return i64(a / b); }
       export function g(a: i64, b: i64): i64 { return i64(a % b); }
       export function k(a: i64, b: i64): i64 { return i64(a >> (b & 63n)); }`,
      ['f', 'g', 'k'].flatMap((name) => pairs(name, signed64)),
    );
  });

  it('compares exact values across widths', () => {
    agree(
      `export function f(a: u32, b: u32): boolean { return a < b + 1; }
       export function g(a: u32, b: u32): boolean { return a - b <= 5; }
       export function h(a: u32, b: u32): u32 { if (a + 1 > b && b !== 0 || a === 7) return 1; return 0; }`,
      ['f', 'g', 'h'].flatMap((name) => pairs(name, edges32)),
    );
    agree(
      `export function f(a: i64, b: i64): boolean { return a < b; }
       export function g(a: i64, b: i64): boolean { return a >= b === true; }`.replace(' === true', ''),
      ['f', 'g'].flatMap((name) => pairs(name, signed64)),
    );
  });

  it('converts between every two types', () => {
    const types = ['u8', 'u16', 'u32', 'i8', 'i16', 'i32', 'u64', 'i64'];
    const text = types.flatMap((from) =>
      types.map((to) => `export function ${from}_${to}(a: ${from}): ${to} { return ${to}(a); }`),
    );
    const values: Record<string, (number | bigint)[]> = {
      u8: [0, 127, 128, 255],
      u16: [0, 255, 256, 0xffff],
      u32: edges32,
      i8: [0, -1, -128, 127],
      i16: [0, -1, -32768, 32767],
      i32: signed32,
      u64: edges64,
      i64: signed64,
    };
    agree(
      text.join('\n'),
      types.flatMap((from) => types.flatMap((to) => values[from]!.map((value): Call => [`${from}_${to}`, value]))),
    );
  });

  it('keeps an operand from what a later one assigns', () => {
    agree(
      `export function f(a: u32): u32 { let x: u32 = a; return u32(x + (x = 5) * 2 + x); }
       export function g(a: u32): u32 { let x: u32 = u32(a & 15); return u32(x + x++ * 16 + x * 256); }
       export function h(a: u32): boolean { let x: u32 = a; return x < (x = 9) + 1 === (x === 9); }`.replace(
        ' === (x === 9)',
        '',
      ),
      ['f', 'g', 'h'].flatMap((name) => edges32.map((value): Call => [name, value])),
    );
  });
});
