/** Bit test, scan and count (SDM vol. 1, 7.3.7), BMI1, BMI2 and CRC32. */
import { FLAG, KIND } from '../flags.ts';
import { bit, type Context, i32, i64, isNonzero, type Semantics, select, truncate } from './context.ts';
import type { I32, I64 } from './nodes.ts';

const one = i64.const(1);
const zero = i64.const(0);

/** Replaces CF alone. */
function setCarry(c: Context, carry: I32): void {
  c.setStatusFlags(i32.or(i32.and(c.statusFlags(), i32.const(~FLAG.CF)), carry));
}

/**
 * BT and its kin. A register offset reaches any bit around a memory operand: it moves the address by whole operands.
 * @param change new value of the operand, from it and the selected bit's mask; undefined for BT
 */
const bitTest =
  (change: ((value: I64, mask: I64) => I64) | undefined): Semantics =>
  (c) => {
    const offset = c.read(1);
    const mask = c.let(i64.shl(one, i64.and(offset, i64.const(c.size - 1))));
    if (c.inMemory(0) && c.variant.form.operands[1]!.method === 'G') {
      const operands = i64.shr_s(c.signed(offset), i64.const(31 - Math.clz32(c.size)));
      const moved = i64.add(c.operandOffset(), i64.mul(operands, i64.const(c.size / 8)));
      const address = c.linear(c.result(moved, c.variant.addressSize), c.size, change !== undefined);
      if (!change) {
        setCarry(c, isNonzero(i64.and(c.load(address, c.size, 'operand'), mask)));
        return;
      }
      const { value, place } = c.loadForWrite(address, c.size, 'operand');
      c.store(address, c.size, change(value, mask), 'operand', place);
      setCarry(c, isNonzero(i64.and(value, mask)));
      return;
    }
    const value = change ? c.readForWrite(0) : c.read(0);
    if (change) c.write(0, c.let(change(value, mask)));
    setCarry(c, isNonzero(i64.and(value, mask)));
  };

/** BSF and BSR leave the destination alone, all 64 bits of it, when the source is 0; ZF says so. The other flags are undefined. */
const scan =
  (position: (source: I64) => I64): Semantics =>
  (c) => {
    const source = c.read(1);
    const found = isNonzero(source);
    c.if(found, () => c.write(0, position(source)));
    c.setStatusFlags(i32.mul(i64.eqz(source), i32.const(FLAG.ZF)));
  };

/** CF when the source is 0, ZF when the result is. */
function setCountFlags(c: Context, source: I64, result: I64): void {
  c.setStatusFlags(i32.or(i64.eqz(source), i32.mul(i64.eqz(result), i32.const(FLAG.ZF))));
}

const trailingZeros: Semantics = (c) => {
  const source = c.read(1);
  const guarded = c.size === 64 ? source : i64.or(source, i64.const(1n << BigInt(c.size)));
  const count = c.let(i64.ctz(guarded));
  c.write(0, count);
  setCountFlags(c, source, count);
};

const leadingZeros: Semantics = (c) => {
  const source = c.read(1);
  const count = c.let(i64.sub(i64.clz(source), i64.const(64 - c.size)));
  c.write(0, count);
  setCountFlags(c, source, count);
};

const populationCount: Semantics = (c) => {
  const source = c.read(1);
  c.write(0, i64.popcnt(source));
  c.setStatusFlags(i32.mul(i64.eqz(source), i32.const(FLAG.ZF)));
};

/** ZF and SF of the result, CF given, OF 0; AF and PF are undefined. */
function setLogicWithCarry(c: Context, result: I64, carry: I32): void {
  const sign = i32.wrap_i64(i64.and(i64.shr_u(result, i64.const(c.size - 1)), one));
  const zeroAndSign = i32.or(i32.mul(i64.eqz(result), i32.const(FLAG.ZF)), i32.mul(sign, i32.const(FLAG.SF)));
  c.setStatusFlags(i32.or(zeroAndSign, carry));
}

const lowestBit =
  (combine: (source: I64) => I64, carryWhenZero: boolean): Semantics =>
  (c) => {
    const source = c.read(1);
    const result = c.result(combine(source));
    c.write(0, result);
    setLogicWithCarry(c, result, carryWhenZero ? i64.eqz(source) : isNonzero(source));
  };

const andNot: Semantics = (c) => {
  const result = c.result(i64.and(i64.xor(c.read(1), i64.const(-1)), c.read(2)));
  c.write(0, result);
  c.setFlags(KIND.LOGIC, result);
};

/** All ones below position `count`, for any count from 0 up. */
const maskBelow = (count: I64): I64 =>
  select(i64.const(-1), i64.sub(i64.shl(one, count), one), i64.ge_u(count, i64.const(64)));

const extractField: Semantics = (c) => {
  const source = c.read(1);
  const control = c.read(2);
  const start = c.let(i64.and(control, i64.const(255)));
  const length = c.let(i64.and(i64.shr_u(control, i64.const(8)), i64.const(255)));
  const shifted = select(zero, i64.shr_u(source, start), i64.ge_u(start, i64.const(64)));
  const result = c.let(i64.and(shifted, maskBelow(length)));
  c.write(0, result);
  setLogicWithCarry(c, result, i32.const(0));
};

const zeroHighBits: Semantics = (c) => {
  const source = c.read(1);
  const index = c.let(i64.and(c.read(2), i64.const(255)));
  const result = c.let(i64.and(source, maskBelow(index)));
  c.write(0, result);
  setLogicWithCarry(c, result, i64.ge_u(index, i64.const(c.size)));
};

/** PDEP and PEXT: one step for each bit set in the mask, lowest first. */
const moveBits =
  (deposit: boolean): Semantics =>
  (c) => {
    const source = c.read(1);
    const mask = c.variable(c.read(2));
    const from = c.variable(source);
    const to = c.variable(one);
    const result = c.variable(zero);
    c.if(isNonzero(mask), () =>
      c.loop(() => {
        const lowest = c.let(i64.and(mask, i64.sub(zero, mask)));
        const selected = deposit ? i64.and(from, one) : bit(isNonzero(i64.and(from, lowest)));
        c.assign(result, i64.or(result, i64.mul(selected, deposit ? lowest : to)));
        if (deposit) c.assign(from, i64.shr_u(from, one));
        else c.assign(to, i64.shl(to, one));
        c.assign(mask, i64.and(mask, i64.sub(mask, one)));
        return isNonzero(mask);
      }),
    );
    c.write(0, result);
  };

/** Polynomial 11EDC6F41H, bit-reflected. */
const CRC32C = 0x82f63b78;

const crc32: Semantics = (c) => {
  const bits = c.width(1);
  const data = c.read(1);
  const crc = c.variable(i64.xor(c.read(0, 32), truncate(data, 32)));
  const left = c.variable(i32.const(Math.min(bits, 32)));
  const step = () =>
    c.loop(() => {
      const feedback = i64.and(i64.sub(zero, i64.and(crc, one)), i64.const(CRC32C));
      c.assign(crc, i64.xor(i64.shr_u(crc, one), feedback));
      c.assign(left, i32.sub(left, i32.const(1)));
      return left;
    });
  step();
  if (bits === 64) {
    c.assign(crc, i64.xor(crc, i64.shr_u(data, i64.const(32))));
    c.assign(left, i32.const(32));
    step();
  }
  c.write(0, crc);
};

export const BIT: Record<string, Semantics> = {
  BT: bitTest(undefined),
  BTS: bitTest((value, mask) => i64.or(value, mask)),
  BTR: bitTest((value, mask) => i64.and(value, i64.xor(mask, i64.const(-1)))),
  BTC: bitTest((value, mask) => i64.xor(value, mask)),
  BSF: scan((source) => i64.ctz(source)),
  BSR: scan((source) => i64.sub(i64.const(63), i64.clz(source))),
  TZCNT: trailingZeros,
  LZCNT: leadingZeros,
  POPCNT: populationCount,
  ANDN: andNot,
  BLSI: lowestBit((source) => i64.and(source, i64.sub(zero, source)), false),
  BLSMSK: lowestBit((source) => i64.xor(source, i64.sub(source, one)), true),
  BLSR: lowestBit((source) => i64.and(source, i64.sub(source, one)), true),
  BEXTR: extractField,
  BZHI: zeroHighBits,
  PDEP: moveBits(true),
  PEXT: moveBits(false),
  CRC32: crc32,
};
