/** Near control transfers (SDM vol. 1, 7.3.8). */
import { type Context, i32, i64, isNonzero, RCX, type Semantics, truncate } from './context.ts';
import type { I64 } from './nodes.ts';

const BOUND_RANGE_EXCEEDED = 5;
const GENERAL_PROTECTION = 13;

/**
 * A branch to an address that is not canonical, or outside 64-bit mode beyond the limit of CS, faults before anything of it has
 * happened. Those whose target the instruction itself tells never come here with such a one.
 */
function requireTarget(c: Context, target: I64): void {
  if (c.variant.stackSize !== 64) c.raiseIf(i64.gt_u(target, c.codeLimit()), GENERAL_PROTECTION, 0);
  if (c.variant.stackSize !== 64 || c.size !== 64) return;
  const unused = i64.const(16);
  c.raiseIf(i64.ne(i64.shr_s(i64.shl(target, unused), unused), target), GENERAL_PROTECTION, 0);
}

function jumpTo(c: Context, target: I64): void {
  requireTarget(c, target);
  c.jump(target);
}

const jumpIfCondition: Semantics = (c) => c.branch(c.condition());

const jump: Semantics = (c) => {
  if (c.variant.form.operands[0]!.method === 'J') c.branch();
  else jumpTo(c, c.read(0));
};

const call: Semantics = (c) => {
  if (c.variant.form.operands[0]!.method === 'J') {
    c.push(truncate(c.nextRip(), c.size));
    c.branch();
    return;
  }
  const target = c.read(0);
  requireTarget(c, target);
  c.push(truncate(c.nextRip(), c.size));
  c.jump(target);
};

const returnNear: Semantics = (c) => {
  const target = c.peekStack();
  requireTarget(c, target);
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

/** BOUND r, m&m: the signed index must lie between the two signed bounds in memory, both included. */
const bound: Semantics = (c) => {
  const index = c.let(c.signed(c.read(0)));
  const address = c.operandAddress(2 * c.size, false);
  const lower = c.load(address, c.size, 'operand');
  const upper = c.load(c.let(i64.add(address, i64.const(c.size / 8))), c.size, 'operand');
  const outside = i32.or(i64.lt_s(index, c.signed(lower)), i64.gt_s(index, c.signed(upper)));
  c.raiseIf(outside, BOUND_RANGE_EXCEEDED);
};

export const CONTROL: Record<string, Semantics> = {
  BOUND: bound,
  Jcc: jumpIfCondition,
  JMP: jump,
  CALL: call,
  RET: returnNear,
  LOOP: loop(undefined),
  LOOPE: loop(EQUAL),
  LOOPNE: loop(NOT_EQUAL),
  JCXZ: jumpIfCounterZero,
};
