/** Decimal adjustment (SDM vol. 1, 7.3.2.3): outside 64-bit mode only. */
import { FLAG } from '../flags.ts';
import { type Context, i32, i64, RAX, type Semantics, truncate } from './context.ts';
import type { I32 } from './nodes.ts';

const AH = 20;
const DIVIDE_ERROR = 0;
const byte = i32.const(0xff);

function setResultFlags(c: Context, al: I32, carry: I32, adjust: I32): void {
  const parity = i32.and(i32.xor(i32.popcnt(al), i32.const(1)), i32.const(1));
  const low = i32.or(carry, i32.or(i32.mul(parity, i32.const(FLAG.PF)), i32.mul(adjust, i32.const(FLAG.AF))));
  const zero = i32.mul(i32.eqz(al), i32.const(FLAG.ZF));
  c.setStatusFlags(i32.or(low, i32.or(zero, i32.and(al, i32.const(FLAG.SF)))));
}

const has = (flags: I32, mask: number): I32 => i32.ne(i32.and(flags, i32.const(mask)), i32.const(0));

/** DAA and DAS: 6 and 60H are added to or taken from AL as its decimal digits and carries demand. */
const adjustPacked =
  (subtract: boolean): Semantics =>
  (c) => {
    const combine = subtract ? i32.sub : i32.add;
    const flags = c.statusFlags();
    const old = c.let(i32.wrap_i64(c.readRegister(RAX, 8)));
    const low = c.let(i32.or(i32.gt_u(i32.and(old, i32.const(15)), i32.const(9)), has(flags, FLAG.AF)));
    const high = c.let(i32.or(i32.gt_u(old, i32.const(0x99)), has(flags, FLAG.CF)));
    const first = c.let(combine(old, i32.mul(low, i32.const(6))));
    const borrowed = subtract ? i32.and(low, i32.lt_u(old, i32.const(6))) : i32.const(0);
    const carry = c.let(i32.or(high, borrowed));
    const al = c.let(i32.and(combine(first, i32.mul(high, i32.const(0x60))), byte));
    c.writeRegister(RAX, 8, i64.extend_i32_u(al));
    setResultFlags(c, al, carry, low);
  };

/** AAA and AAS: AL becomes one decimal digit, AH takes the carry. */
const adjustUnpacked =
  (delta: number): Semantics =>
  (c) => {
    const flags = c.statusFlags();
    const ax = c.let(i32.wrap_i64(c.readRegister(RAX, 16)));
    const needed = c.let(i32.or(i32.gt_u(i32.and(ax, i32.const(15)), i32.const(9)), has(flags, FLAG.AF)));
    const adjusted = i32.and(i32.add(ax, i32.mul(needed, i32.const(delta))), i32.const(0xff0f));
    c.writeRegister(RAX, 16, i64.extend_i32_u(adjusted));
    const mask = FLAG.CF | FLAG.AF;
    c.setStatusFlags(i32.or(i32.and(flags, i32.const(~mask)), i32.mul(needed, i32.const(mask))));
  };

const adjustAfterMultiply: Semantics = (c) => {
  const base = truncate(c.immediate(), 8);
  c.raiseIf(i64.eqz(base), DIVIDE_ERROR);
  const al = c.readRegister(RAX, 8);
  const quotient = c.let(i64.div_u(al, base));
  const remainder = c.let(i64.rem_u(al, base));
  c.writeRegister(AH, 8, quotient);
  c.writeRegister(RAX, 8, remainder);
  setResultFlags(c, c.let(i32.wrap_i64(remainder)), i32.const(0), i32.const(0));
};

const adjustBeforeDivide: Semantics = (c) => {
  const base = truncate(c.immediate(), 8);
  const al = c.result(i64.add(c.readRegister(RAX, 8), i64.mul(c.readRegister(AH, 8), base)), 8);
  c.writeRegister(RAX, 16, al);
  setResultFlags(c, c.let(i32.wrap_i64(al)), i32.const(0), i32.const(0));
};

export const DECIMAL: Record<string, Semantics> = {
  DAA: adjustPacked(false),
  DAS: adjustPacked(true),
  AAA: adjustUnpacked(0x106),
  AAS: adjustUnpacked(-0x106),
  AAM: adjustAfterMultiply,
  AAD: adjustBeforeDivide,
};
