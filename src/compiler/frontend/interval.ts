/** A range of integers, both ends included: what the compiler knows about a value without running the program. */
export interface Interval {
  readonly low: bigint;
  readonly high: bigint;
}

export const interval = (low: bigint, high: bigint): Interval => ({ low, high });
export const exactly = (value: bigint): Interval => ({ low: value, high: value });
export const ofWidth = (bits: number, signed: boolean): Interval =>
  signed ? interval(-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n) : interval(0n, (1n << BigInt(bits)) - 1n);

export const within = (inner: Interval, outer: Interval): boolean => inner.low >= outer.low && inner.high <= outer.high;
export const isConstant = (range: Interval): boolean => range.low === range.high;

const least = (...values: bigint[]): bigint => values.reduce((a, b) => (a < b ? a : b));
const greatest = (...values: bigint[]): bigint => values.reduce((a, b) => (a > b ? a : b));

export const hull = (a: Interval, b: Interval): Interval => interval(least(a.low, b.low), greatest(a.high, b.high));

/** The common part; `a` itself when there is none, which only happens in code that cannot be reached. */
export function intersect(a: Interval, b: Interval): Interval {
  const low = greatest(a.low, b.low);
  const high = least(a.high, b.high);
  return low <= high ? interval(low, high) : a;
}

export const INT32 = ofWidth(32, true);
export const UINT32 = ofWidth(32, false);
export const INT64 = ofWidth(64, true);
export const UINT64 = ofWidth(64, false);
/** Where every integer is a JavaScript number of its own. */
export const SAFE = interval(-(1n << 53n), 1n << 53n);

function corners(a: Interval, b: Interval, operation: (x: bigint, y: bigint) => bigint): Interval {
  const values = [
    operation(a.low, b.low),
    operation(a.low, b.high),
    operation(a.high, b.low),
    operation(a.high, b.high),
  ];
  return interval(least(...values), greatest(...values));
}

/** The smallest 2^k - 1 that is not below the value. */
const onesAbove = (value: bigint): bigint => (1n << BigInt(value.toString(2).length)) - 1n;

function bitwise(a: Interval, b: Interval, both: boolean): Interval {
  if (a.low >= 0n && b.low >= 0n) {
    const top = onesAbove(greatest(a.high, b.high));
    return interval(both ? greatest(a.low, b.low) : 0n, a.high === 0n && b.high === 0n ? 0n : top);
  }
  const reach = onesAbove(greatest(a.high, b.high, -a.low, -b.low, 1n));
  return interval(-reach - 1n, reach);
}

/** The range of `a op b` in unbounded integers; the shifts multiply and divide by powers of two. */
export const ranges = {
  add: (a: Interval, b: Interval): Interval => interval(a.low + b.low, a.high + b.high),
  sub: (a: Interval, b: Interval): Interval => interval(a.low - b.high, a.high - b.low),
  mul: (a: Interval, b: Interval): Interval => corners(a, b, (x, y) => x * y),
  and(a: Interval, b: Interval): Interval {
    if (a.low >= 0n && b.low >= 0n) return interval(0n, least(a.high, b.high));
    if (a.low >= 0n) return interval(0n, a.high);
    if (b.low >= 0n) return interval(0n, b.high);
    return interval(-onesAbove(greatest(-a.low, -b.low)) - 1n, greatest(a.high, b.high, 0n));
  },
  or: (a: Interval, b: Interval): Interval => bitwise(a, b, true),
  xor: (a: Interval, b: Interval): Interval => bitwise(a, b, false),
  not: (a: Interval): Interval => interval(-a.high - 1n, -a.low - 1n),
  neg: (a: Interval): Interval => interval(-a.high, -a.low),
  shl: (a: Interval, count: Interval): Interval => corners(a, count, (x, n) => x << n),
  shr: (a: Interval, count: Interval): Interval => corners(a, count, (x, n) => x >> n),
  /** Division towards zero; the divisor's zero does not count. */
  div(a: Interval, b: Interval): Interval {
    const divisors = [b.low, b.high, -1n, 1n].filter((value) => value !== 0n && value >= b.low && value <= b.high);
    if (divisors.length === 0) return exactly(0n);
    const values = divisors.flatMap((divisor) => [a.low / divisor, a.high / divisor]);
    if (a.low <= 0n && a.high >= 0n) values.push(0n);
    return interval(least(...values), greatest(...values));
  },
  /** The remainder has the dividend's sign. */
  rem(a: Interval, b: Interval): Interval {
    const size = greatest(b.high, -b.low) - 1n;
    const top = size < 0n ? 0n : size;
    return interval(a.low < 0n ? greatest(-top, a.low) : 0n, a.high > 0n ? least(top, a.high) : 0n);
  },
};
