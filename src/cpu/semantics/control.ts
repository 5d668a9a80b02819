/** Near control transfers (SDM vol. 1, 7.3.8). */
import { i32, i64, isNonzero, RCX, type Semantics, truncate } from './context.ts';

const jumpIfCondition: Semantics = (c) => c.branch(c.condition());

const jump: Semantics = (c) => {
  if (c.variant.form.operands[0]!.method === 'J') c.branch();
  else c.jump(c.read(0));
};

const call: Semantics = (c) => {
  if (c.variant.form.operands[0]!.method === 'J') {
    c.push(truncate(c.nextRip(), c.size));
    c.branch();
    return;
  }
  const target = c.read(0);
  c.push(truncate(c.nextRip(), c.size));
  c.jump(target);
};

const returnNear: Semantics = (c) => {
  const target = c.peekStack();
  const extra = c.variant.form.operands.length > 0 ? c.read(0) : i64.const(0);
  c.dropStack(i64.add(i64.const(c.size / 8), extra));
  c.jump(target);
};

/** LOOP, LOOPE, LOOPNE: the counter is rCX at the address size; flags are left alone. */
const loop =
  (wanted: number | undefined): Semantics =>
  (c) => {
    const bits = c.variant.addressSize;
    const count = c.result(i64.sub(c.readRegister(RCX, bits), i64.const(1)), bits);
    const taken = wanted === undefined ? isNonzero(count) : i32.and(isNonzero(count), c.condition(wanted));
    c.writeRegister(RCX, bits, count);
    c.branch(taken);
  };

const jumpIfCounterZero: Semantics = (c) => c.branch(i64.eqz(c.readRegister(RCX, c.variant.addressSize)));

const EQUAL = 4;
const NOT_EQUAL = 5;

export const CONTROL: Record<string, Semantics> = {
  Jcc: jumpIfCondition,
  JMP: jump,
  CALL: call,
  RET: returnNear,
  LOOP: loop(undefined),
  LOOPE: loop(EQUAL),
  LOOPNE: loop(NOT_EQUAL),
  JCXZ: jumpIfCounterZero,
};
