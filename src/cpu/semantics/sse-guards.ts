/**
 * When WebAssembly's arithmetic may stand in for an SSE instruction.
 *
 * WebAssembly rounds to nearest, keeps denormals, raises nothing, and leaves the payload of a NaN result open. So the result of an
 * instruction is WebAssembly's, and MXCSR stays as it is, if
 *   1. MXCSR rounds to nearest and masks every exception (`control`, or `inexactAllowed`);
 *   2. no operand is a denormal, or DE is set already and DAZ off (`operands`); only arithmetic and comparison look at this;
 *   3. no result is a NaN or an infinity (`finite`). Then no operand was a NaN or an invalid infinity, nothing was divided by
 *      zero and nothing overflowed: IE, ZE and OE stay. Or the flags that they raise are set already, and NaN results are made
 *      here as the manual has them (`special`);
 *   4. each result is above the smallest normal number in magnitude, or zero because an operand is, or UE and PE are both set
 *      already and FTZ off (`notTiny`). A tiny result raises UE only if it is inexact, and then it does not exceed the smallest normal
 *      number after rounding. Sums skip this: a tiny sum of two numbers is a multiple of the smallest denormal, hence exact.
 *      So do roots, which are never tiny;
 *   5. PE is set already, or each result is exact (`inexactAllowed`). Tests for exactness may err on the side of "inexact".
 * Otherwise the whole instruction is left to its exact function, which sets flags that are then in the way no longer.
 */
import {
  DenormalFlag,
  DenormalsAreZero,
  FlushToZero,
  InvalidFlag,
  OverflowFlag,
  PrecisionFlag,
  UnderflowFlag,
  ZeroDivideFlag,
} from '../floating-point/mxcsr.ts';
import type { Context } from './context.ts';
import { f64, type I32, type I64, i32, i64, type Node } from './nodes.ts';
import type { Lanes } from './sse-lanes.ts';

/** Rounding and masks; DAZ and FTZ matter to denormals alone. */
const controlMask = 0x7f80;
const controlDefault = 0x1f80;

/** What MXCSR holds in nearly all code, in these bits: conditions 1 and 5 hold. */
export const SETTLED = { mask: controlMask | PrecisionFlag, value: controlDefault | PrecisionFlag } as const;

/** Flags that must be set, and those with controls that must be clear, for denormal operands and tiny results to be like any other. */
export const DENORMAL_RESULTS = { mask: DenormalFlag | DenormalsAreZero | FlushToZero, value: DenormalFlag };
const denormalOperands = { mask: DenormalFlag | DenormalsAreZero, value: DenormalFlag };
const tinyResults = { mask: UnderflowFlag | PrecisionFlag | FlushToZero, value: UnderflowFlag | PrecisionFlag };

const has = (mxcsr: I32, { mask, value }: { mask: number; value: number }): I32 =>
  i32.eq(i32.and(mxcsr, i32.const(mask)), i32.const(value));

const isSet = (mxcsr: I32, flags: number): I32 => has(mxcsr, { mask: flags, value: flags });

/** Condition 1, for instructions that `inexactAllowed` does not look after. */
export function control(c: Context, mxcsr: I32): void {
  c.exactUnless(has(mxcsr, { mask: controlMask, value: controlDefault }));
}

/** Mask of the lanes that hold a denormal, in the lanes' format unless another smallest normal number is given. */
export function denormal(lanes: Lanes, value: Node, smallestNormal: bigint = lanes.precision.smallestNormal): Node {
  const small = lanes.lt(lanes.abs(value), lanes.constant(smallestNormal));
  return lanes.and(small, lanes.ne(value, lanes.constant(0n)));
}

/** Condition 2. @param some mask of the lanes with a denormal operand */
export function denormalsAllowed(c: Context, lanes: Lanes, mxcsr: I32, some: Node, fields = denormalOperands): void {
  c.if(lanes.any(some), () => c.exactUnless(has(mxcsr, fields)));
}

/** Condition 2 for operands in the lanes' format. Denormals are told from zeros only where there is one or the other. */
export function operands(c: Context, lanes: Lanes, mxcsr: I32, ...values: readonly Node[]): void {
  for (const value of values) {
    c.excludeDenormals(value, lanes.precision.width, lanes.someSmall(value), () =>
      denormalsAllowed(c, lanes, mxcsr, denormal(lanes, value)),
    );
  }
}

/** Condition 3. */
export function finite(c: Context, lanes: Lanes, result: Node): void {
  c.exactUnless(lanes.all(lanes.lt(lanes.abs(result), lanes.constant(lanes.precision.infinity))));
}

/**
 * Conditions 3 and 4 for the result of a op b, a variable. Ordinary results pass by their exponents. Infinite scalars and NaNs
 * are turned away: packed code computes on in lanes that no one looks at any more, scalar code stops.
 * @param operands with `zeros` of `notTiny`, unless tiny results are exact, and `divisor` of `special`
 */
export function result(c: Context, lanes: Lanes, mxcsr: I32, result: Node, operands: ResultOperands): void {
  const { a, b, zeros, divisor } = operands;
  c.excludeDenormals(result, lanes.precision.width, lanes.someUnusual(result), () => {
    if (lanes.count === 1) finite(c, lanes, result);
    else special(c, lanes, mxcsr, result, a, b, divisor);
    if (zeros) notTiny(c, lanes, mxcsr, result, zeros);
    // Then it is no matter to what comes next: operands that are results have been looked at.
    denormalsAllowed(c, lanes, mxcsr, denormal(lanes, result), DENORMAL_RESULTS);
  });
}

interface ResultOperands {
  readonly a: Node;
  readonly b: Node;
  readonly zeros?: () => Node;
  readonly divisor?: Node;
}

/**
 * Condition 3 for the result of a op b, a variable. The NaN of an operand, made quiet, is the result, a's before b's; an invalid
 * operation on numbers yields the default NaN (SDM vol. 1, 4.8.3.5 and table 4-7).
 * @param divisor the operand that makes an infinity of a zero, if there is one
 */
export function special(c: Context, lanes: Lanes, mxcsr: I32, result: Node, a: Node, b: Node, divisor?: Node): void {
  const infinity = lanes.constant(lanes.precision.infinity);
  const isInfinite = (value: Node): Node => lanes.eq(lanes.abs(value), infinity);
  c.if(i32.eqz(lanes.all(lanes.lt(lanes.abs(result), infinity))), () => {
    const [nanA, nanB] = [c.let(lanes.ne(a, a)), c.let(lanes.ne(b, b))];
    const noNumber = c.let(lanes.ne(result, result));
    const default_ = c.let(lanes.and(noNumber, lanes.not(lanes.or(nanA, nanB))));
    const invalid = lanes.or(default_, lanes.or(lanes.signalling(a), lanes.signalling(b)));
    const raised = c.let(lanes.and(isInfinite(result), lanes.not(lanes.or(isInfinite(a), isInfinite(b)))));
    const byZero = divisor === undefined ? lanes.mask(i32.const(0)) : lanes.eq(divisor, lanes.constant(0n));
    flagged(c, lanes, mxcsr, invalid, InvalidFlag);
    flagged(c, lanes, mxcsr, lanes.and(raised, lanes.not(byZero)), OverflowFlag | PrecisionFlag);
    if (divisor !== undefined) flagged(c, lanes, mxcsr, lanes.and(raised, byZero), ZeroDivideFlag);
    const { width, quietBit } = lanes.precision;
    const defaultNaN = lanes.constant((1n << BigInt(width - 1)) | lanes.precision.infinity | quietBit);
    const fromOperands = lanes.choose(lanes.quiet(a), lanes.choose(lanes.quiet(b), result, nanB), nanA);
    c.assign(result, lanes.choose(defaultNaN, fromOperands, default_));
  });
}

/** Where a mask holds in some lane, flags must be set already. */
function flagged(c: Context, lanes: Lanes, mxcsr: I32, mask: Node, flags: number): void {
  c.exactUnless(i32.or(i32.eqz(lanes.any(mask)), isSet(mxcsr, flags)));
}

/**
 * Condition 4.
 * @param zeros mask of the lanes with an operand that makes the exact result zero
 * @param smallestNormal of the result's format, as an encoding in the lanes' format
 */
export function notTiny(
  c: Context,
  lanes: Lanes,
  mxcsr: I32,
  result: Node,
  zeros: () => Node,
  smallestNormal: bigint = lanes.precision.smallestNormal,
): void {
  const tiny = (): Node => lanes.le(lanes.abs(result), lanes.constant(smallestNormal));
  c.if(lanes.any(tiny()), () => {
    const rounded = lanes.any(lanes.and(tiny(), lanes.not(zeros())));
    c.exactUnless(i32.or(i32.eqz(rounded), has(mxcsr, tinyResults)));
  });
}

/**
 * Conditions 1 and 5, which hold together for nearly all code by one comparison.
 * @param exact records what it needs and returns an i32 that is not 0 when every result is exact
 */
export function inexactAllowed(c: Context, mxcsr: I32, exact: () => I32): void {
  c.if(i32.ne(i32.and(mxcsr, i32.const(SETTLED.mask)), i32.const(SETTLED.value)), () => {
    control(c, mxcsr);
    c.exactUnless(exact());
  });
}

/**
 * For comparisons, which have no result to look at: a NaN operand raises IE if it is signalling or the comparison is.
 * @param quiet i32, not 0 when quiet NaNs raise nothing
 */
export function ordered(c: Context, lanes: Lanes, mxcsr: I32, a: Node, b: Node, quiet: I32): void {
  const unordered = lanes.or(lanes.ne(a, a), lanes.ne(b, b));
  c.if(lanes.any(unordered), () => {
    const signalling = lanes.any(lanes.or(lanes.signalling(a), lanes.signalling(b)));
    const harmless = i32.and(i32.ne(quiet, i32.const(0)), i32.eqz(signalling));
    c.exactUnless(i32.or(isSet(mxcsr, InvalidFlag), harmless));
  });
}

/** Every lane, one after the other: not 0 when the test holds in all of them. */
function everyLane(lanes: Lanes, test: (index: number) => I32): I32 {
  return Array.from({ length: lanes.count }, (_, index) => test(index)).reduce((a, b) => i32.and(a, b));
}

/** Knuth's two-sum: the rounding error of a + b is a float, and this computes it exactly unless it overflows into a NaN. */
export function sumIsExact(c: Context, lanes: Lanes, a: Node, b: Node, sum: Node): I32 {
  const part = c.let(lanes.sub(sum, a));
  const error = lanes.add(lanes.sub(a, lanes.sub(sum, part)), lanes.sub(b, part));
  return lanes.all(lanes.eq(error, lanes.constant(0n)));
}

/** The same for a - b, which is a + -b. */
export function differenceIsExact(c: Context, lanes: Lanes, a: Node, b: Node, difference: Node): I32 {
  const part = c.let(lanes.sub(difference, a));
  const error = lanes.sub(lanes.sub(a, lanes.sub(difference, part)), lanes.add(b, part));
  return lanes.all(lanes.eq(error, lanes.constant(0n)));
}

const fractionBits = 52n;

/** Zero bits at the end of a binary64 significand: a number with t of them has 53 - t significant bits. */
function trailingZeros(value: Node<'f64'>): I64 {
  return i64.ctz(i64.or(i64.reinterpret_f64(value), i64.const(1n << fractionBits)));
}

/** Whether a product of binary64 numbers has at most 53 significant bits, whatever its exponent. */
function productFits(a: Node<'f64'>, b: Node<'f64'>): I32 {
  return i64.ge_u(i64.add(trailingZeros(a), trailingZeros(b)), i64.const(fractionBits + 1n));
}

const aboveSmallestNormal = (value: Node<'f64'>): I32 => f64.lt(f64.const(1n << fractionBits), f64.abs(value));
const isZero = (value: Node<'f64'>): I32 => f64.eq(value, f64.const(0n));

/** Whether x * y is exactly `product` in binary64; never wrong about "yes". */
function productIs(x: Node<'f64'>, y: Node<'f64'>, product: Node<'f64'>): I32 {
  const fits = i32.and(productFits(x, y), aboveSmallestNormal(product));
  return i32.or(isZero(product), i32.and(fits, f64.eq(f64.mul(x, y), product)));
}

/** Whether x * y is exactly `product`, all binary32: their product has at most 48 bits and is exact in binary64. */
function singleProductIs(x: Node<'f32'>, y: Node<'f32'>, product: Node<'f32'>): I32 {
  return f64.eq(f64.mul(f64.promote_f32(x), f64.promote_f32(y)), f64.promote_f32(product));
}

/** Whether x * y is exactly `product` in every lane, given condition 4 for whichever of them was computed. */
export function productIsExact(lanes: Lanes, x: Node, y: Node, product: Node): I32 {
  return everyLane(lanes, (index) => {
    const [a, b, result] = [x, y, product].map((value) => lanes.lane(value, index)) as [Node, Node, Node];
    return lanes.precision.width === 32
      ? singleProductIs(a as Node<'f32'>, b as Node<'f32'>, result as Node<'f32'>)
      : productIs(a as Node<'f64'>, b as Node<'f64'>, result as Node<'f64'>);
  });
}
