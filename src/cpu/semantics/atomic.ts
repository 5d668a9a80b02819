/** Read-modify-write instructions meant for synchronisation (SDM vol. 3A, 9.1.2). One processor executes whole instructions, locked or not. */
import { FLAG, KIND } from '../flags.ts';
import { type Context, i32, i64, isNonzero, RAX, RBX, RCX, RDX, type Semantics, select } from './context.ts';
import type { I32 } from './nodes.ts';

const GENERAL_PROTECTION = 13;

const exchangeAndAdd: Semantics = (c) => {
  const a = c.readForWrite(0);
  const b = c.read(1);
  const sum = c.result(i64.add(a, b));
  if (c.inMemory(0)) {
    c.write(0, sum);
    c.write(1, a);
  } else {
    c.write(1, a);
    c.write(0, sum);
  }
  c.setFlags(KIND.ADD, sum, b);
};

/** The destination is written in either case; the accumulator only when they differ. */
const compareAndExchange: Semantics = (c) => {
  const destination = c.readForWrite(0);
  const source = c.read(1);
  const accumulator = c.readRegister(RAX, c.size);
  const equal = c.let(i64.eq(accumulator, destination));
  if (c.inMemory(0)) {
    c.write(0, select(source, destination, equal));
    c.if(i32.eqz(equal), () => c.writeRegister(RAX, c.size, destination));
  } else {
    c.if(
      equal,
      () => c.write(0, source),
      () => c.writeRegister(RAX, c.size, destination),
    );
  }
  c.setFlags(KIND.SUB, accumulator, destination);
};

function setZero(c: Context, holds: I32): void {
  const kept = i32.and(c.statusFlags(), i32.const(~FLAG.ZF));
  c.setStatusFlags(i32.or(kept, i32.mul(holds, i32.const(FLAG.ZF))));
}

/** CMPXCHG8B and CMPXCHG16B: rDX:rAX against two halves of memory, rCX:rBX to replace them; only ZF changes. */
const compareAndExchangeDouble =
  (bits: 32 | 64): Semantics =>
  (c) => {
    const address = c.operandAddress();
    if (bits === 64) c.raiseIf(isNonzero(i64.and(address, i64.const(15))), GENERAL_PROTECTION, 0);
    const upper = c.let(c.wrapLinear(i64.add(address, i64.const(bits / 8))));
    const low = c.loadForWrite(address, bits, 'operand');
    const high = c.loadForWrite(upper, bits, 'operand');
    const sameLow = i64.eq(low.value, c.readRegister(RAX, bits));
    const equal = c.let(i32.and(sameLow, i64.eq(high.value, c.readRegister(RDX, bits))));
    c.store(address, bits, select(c.readRegister(RBX, bits), low.value, equal), 'operand', low.place);
    c.store(upper, bits, select(c.readRegister(RCX, bits), high.value, equal), 'operand', high.place);
    c.if(i32.eqz(equal), () => {
      c.writeRegister(RAX, bits, low.value);
      c.writeRegister(RDX, bits, high.value);
    });
    setZero(c, equal);
  };

export const ATOMIC: Record<string, Semantics> = {
  XADD: exchangeAndAdd,
  CMPXCHG: compareAndExchange,
  CMPXCHG8B: compareAndExchangeDouble(32),
  CMPXCHG16B: compareAndExchangeDouble(64),
};
