import type { Semantics } from './context.ts';
import {
  constant,
  extractLane,
  type F32,
  type F64,
  type I64,
  i32,
  i64,
  type Node,
  replaceLane,
  type V128,
  vectorTest,
} from './nodes.ts';

const GENERAL_PROTECTION = 13;

const zero = constant('v128', 0n);

/** A vector with a value in its lowest lane and zeros above. */
const only64 = (value: I64): V128 => replaceLane('i64x2.replace_lane', zero, 0, value);

/** The same for numbers: hosts load them without a detour through integer registers. */
const onlySingle = (value: F32): V128 => replaceLane('f32x4.replace_lane', zero, 0, value);
const onlyDouble = (value: F64): V128 => replaceLane('f64x2.replace_lane', zero, 0, value);

const high64 = (value: V128): I64 => extractLane('i64', 'i64x2.extract_lane', value, 1);

/** 16 bytes either way. @param aligned whether memory must be aligned to 16 bytes, else #GP(0) */
const whole =
  (aligned: boolean): Semantics =>
  (c) =>
    c.writeVector(0, c.readVector(1, aligned), 0, aligned);

/** MOVSS and MOVSD: a load clears the rest of the register, a move between registers keeps it. */
const scalar =
  <T extends 'f32' | 'f64'>(type: T, only: (value: Node<T>) => V128): Semantics =>
  (c) => {
    const value = c.readLane(1, type);
    c.writeVector(0, c.inMemory(1) ? only(value) : value);
  };

/** MOVD and MOVQ between an XMM or MMX register and a general register, memory, or the low half of another register. */
const clearingMove =
  (bits: 32 | 64): Semantics =>
  (c) => {
    const value = c.read(1, bits);
    const toVector = 'VW'.includes(c.variant.form.operands[0]!.method) && !c.inMemory(0);
    if (toVector) c.writeVector(0, only64(value));
    else c.write(0, value, bits);
  };

const lowHalf: Semantics = (c) => c.writeVector(0, c.readLane(1, 'i64'));

const highHalf: Semantics = (c) => {
  if (c.inMemory(0)) c.writeVector(0, high64(c.readVector(1, false)));
  else c.writeVector(0, c.readLane(1, 'i64'), 1);
};

const signMask =
  (operator: string): Semantics =>
  (c) =>
    c.write(0, i64.extend_i32_u(vectorTest(operator, c.readVector(1, false))));

const nothing: Semantics = () => {};

/** Bits of MXCSR that do not exist. */
const mxcsrReserved = ~0xffff;

/** Data movement, MXCSR and ordering. Fences order nothing here: accesses happen one at a time, in program order. */
export const SSE_MOVES: Record<string, Semantics> = {
  MOVAPS: whole(true),
  MOVAPD: whole(true),
  MOVDQA: whole(true),
  MOVUPS: whole(false),
  MOVUPD: whole(false),
  MOVDQU: whole(false),
  MOVNTPS: whole(true),
  MOVNTPD: whole(true),
  MOVNTDQ: whole(true),
  MOVSS: scalar('f32', onlySingle),
  MOVSD: scalar('f64', onlyDouble),
  MOVD: clearingMove(32),
  MOVQ: clearingMove(64),
  MOVLPS: lowHalf,
  MOVLPD: lowHalf,
  MOVHPS: highHalf,
  MOVHPD: highHalf,
  MOVHLPS: (c) => c.writeVector(0, high64(c.readVector(1, false))),
  MOVLHPS: (c) => c.writeVector(0, c.readLane(1, 'i64'), 1),
  MOVNTI: (c) => c.write(0, c.read(1)),
  MOVNTQ: (c) => c.write(0, c.read(1)),
  MOVQ2DQ: (c) => c.writeVector(0, only64(c.read(1))),
  MOVDQ2Q: (c) => c.write(0, c.read(1, 64)),
  MOVMSKPS: signMask('i32x4.bitmask'),
  MOVMSKPD: signMask('i64x2.bitmask'),
  PMOVMSKB: signMask('i8x16.bitmask'),
  LDMXCSR: (c) => {
    const value = c.let(i32.wrap_i64(c.read(0)));
    c.raiseIf(i32.and(value, i32.const(mxcsrReserved)), GENERAL_PROTECTION, 0);
    c.setMxcsr(value);
  },
  STMXCSR: (c) => c.write(0, i64.extend_i32_u(c.mxcsr())),
  LFENCE: nothing,
  MFENCE: nothing,
  SFENCE: nothing,
  PREFETCHNTA: nothing,
  PREFETCHT0: nothing,
  PREFETCHT1: nothing,
  PREFETCHT2: nothing,
};
