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

/** EDX:EAX against memory, ECX:EBX to replace it; only ZF changes. */
const compareAndExchange8: Semantics = (c) => {
  const half = i64.const(32);
  const pair = (high: number, low: number) =>
    c.let(i64.or(i64.shl(c.readRegister(high, 32), half), c.readRegister(low, 32)));
  const { value, place } = c.loadForWrite(c.operandAddress(64, true), 64, 'operand');
  const equal = c.let(i64.eq(value, pair(RDX, RAX)));
  c.store(c.operandAddress(64, true), 64, select(pair(RCX, RBX), value, equal), 'operand', place);
  c.if(i32.eqz(equal), () => {
    c.writeRegister(RAX, 32, i64.and(value, i64.const(0xffffffffn)));
    c.writeRegister(RDX, 32, i64.shr_u(value, half));
  });
  setZero(c, equal);
};

/** RDX:RAX against 16 aligned bytes, RCX:RBX to replace them. */
const compareAndExchange16: Semantics = (c) => {
  const address = c.operandAddress(128, true);
  c.raiseIf(isNonzero(i64.and(address, i64.const(15))), GENERAL_PROTECTION, 0);
  const upper = c.let(i64.add(address, i64.const(8)));
  const low = c.loadForWrite(address, 64, 'operand');
  const high = c.loadForWrite(upper, 64, 'operand');
  const sameLow = i64.eq(low.value, c.readRegister(RAX, 64));
  const equal = c.let(i32.and(sameLow, i64.eq(high.value, c.readRegister(RDX, 64))));
  c.store(address, 64, select(c.readRegister(RBX, 64), low.value, equal), 'operand', low.place);
  c.store(upper, 64, select(c.readRegister(RCX, 64), high.value, equal), 'operand', high.place);
  c.if(i32.eqz(equal), () => {
    c.writeRegister(RAX, 64, low.value);
    c.writeRegister(RDX, 64, high.value);
  });
  setZero(c, equal);
};

export const ATOMIC: Record<string, Semantics> = {
  XADD: exchangeAndAdd,
  CMPXCHG: compareAndExchange,
  CMPXCHG8B: compareAndExchange8,
  CMPXCHG16B: compareAndExchange16,
};
