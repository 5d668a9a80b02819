/** The status flags and conditions worked out from the lazy (kind, a, b); the meaning of each kind is in ../flags.ts. */
import { FLAG, KIND, STATUS_FLAGS } from '../flags.ts';
import { bit, type Context, i32, i64, select } from './context.ts';
import type { I32, I64 } from './nodes.ts';

const one = i64.const(1);

interface Lazy {
  readonly kind: I32;
  readonly a: I64;
  readonly b: I64;
  /** 64 minus the operand size: shifting left by it brings the sign to bit 63. */
  readonly shift: I64;
}

function readLazy(c: Context): Lazy {
  const stored = c.field('flagsKind');
  const a = c.field64('flagsA');
  const b = c.field64('flagsB');
  const size = i32.shl(i32.const(8), i32.and(stored, i32.const(3)));
  return {
    kind: c.let(i32.shr_u(stored, i32.const(2))),
    a,
    b,
    shift: c.let(i64.extend_i32_u(i32.sub(i32.const(64), size))),
  };
}

const isKind = (lazy: Lazy, kind: number): I32 => i32.eq(lazy.kind, i32.const(kind));
/** The operand size is known to be 32 bits: comparisons need no shifting. */
const is32 = ({ shift }: Lazy): boolean => shift.kind === 'constant' && shift.bits === 32n;
const isNegative = (lazy: Lazy, value: I64): I32 =>
  is32(lazy) ? i32.lt_s(i32.wrap_i64(value), i32.const(0)) : i64.lt_s(i64.shl(value, lazy.shift), i64.const(0));
const isZero = (lazy: Lazy, value: I64): I32 =>
  is32(lazy) ? i32.eqz(i32.wrap_i64(value)) : i64.eqz(i64.shl(value, lazy.shift));
const flag = (condition: I32, mask: number): I32 => i32.mul(condition, i32.const(mask));

/** @returns i32: CF PF AF ZF SF OF as they stand in RFLAGS */
export function statusFlags(c: Context): I32 {
  const lazy = readLazy(c);
  const { kind, a, shift } = lazy;
  const flags = c.variable(i32.const(0));
  c.if(
    i32.eqz(kind),
    () => c.assign(flags, i32.and(i32.wrap_i64(a), i32.const(STATUS_FLAGS))),
    () => {
      const result = c.variable(a);
      const carry = c.variable(i32.const(0));
      const overflow = c.variable(i32.const(0));
      const adjust = c.variable(i32.const(0));
      c.if(
        i32.le_u(kind, i32.const(KIND.SBB)),
        () => additive(c, lazy, { result, carry, overflow, adjust }),
        () => others(c, lazy, { carry, overflow, adjust }),
      );
      const parity = i32.and(
        i32.xor(i32.popcnt(i32.and(i32.wrap_i64(result), i32.const(0xff))), i32.const(1)),
        i32.const(1),
      );
      const top = c.let(i64.shl(result, shift));
      const low = i32.or(carry, i32.or(flag(parity, FLAG.PF), flag(adjust, FLAG.AF)));
      const zeroAndSign = i32.or(flag(i64.eqz(top), FLAG.ZF), flag(i64.lt_s(top, i64.const(0)), FLAG.SF));
      c.assign(flags, i32.or(low, i32.or(zeroAndSign, flag(overflow, FLAG.OF))));
    },
  );
  return flags;
}

/** ADD and ADC keep their result and second operand, SUB and SBB both operands; the rest of the sum follows. */
function additive(c: Context, lazy: Lazy, out: { result: I64; carry: I32; overflow: I32; adjust: I32 }): void {
  const { a, b } = lazy;
  const withCarry = c.let(i32.or(isKind(lazy, KIND.ADC), isKind(lazy, KIND.SBB)));
  const other = c.let(i64.sub(i64.sub(a, b), bit(withCarry)));
  const subtraction = c.let(i32.ge_u(lazy.kind, i32.const(KIND.SUB)));
  c.assign(out.carry, select(i64.le_u(a, b), i64.lt_u(a, b), withCarry));
  const whenAdded = i64.and(i64.xor(other, a), i64.xor(b, a));
  const whenSubtracted = i64.and(i64.xor(a, b), i64.xor(a, other));
  c.assign(out.overflow, isNegative(lazy, select(whenSubtracted, whenAdded, subtraction)));
  const nibbleCarry = i64.and(i64.shr_u(i64.xor(i64.xor(a, b), other), i64.const(4)), one);
  c.assign(out.adjust, i32.wrap_i64(nibbleCarry));
  c.assign(out.result, select(other, a, subtraction));
}

function others(c: Context, lazy: Lazy, out: { carry: I32; overflow: I32; adjust: I32 }): void {
  const { kind, a, b, shift } = lazy;
  const nibble = i64.and(a, i64.const(15));
  const lowBit = i32.wrap_i64(i64.and(b, one));
  c.if(i32.le_u(kind, i32.const(KIND.DEC)), () =>
    c.if(
      isKind(lazy, KIND.LOGIC),
      () => {},
      () => {
        const increment = c.let(isKind(lazy, KIND.INC));
        const lowest = i64.eq(i64.shl(a, shift), i64.const(1n << 63n));
        const highest = i64.eq(i64.add(i64.shl(a, shift), i64.shl(one, shift)), i64.const(1n << 63n));
        c.assign(out.carry, lowBit);
        c.assign(out.overflow, select(lowest, highest, increment));
        c.assign(out.adjust, select(i64.eqz(nibble), i64.eq(nibble, i64.const(15)), increment));
      },
    ),
  );
  c.if(isKind(lazy, KIND.SHL), () => {
    c.assign(out.carry, isNegative(lazy, b));
    c.assign(out.overflow, i32.xor(isNegative(lazy, b), isNegative(lazy, a)));
  });
  c.if(i32.or(isKind(lazy, KIND.SHR), isKind(lazy, KIND.SAR)), () => {
    c.assign(out.carry, lowBit);
    const topTwoDiffer = isNegative(lazy, i64.xor(a, i64.shl(a, one)));
    c.assign(out.overflow, i32.and(topTwoDiffer, isKind(lazy, KIND.SHR)));
  });
  c.if(isKind(lazy, KIND.MUL), () => {
    const lost = c.let(i64.ne(b, i64.const(0)));
    c.assign(out.carry, lost);
    c.assign(out.overflow, lost);
  });
}

/** The even condition codes in order: O B Z BE S P L LE. Each has short cuts after SUB and after LOGIC. */
interface ConditionRule {
  readonly afterSubtraction?: (lazy: Lazy) => I32;
  readonly afterLogic?: (lazy: Lazy) => I32;
  readonly fromFlags: (flags: I32) => I32;
}

const has = (flags: I32, mask: number): I32 => i32.ne(i32.and(flags, i32.const(mask)), i32.const(0));
const signDiffers = (flags: I32): I32 => i32.xor(has(flags, FLAG.SF), has(flags, FLAG.OF));
const compareSigned = (operator: 'lt_s' | 'le_s') => (lazy: Lazy) =>
  is32(lazy)
    ? i32[operator](i32.wrap_i64(lazy.a), i32.wrap_i64(lazy.b))
    : i64[operator](i64.shl(lazy.a, lazy.shift), i64.shl(lazy.b, lazy.shift));

/** The operands are zero-extended: no shifting, whatever their size. */
const compareUnsigned = (operator: 'lt_u' | 'le_u' | 'eq') => (lazy: Lazy) =>
  is32(lazy) ? i32[operator](i32.wrap_i64(lazy.a), i32.wrap_i64(lazy.b)) : i64[operator](lazy.a, lazy.b);

const RULES: readonly ConditionRule[] = [
  { fromFlags: (flags) => has(flags, FLAG.OF), afterLogic: () => i32.const(0) },
  {
    fromFlags: (flags) => has(flags, FLAG.CF),
    afterSubtraction: compareUnsigned('lt_u'),
    afterLogic: () => i32.const(0),
  },
  {
    fromFlags: (flags) => has(flags, FLAG.ZF),
    afterSubtraction: compareUnsigned('eq'),
    afterLogic: (lazy) => isZero(lazy, lazy.a),
  },
  {
    fromFlags: (flags) => has(flags, FLAG.CF | FLAG.ZF),
    afterSubtraction: compareUnsigned('le_u'),
    afterLogic: (lazy) => isZero(lazy, lazy.a),
  },
  {
    fromFlags: (flags) => has(flags, FLAG.SF),
    afterSubtraction: (lazy) => isNegative(lazy, i64.sub(lazy.a, lazy.b)),
    afterLogic: (lazy) => isNegative(lazy, lazy.a),
  },
  { fromFlags: (flags) => has(flags, FLAG.PF) },
  {
    fromFlags: signDiffers,
    afterSubtraction: compareSigned('lt_s'),
    afterLogic: (lazy) => isNegative(lazy, lazy.a),
  },
  {
    fromFlags: (flags) => i32.or(signDiffers(flags), has(flags, FLAG.ZF)),
    afterSubtraction: compareSigned('le_s'),
    afterLogic: (lazy) => i64.le_s(i64.shl(lazy.a, lazy.shift), i64.const(0)),
  },
];

/** @param pair condition code divided by 2 @returns i32 0 or 1: whether the even condition of the pair holds */
export function evenCondition(c: Context, pair: number): I32 {
  const rule = RULES[pair]!;
  const lazy = readLazy(c);
  const holds = c.variable(i32.const(0));
  const general = () => c.assign(holds, rule.fromFlags(c.statusFlags()));
  const { afterLogic, afterSubtraction } = rule;
  const logicOr = (otherwise: () => void) => {
    if (afterLogic) c.if(isKind(lazy, KIND.LOGIC), () => c.assign(holds, afterLogic(lazy)), otherwise);
    else otherwise();
  };
  if (afterSubtraction) {
    c.if(
      isKind(lazy, KIND.SUB),
      () => c.assign(holds, afterSubtraction(lazy)),
      () => logicOr(general),
    );
  } else {
    logicOr(general);
  }
  return holds;
}

/**
 * Condition right after a fused compare or test, whose kind and values are known.
 * @returns i32 0 or 1 for the full code, or undefined when there is no short cut
 */
export function fusedCondition(code: number, kind: number, a: I64, b: I64, size: number): I32 | undefined {
  const lazy: Lazy = { kind: i32.const(kind), a, b, shift: i64.const(64 - size) };
  const rule = RULES[code >> 1]!;
  const even = kind === KIND.SUB ? rule.afterSubtraction?.(lazy) : rule.afterLogic?.(lazy);
  return even && (code & 1 ? i32.eqz(even) : even);
}

/** The pieces of a condition when the kind of the last operation is known. */
interface KnownFlags {
  readonly carry: I32;
  readonly overflow: I32;
  readonly adjust: I32;
  /** Zero-extended or with garbage above the operand size. */
  readonly result: I64;
}

function knownFlags(lazy: Lazy, kind: number): KnownFlags | undefined {
  const { a, b, shift } = lazy;
  const no = i32.const(0);
  const other = i64.sub(a, b);
  const lowBit = i32.wrap_i64(i64.and(b, one));
  const isNonzero = i64.ne(b, i64.const(0));
  const lowest = i64.const(1n << 63n);
  const nibble = i64.and(a, i64.const(15));
  const nibbleCarry = (third: I64) =>
    i32.wrap_i64(i64.and(i64.shr_u(i64.xor(i64.xor(a, b), third), i64.const(4)), one));
  switch (kind) {
    case KIND.ADD:
      return {
        carry: i64.lt_u(a, b),
        overflow: isNegative(lazy, i64.and(i64.xor(other, a), i64.xor(b, a))),
        adjust: nibbleCarry(other),
        result: a,
      };
    case KIND.ADC: {
      const first = i64.sub(other, one);
      return {
        carry: i64.le_u(a, b),
        overflow: isNegative(lazy, i64.and(i64.xor(first, a), i64.xor(b, a))),
        adjust: nibbleCarry(first),
        result: a,
      };
    }
    case KIND.SBB: {
      const result = i64.sub(other, one);
      return {
        carry: i64.le_u(a, b),
        overflow: isNegative(lazy, i64.and(i64.xor(a, b), i64.xor(a, result))),
        adjust: nibbleCarry(result),
        result,
      };
    }
    case KIND.SUB:
      return {
        carry: i64.lt_u(a, b),
        overflow: isNegative(lazy, i64.and(i64.xor(a, b), i64.xor(a, other))),
        adjust: nibbleCarry(other),
        result: other,
      };
    case KIND.LOGIC:
      return { carry: no, overflow: no, adjust: no, result: a };
    case KIND.INC:
      return {
        carry: isNonzero,
        overflow: i64.eq(i64.shl(a, shift), lowest),
        adjust: i64.eqz(nibble),
        result: a,
      };
    case KIND.DEC:
      return {
        carry: isNonzero,
        overflow: i64.eq(i64.add(i64.shl(a, shift), i64.shl(one, shift)), lowest),
        adjust: i64.eq(nibble, i64.const(15)),
        result: a,
      };
    case KIND.SHL:
      return {
        carry: isNegative(lazy, b),
        overflow: i32.xor(isNegative(lazy, b), isNegative(lazy, a)),
        adjust: no,
        result: a,
      };
    case KIND.SHR:
      return { carry: lowBit, overflow: isNegative(lazy, i64.xor(a, i64.shl(a, one))), adjust: no, result: a };
    case KIND.SAR:
      return { carry: lowBit, overflow: no, adjust: no, result: a };
    case KIND.MUL:
      return { carry: isNonzero, overflow: isNonzero, adjust: no, result: a };
    default:
      return undefined;
  }
}

/**
 * A condition after an operation of known kind.
 * @param code as encoded in Jcc @param storedKind kind and size as flags.ts stores them @param a and @param b its two values
 * @returns i32 0 or 1
 */
export function conditionAfter(code: number, storedKind: number, a: I64, b: I64): I32 {
  const kind = storedKind >> 2;
  const size = 8 << (storedKind & 3);
  const short = fusedCondition(code, kind, a, b, size);
  if (short !== undefined && (kind === KIND.SUB || kind === KIND.LOGIC)) return short;
  const lazy: Lazy = { kind: i32.const(kind), a, b, shift: i64.const(64 - size) };
  const known = knownFlags(lazy, kind);
  const even = known === undefined ? RULES[code >> 1]!.fromFlags(i32.wrap_i64(a)) : evenAfter(code >> 1, lazy, known);
  return code & 1 ? i32.eqz(even) : even;
}

/** @returns i32: CF PF AF ZF SF OF as they stand in RFLAGS, after an operation of known kind; see `conditionAfter` */
export function statusFlagsAfter(storedKind: number, a: I64, b: I64): I32 {
  const kind = storedKind >> 2;
  const lazy: Lazy = { kind: i32.const(kind), a, b, shift: i64.const(64 - (8 << (storedKind & 3))) };
  const known = knownFlags(lazy, kind);
  if (known === undefined) return i32.and(i32.wrap_i64(a), i32.const(STATUS_FLAGS));
  const { carry, overflow, adjust, result } = known;
  const low = i32.or(carry, i32.or(flag(evenParity(result), FLAG.PF), flag(adjust, FLAG.AF)));
  const high = i32.or(flag(isNegative(lazy, result), FLAG.SF), flag(overflow, FLAG.OF));
  return i32.or(low, i32.or(flag(isZero(lazy, result), FLAG.ZF), high));
}

const evenParity = (result: I64): I32 =>
  i32.and(i32.xor(i32.popcnt(i32.and(i32.wrap_i64(result), i32.const(0xff))), i32.const(1)), i32.const(1));

/** The even conditions in order: O B Z BE S P L LE. */
function evenAfter(pair: number, lazy: Lazy, { carry, overflow, result }: KnownFlags): I32 {
  const zero = isZero(lazy, result);
  const less = i32.xor(isNegative(lazy, result), overflow);
  const rules = [
    overflow,
    carry,
    zero,
    i32.or(carry, zero),
    isNegative(lazy, result),
    evenParity(result),
    less,
    i32.or(less, zero),
  ];
  return rules[pair]!;
}
