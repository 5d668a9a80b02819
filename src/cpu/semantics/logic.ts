/** Logical operations and single-flag instructions (SDM vol. 1, 7.3.3 and 7.3.13). */
import { FLAG, KIND } from '../flags.ts';
import { i32, i64, RAX, type Semantics } from './context.ts';
import type { I64 } from './nodes.ts';

const AH = 20;

const logical =
  (combine: (a: I64, b: I64) => I64): Semantics =>
  (c) => {
    const a = c.readForWrite(0);
    const result = c.let(combine(a, c.read(1)));
    c.writeWithFlags(0, result, KIND.LOGIC, result);
  };

const test: Semantics = (c) => {
  const a = c.read(0);
  c.setFlags(KIND.LOGIC, c.let(i64.and(a, c.read(1))));
};

const complement: Semantics = (c) => {
  c.write(0, c.result(i64.xor(c.readForWrite(0), i64.const(-1))));
};

const carryFlag =
  (change: (flags: ReturnType<typeof i32.const>) => ReturnType<typeof i32.const>): Semantics =>
  (c) =>
    c.setStatusFlags(change(c.statusFlags()));

const directionFlag =
  (set: boolean): Semantics =>
  (c) => {
    const flags = c.field('systemFlags');
    c.setField('systemFlags', set ? i32.or(flags, i32.const(FLAG.DF)) : i32.and(flags, i32.const(~FLAG.DF)));
  };

/** AH holds SF ZF 0 AF 0 PF 1 CF. */
const LOW_FLAGS = FLAG.SF | FLAG.ZF | FLAG.AF | FLAG.PF | FLAG.CF;

const storeFlags: Semantics = (c) => {
  const low = i32.and(i32.wrap_i64(c.readRegister(AH, 8)), i32.const(LOW_FLAGS));
  c.setStatusFlags(i32.or(low, i32.and(c.statusFlags(), i32.const(FLAG.OF))));
};

const loadFlags: Semantics = (c) => {
  const low = i32.or(i32.and(c.statusFlags(), i32.const(LOW_FLAGS)), i32.const(2));
  c.writeRegister(AH, 8, i64.extend_i32_u(low));
};

const setByCondition: Semantics = (c) => c.write(0, i64.extend_i32_u(c.condition()));

export const LOGIC: Record<string, Semantics> = {
  AND: logical(i64.and),
  OR: logical(i64.or),
  XOR: logical(i64.xor),
  TEST: test,
  NOT: complement,
  CLC: carryFlag((flags) => i32.and(flags, i32.const(~FLAG.CF))),
  STC: carryFlag((flags) => i32.or(flags, i32.const(FLAG.CF))),
  CMC: carryFlag((flags) => i32.xor(flags, i32.const(FLAG.CF))),
  CLD: directionFlag(false),
  STD: directionFlag(true),
  SAHF: storeFlags,
  LAHF: loadFlags,
  SETcc: setByCondition,
  /** Undocumented: AL becomes 0xff or 0 by CF. */
  SALC: (c) => c.writeRegister(RAX, 8, i64.sub(i64.const(0), c.carry())),
};
