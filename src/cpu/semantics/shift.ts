/** Shifts and rotates (SDM vol. 1, 7.3.6). Counts are taken modulo 32, or 64 for 64-bit operands; a count of 0 leaves the flags. */
import { FLAG, KIND } from '../flags.ts';
import { type Context, i32, i64, isNonzero, type Semantics, truncate } from './context.ts';
import type { I32, I64 } from './nodes.ts';

const one = i64.const(1);

function maskedCount(c: Context, index: number): I64 {
  return c.let(i64.and(c.read(index), i64.const(c.size === 64 ? 63 : 31)));
}

/** Runs `record` if the count is not 0, which the decoder may already have made sure of. */
function unlessZero(c: Context, count: I64, record: () => void): void {
  if (c.variant.countNonzero) record();
  else c.if(isNonzero(count), record);
}

/** `shifted` is what the result would be after one place less: the last bit out is found in it. */
const shift =
  (kind: number, by: (value: I64, count: I64) => I64, signed: boolean): Semantics =>
  (c) => {
    const raw = c.readForWrite(0);
    const count = maskedCount(c, 1);
    const a = signed ? c.let(c.signed(raw)) : raw;
    const result = c.result(by(a, count));
    c.write(0, result);
    unlessZero(c, count, () => c.setFlags(kind, result, truncate(by(a, i64.sub(count, one)), c.size)));
  };

/** SHLD and SHRD; 16-bit operands with counts above 16, undefined in the manual, shift the first operand in again behind the second. */
const doubleShift =
  (left: boolean): Semantics =>
  (c) => {
    const a = c.readForWrite(0);
    const b = c.read(1);
    const count = maskedCount(c, 2);
    const size = i64.const(c.size);
    const shifted = (by: I64): I64 => {
      if (c.size === 64) {
        const rest = i64.sub(i64.const(63), by);
        return left
          ? i64.or(i64.shl(a, by), i64.shr_u(i64.shr_u(b, one), rest))
          : i64.or(i64.shr_u(a, by), i64.shl(i64.shl(b, one), rest));
      }
      if (c.size === 32) {
        return left
          ? i64.shr_u(i64.shl(i64.or(i64.shl(a, size), b), by), size)
          : i64.shr_u(i64.or(a, i64.shl(b, size)), by);
      }
      const triple = i64.or(i64.or(i64.shl(a, i64.const(32)), i64.shl(b, i64.const(16))), a);
      return left ? i64.shr_u(i64.shl(triple, by), i64.const(32)) : i64.shr_u(triple, by);
    };
    const result = c.result(shifted(count));
    c.write(0, result);
    c.if(isNonzero(count), () =>
      c.setFlags(left ? KIND.SHL : KIND.SHR, result, truncate(shifted(i64.sub(count, one)), c.size)),
    );
  };

const bitOf = (value: I64, position: I64 | number): I64 =>
  i64.and(i64.shr_u(value, typeof position === 'number' ? i64.const(position) : position), one);

/** Replaces CF and OF only. @param carry and @param overflow i64 0 or 1 */
function setCarryAndOverflow(c: Context, flags: I32, carry: I64, overflow: I64): void {
  const kept = i32.and(flags, i32.const(~(FLAG.CF | FLAG.OF)));
  const overflowBit = i32.shl(i32.wrap_i64(overflow), i32.const(11));
  c.setStatusFlags(i32.or(kept, i32.or(i32.wrap_i64(carry), overflowBit)));
}

const rotate =
  (left: boolean): Semantics =>
  (c) => {
    const a = c.readForWrite(0);
    const count = maskedCount(c, 1);
    const result = c.result(rotated(c, a, count, left));
    c.write(0, result);
    unlessZero(c, count, () => {
      const top = bitOf(result, c.size - 1);
      const carry = c.let(left ? i64.and(result, one) : top);
      const other = left ? carry : bitOf(result, c.size - 2);
      setCarryAndOverflow(c, c.statusFlags(), carry, i64.xor(top, other));
    });
  };

function rotated(c: Context, a: I64, count: I64, left: boolean): I64 {
  if (c.size === 64) return left ? i64.rotl(a, count) : i64.rotr(a, count);
  if (c.size === 32) {
    const narrow = i32.wrap_i64(a);
    const by = i32.wrap_i64(count);
    return i64.extend_i32_u(left ? i32.rotl(narrow, by) : i32.rotr(narrow, by));
  }
  const places = c.let(i64.and(count, i64.const(c.size - 1)));
  const rest = i64.sub(i64.const(c.size), places);
  return left ? i64.or(i64.shl(a, places), i64.shr_u(a, rest)) : i64.or(i64.shr_u(a, places), i64.shl(a, rest));
}

/** RCL and RCR rotate size + 1 bits, CF being the highest. */
const rotateThroughCarry =
  (left: boolean): Semantics =>
  (c) => {
    const a = c.readForWrite(0);
    const masked = maskedCount(c, 1);
    const count = c.size < 32 ? c.let(i64.rem_u(masked, i64.const(c.size + 1))) : masked;
    const flags = c.statusFlags();
    const carryIn = c.let(i64.and(i64.extend_i32_u(flags), one));
    const { value, carry } =
      c.size === 64 ? rotate65(c, a, carryIn, count, left) : rotateShort(c, a, carryIn, count, left);
    c.write(0, value);
    c.if(isNonzero(count), () => {
      const top = bitOf(value, c.size - 1);
      setCarryAndOverflow(c, flags, carry, i64.xor(top, left ? carry : bitOf(value, c.size - 2)));
    });
  };

function rotateShort(c: Context, a: I64, carryIn: I64, count: I64, left: boolean): { value: I64; carry: I64 } {
  const whole = c.let(i64.or(a, i64.shl(carryIn, i64.const(c.size))));
  const rest = i64.sub(i64.const(c.size + 1), count);
  const turned = c.let(
    left
      ? i64.or(i64.shl(whole, count), i64.shr_u(whole, rest))
      : i64.or(i64.shr_u(whole, count), i64.shl(whole, rest)),
  );
  return { value: c.result(turned), carry: c.let(bitOf(turned, c.size)) };
}

/** Shift counts are split so that none reaches 64 for any count from 1 to 63; a count of 0 keeps the operand. */
function rotate65(c: Context, a: I64, carryIn: I64, count: I64, left: boolean): { value: I64; carry: I64 } {
  const value = c.variable(a);
  const carry = c.variable(carryIn);
  const rest = i64.sub(i64.const(64), count);
  c.if(isNonzero(count), () => {
    if (left) {
      const low = i64.shl(carryIn, i64.sub(count, one));
      c.assign(value, i64.or(i64.or(i64.shl(a, count), low), i64.shr_u(i64.shr_u(a, one), rest)));
      c.assign(carry, bitOf(a, rest));
    } else {
      const high = i64.shl(carryIn, rest);
      c.assign(value, i64.or(i64.or(i64.shr_u(a, count), high), i64.shl(i64.shl(a, one), rest)));
      c.assign(carry, bitOf(a, i64.sub(count, one)));
    }
  });
  return { value: c.let(value), carry: c.let(carry) };
}

/** SHLX SHRX SARX: no flags, the count in any register. */
const shiftWithoutFlags =
  (by: (value: I64, count: I64) => I64, signed: boolean): Semantics =>
  (c) => {
    const a = c.read(1);
    const count = maskedCount(c, 2);
    c.write(0, c.result(by(signed ? c.signed(a) : a, count)));
  };

const rotateWithoutFlags: Semantics = (c) => {
  const a = c.read(1);
  c.write(0, c.result(rotated(c, a, maskedCount(c, 2), false)));
};

export const SHIFT: Record<string, Semantics> = {
  SHL: shift(KIND.SHL, i64.shl, false),
  SHR: shift(KIND.SHR, i64.shr_u, false),
  SAR: shift(KIND.SAR, i64.shr_s, true),
  ROL: rotate(true),
  ROR: rotate(false),
  RCL: rotateThroughCarry(true),
  RCR: rotateThroughCarry(false),
  SHLD: doubleShift(true),
  SHRD: doubleShift(false),
  SHLX: shiftWithoutFlags(i64.shl, false),
  SHRX: shiftWithoutFlags(i64.shr_u, false),
  SARX: shiftWithoutFlags(i64.shr_s, true),
  RORX: rotateWithoutFlags,
};
