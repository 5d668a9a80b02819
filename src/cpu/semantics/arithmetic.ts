/** Binary arithmetic (SDM vol. 1, 7.3.2). */
import { KIND, storedKind } from '../flags.ts';
import { bit, type Context, i32, i64, isNonzero, RAX, RDX, type Semantics, select, truncate } from './context.ts';
import type { I64 } from './nodes.ts';

const DIVIDE_ERROR = 0;

const add: Semantics = (c) => {
  const a = c.readForWrite(0);
  const b = c.read(1);
  const sum = c.result(i64.add(a, b));
  c.writeWithFlags(0, sum, KIND.ADD, sum, b);
};

const adc: Semantics = (c) => {
  const a = c.readForWrite(0);
  const b = c.read(1);
  const carry = c.condition(2);
  const sum = c.result(i64.add(i64.add(a, b), bit(carry)));
  c.write(0, sum);
  c.setFlagsOfKind(withCarry(KIND.ADD, c.size, carry), sum, b);
};

const subtract: Semantics = (c) => {
  const a = c.readForWrite(0);
  const b = c.read(1);
  c.writeWithFlags(0, c.result(i64.sub(a, b)), KIND.SUB, a, b);
};

const sbb: Semantics = (c) => {
  const a = c.readForWrite(0);
  const b = c.read(1);
  const carry = c.condition(2);
  c.write(0, c.result(i64.sub(i64.sub(a, b), bit(carry))));
  c.setFlagsOfKind(withCarry(KIND.SUB, c.size, carry), a, b);
};

/** ADC and SBB follow ADD and SUB in KIND, and a stored kind is four times the kind. */
const withCarry = (kind: number, size: number, carry: ReturnType<Context['condition']>) =>
  i32.add(i32.const(storedKind(kind, size)), i32.shl(carry, i32.const(2)));

const compare: Semantics = (c) => {
  const a = c.read(0);
  c.setFlags(KIND.SUB, a, c.read(1));
};

const negate: Semantics = (c) => {
  const a = c.readForWrite(0);
  c.writeWithFlags(0, c.result(i64.sub(i64.const(0), a)), KIND.SUB, i64.const(0), a);
};

const step =
  (delta: number, kind: number): Semantics =>
  (c) => {
    const a = c.readForWrite(0);
    const carry = c.let(c.carry());
    const result = c.result(i64.add(a, i64.const(delta)));
    c.writeWithFlags(0, result, kind, result, carry);
  };

/** High 64 bits of an unsigned 64 x 64 product, from four 32-bit ones. */
export function multiplyHighUnsigned(c: Context, a: I64, b: I64): I64 {
  const low = i64.const(0xffffffffn);
  const half = i64.const(32);
  const [al, ah] = [c.let(i64.and(a, low)), c.let(i64.shr_u(a, half))];
  const [bl, bh] = [c.let(i64.and(b, low)), c.let(i64.shr_u(b, half))];
  const middle = c.let(i64.add(i64.mul(ah, bl), i64.shr_u(i64.mul(al, bl), half)));
  const cross = c.let(i64.add(i64.mul(al, bh), i64.and(middle, low)));
  return c.let(i64.add(i64.add(i64.mul(ah, bh), i64.shr_u(middle, half)), i64.shr_u(cross, half)));
}

function multiplyHighSigned(c: Context, a: I64, b: I64): I64 {
  const high = multiplyHighUnsigned(c, a, b);
  const minus = (value: I64, sign: I64) => i64.and(value, i64.shr_s(sign, i64.const(63)));
  return c.let(i64.sub(i64.sub(high, minus(b, a)), minus(a, b)));
}

/** AX, or DX:AX, EDX:EAX, RDX:RAX. @param low and @param high halves of the operand size, truncated */
function writeDoubleAccumulator(c: Context, low: I64, high: I64): void {
  if (c.size === 8) {
    c.writeRegister(RAX, 16, i64.or(low, i64.shl(high, i64.const(8))));
    return;
  }
  c.writeRegister(RAX, c.size, low);
  c.writeRegister(RDX, c.size, high);
}

/** MUL, one-operand IMUL: b of the MUL kind says whether the high half carries information. */
const multiply =
  (signed: boolean): Semantics =>
  (c) => {
    const extend = (value: I64) => (signed ? c.let(c.signed(value)) : value);
    const b = extend(c.read(0));
    const a = extend(c.readRegister(RAX, c.size));
    const product = c.let(i64.mul(a, b));
    const low = c.result(product);
    const high =
      c.size === 64
        ? (signed ? multiplyHighSigned : multiplyHighUnsigned)(c, a, b)
        : c.result(i64.shr_u(product, i64.const(c.size)));
    const expected = signed ? c.result(i64.shr_s(c.signed(low), i64.const(63))) : i64.const(0);
    writeDoubleAccumulator(c, low, high);
    c.setFlags(KIND.MUL, low, i64.xor(high, expected));
  };

const multiplySigned: Semantics = (c) => {
  if (c.variant.form.operands.length === 1) {
    multiply(true)(c);
    return;
  }
  const first = c.variant.form.operands.length - 2;
  const [x, y] = [c.read(first), c.read(first + 1)];
  const low = c.result(i64.mul(x, y));
  const [a, b] = [c.let(c.signed(x)), c.let(c.signed(y))];
  const product = c.let(i64.mul(a, b));
  const lost =
    c.size === 64
      ? i64.xor(multiplyHighSigned(c, a, b), i64.shr_s(product, i64.const(63)))
      : i64.xor(product, c.signed(low));
  c.writeWithFlags(0, low, KIND.MUL, low, lost);
};

/**
 * Unsigned 128 by 64 bits with high < divisor, as two steps of long division in base 2^32: the divisor is normalised, each
 * quotient digit is estimated from its upper half and corrected downward at most twice (Knuth, TAOCP vol. 2, 4.3.1 D).
 */
function divideWide(c: Context, high: I64, low: I64, divisor: I64): { quotient: I64; remainder: I64 } {
  const digit = i64.const(0xffffffffn);
  const half = i64.const(32);
  const shift = c.let(i64.clz(divisor));
  const v = c.let(i64.shl(divisor, shift));
  const [vh, vl] = [c.let(i64.shr_u(v, half)), c.let(i64.and(v, digit))];
  const carried = i64.shr_u(i64.shr_u(low, i64.const(1)), i64.xor(shift, i64.const(63)));
  const top = c.let(i64.or(i64.shl(high, shift), carried));
  const bottom = c.let(i64.shl(low, shift));

  const divideDigit = (u: I64, next: I64): { q: I64; rest: I64 } => {
    const q = c.variable(i64.div_u(u, vh));
    const r = c.variable(i64.sub(u, i64.mul(q, vh)));
    c.loop(() => {
      const small = i64.le_u(r, digit);
      const over = i64.gt_u(i64.mul(q, vl), i64.or(i64.shl(r, half), next));
      const tooBig = c.let(i32.and(small, i32.or(i64.gt_u(q, digit), over)));
      c.assign(q, i64.sub(q, bit(tooBig)));
      c.assign(r, i64.add(r, select(vh, i64.const(0), tooBig)));
      return tooBig;
    });
    const quotient = c.let(q);
    const rest = c.let(i64.sub(i64.or(i64.shl(u, half), next), i64.mul(quotient, v)));
    return { q: quotient, rest };
  };
  const first = divideDigit(top, c.let(i64.shr_u(bottom, half)));
  const second = divideDigit(first.rest, c.let(i64.and(bottom, digit)));
  return {
    quotient: i64.or(i64.shl(first.q, half), second.q),
    remainder: i64.shr_u(second.rest, shift),
  };
}

/** Quotient and remainder of high:low by a divisor known to exceed high; the common case of high = 0 takes one host division. */
function divide128(c: Context, high: I64, low: I64, divisor: I64): { quotient: I64; remainder: I64 } {
  const quotient = c.variable(i64.const(0));
  const remainder = c.variable(i64.const(0));
  c.if(
    i64.eqz(high),
    () => {
      c.assign(quotient, i64.div_u(low, divisor));
      c.assign(remainder, i64.sub(low, i64.mul(quotient, divisor)));
    },
    () => {
      const wide = divideWide(c, high, low, divisor);
      c.assign(quotient, wide.quotient);
      c.assign(remainder, wide.remainder);
    },
  );
  return { quotient, remainder };
}

/** The dividend of the operand sizes below 64, as one zero-extended i64. */
function shortDividend(c: Context): I64 {
  if (c.size === 8) return c.readRegister(RAX, 16);
  const low = c.readRegister(RAX, c.size);
  return c.let(i64.or(low, i64.shl(c.readRegister(RDX, c.size), i64.const(c.size))));
}

const divideUnsigned: Semantics = (c) => {
  const divisor = c.read(0);
  c.raiseIf(i64.eqz(divisor), DIVIDE_ERROR);
  if (c.size === 64) {
    const high = c.readRegister(RDX, 64);
    const low = c.readRegister(RAX, 64);
    c.raiseIf(i64.ge_u(high, divisor), DIVIDE_ERROR);
    const { quotient, remainder } = divide128(c, high, low, divisor);
    writeDoubleAccumulator(c, quotient, remainder);
    return;
  }
  const dividend = shortDividend(c);
  const quotient = c.let(i64.div_u(dividend, divisor));
  c.raiseIf(isNonzero(i64.shr_u(quotient, i64.const(c.size))), DIVIDE_ERROR);
  writeDoubleAccumulator(c, quotient, c.let(i64.sub(dividend, i64.mul(quotient, divisor))));
};

/** Negates when `sign` is all ones, leaves alone when it is 0. */
const negateIf = (value: I64, sign: I64) => i64.sub(i64.xor(value, sign), sign);

const divideSigned: Semantics = (c) => {
  const divisor = c.let(c.signed(c.read(0)));
  c.raiseIf(i64.eqz(divisor), DIVIDE_ERROR);
  const sign = i64.const(63);
  if (c.size === 64) {
    const high = c.readRegister(RDX, 64);
    const low = c.readRegister(RAX, 64);
    const dividendSign = c.let(i64.shr_s(high, sign));
    const divisorSign = c.let(i64.shr_s(divisor, sign));
    const lowMagnitude = c.let(negateIf(low, dividendSign));
    const borrow = i64.and(bit(isNonzero(low)), dividendSign);
    const highMagnitude = c.let(
      i64.sub(i64.xor(high, dividendSign), i64.sub(dividendSign, i64.sub(i64.const(0), borrow))),
    );
    const magnitude = c.let(negateIf(divisor, divisorSign));
    c.raiseIf(i64.ge_u(highMagnitude, magnitude), DIVIDE_ERROR);
    const { quotient, remainder } = divide128(c, highMagnitude, lowMagnitude, magnitude);
    const resultSign = c.let(i64.xor(dividendSign, divisorSign));
    const result = c.let(negateIf(quotient, resultSign));
    c.raiseIf(i32.and(isNonzero(quotient), i64.ne(i64.shr_s(result, sign), resultSign)), DIVIDE_ERROR);
    writeDoubleAccumulator(c, result, c.let(negateIf(remainder, dividendSign)));
    return;
  }
  const dividend = c.let(c.size === 32 ? shortDividend(c) : c.signed(shortDividend(c), c.size * 2));
  const overflowing = i32.and(i64.eq(dividend, i64.const(1n << 63n)), i64.eq(divisor, i64.const(-1)));
  c.raiseIf(overflowing, DIVIDE_ERROR);
  const quotient = c.let(i64.div_s(dividend, divisor));
  c.raiseIf(i64.ne(c.signed(quotient), quotient), DIVIDE_ERROR);
  const remainder = c.result(i64.sub(dividend, i64.mul(quotient, divisor)));
  writeDoubleAccumulator(c, c.result(quotient), remainder);
};

/** CBW, CWDE, CDQE: the accumulator's lower half, sign-extended over all of it. */
const extendAccumulator: Semantics = (c) => {
  const half = c.size / 2;
  c.writeRegister(RAX, c.size, c.result(c.signed(c.readRegister(RAX, half as 8 | 16 | 32), half)));
};

/** CWD, CDQ, CQO. */
const extendIntoRdx: Semantics = (c) => {
  const value = c.signed(c.readRegister(RAX, c.size));
  c.writeRegister(RDX, c.size, c.result(i64.shr_s(value, i64.const(63))));
};

/** ADCX and ADOX: addition with carry through one flag that leaves the others alone. */
const addThroughFlag =
  (position: number): Semantics =>
  (c) => {
    const flags = c.statusFlags();
    const b = c.read(1);
    const a = c.read(0);
    const carryIn = i64.and(i64.shr_u(i64.extend_i32_u(flags), i64.const(position)), i64.const(1));
    const partial = c.result(i64.add(a, b));
    const sum = c.result(i64.add(partial, carryIn));
    const carry = i32.or(i64.lt_u(partial, a), i64.lt_u(sum, partial));
    const kept = i32.and(flags, i32.const(~(1 << position)));
    c.write(0, sum);
    c.setStatusFlags(i32.or(kept, i32.shl(carry, i32.const(position))));
  };

/** MULX: unsigned multiply of RDX without flags; the high half is written last. */
const multiplyWithoutFlags: Semantics = (c) => {
  const b = c.read(2);
  const a = c.readRegister(RDX, c.size);
  const product = c.let(i64.mul(a, b));
  const high = c.size === 64 ? multiplyHighUnsigned(c, a, b) : c.let(i64.shr_u(product, i64.const(32)));
  c.write(1, truncate(product, c.size));
  c.write(0, high);
};

export const ARITHMETIC: Record<string, Semantics> = {
  ADD: add,
  ADC: adc,
  SUB: subtract,
  SBB: sbb,
  CMP: compare,
  NEG: negate,
  INC: step(1, KIND.INC),
  DEC: step(-1, KIND.DEC),
  MUL: multiply(false),
  IMUL: multiplySigned,
  DIV: divideUnsigned,
  IDIV: divideSigned,
  CBW: extendAccumulator,
  CWD: extendIntoRdx,
  ADCX: addThroughFlag(0),
  ADOX: addThroughFlag(11),
  MULX: multiplyWithoutFlags,
};
