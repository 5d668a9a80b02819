import type { Context, Semantics } from './context.ts';
import { type I32, i32, type Node } from './nodes.ts';
import * as guard from './sse-guards.ts';
import { LANES, type Lanes } from './sse-lanes.ts';

/** An operand as the lanes take it: the low element, or all 16 bytes, which must be aligned in memory. */
function read(c: Context, lanes: Lanes, index: number): Node {
  return lanes.type === 'v128' ? c.readVector(index, true) : c.readLane(index, lanes.type as 'f32' | 'f64');
}

type Arithmetic = (c: Context, lanes: Lanes, mxcsr: I32, a: Node, b: Node) => Node;

const sum: Arithmetic = (c, lanes, mxcsr, a, b) => {
  const result = c.variable(lanes.add(a, b));
  guard.result(c, lanes, mxcsr, result, { a, b });
  guard.inexactAllowed(c, mxcsr, () => guard.sumIsExact(c, lanes, a, b, result));
  return result;
};

const difference: Arithmetic = (c, lanes, mxcsr, a, b) => {
  const result = c.variable(lanes.sub(a, b));
  guard.result(c, lanes, mxcsr, result, { a, b });
  guard.inexactAllowed(c, mxcsr, () => guard.differenceIsExact(c, lanes, a, b, result));
  return result;
};

const isZero = (lanes: Lanes, value: Node): Node => lanes.eq(value, lanes.constant(0n));

const product: Arithmetic = (c, lanes, mxcsr, a, b) => {
  const result = c.variable(lanes.mul(a, b));
  const zeros = () => lanes.or(isZero(lanes, a), isZero(lanes, b));
  guard.result(c, lanes, mxcsr, result, { a, b, zeros });
  guard.inexactAllowed(c, mxcsr, () => guard.productIsExact(lanes, a, b, result));
  return result;
};

const quotient: Arithmetic = (c, lanes, mxcsr, a, b) => {
  const result = c.variable(lanes.div(a, b));
  guard.result(c, lanes, mxcsr, result, { a, b, zeros: () => isZero(lanes, a), divisor: b });
  guard.inexactAllowed(c, mxcsr, () => guard.productIsExact(lanes, result, b, a));
  return result;
};

const minimum: Arithmetic = (c, lanes, mxcsr, a, b) => {
  guard.control(c, mxcsr);
  guard.ordered(c, lanes, mxcsr, a, b, i32.const(0));
  return lanes.least(a, b);
};
const maximum: Arithmetic = (c, lanes, mxcsr, a, b) => {
  guard.control(c, mxcsr);
  guard.ordered(c, lanes, mxcsr, a, b, i32.const(0));
  return lanes.greatest(a, b);
};

/** destination = destination op source, in the lanes of the instruction. */
const arithmetic =
  (lanes: Lanes, operate: Arithmetic): Semantics =>
  (c) => {
    const b = read(c, lanes, 1);
    const a = read(c, lanes, 0);
    const mxcsr = c.mxcsr();
    guard.operands(c, lanes, mxcsr, a, b);
    c.writeVector(0, operate(c, lanes, mxcsr, a, b));
  };

const squareRoot =
  (lanes: Lanes): Semantics =>
  (c) => {
    const a = read(c, lanes, 1);
    const mxcsr = c.mxcsr();
    guard.operands(c, lanes, mxcsr, a);
    const result = c.variable(lanes.sqrt(a));
    guard.result(c, lanes, mxcsr, result, { a, b: a });
    guard.inexactAllowed(c, mxcsr, () => guard.productIsExact(lanes, result, result, a));
    c.writeVector(0, result);
  };

/**
 * CMPPS and kin: predicate bits 1:0 choose equal, less, less or equal, unordered; bit 2 negates (SDM vol. 2, CMPPD table 3-1).
 * Less and less-or-equal, negated or not, signal quiet NaNs.
 */
const comparison =
  (lanes: Lanes): Semantics =>
  (c) => {
    const b = read(c, lanes, 1);
    const a = read(c, lanes, 0);
    const predicate = c.let(i32.wrap_i64(c.read(2)));
    const mxcsr = c.mxcsr();
    guard.control(c, mxcsr);
    guard.operands(c, lanes, mxcsr, a, b);
    const low = c.let(i32.and(predicate, i32.const(3)));
    const isLow = (value: number): I32 => i32.eq(low, i32.const(value));
    guard.ordered(c, lanes, mxcsr, a, b, i32.or(isLow(0), isLow(3)));
    const holds = c.variable(lanes.lt(a, b));
    c.if(isLow(0), () => c.assign(holds, lanes.eq(a, b)));
    c.if(isLow(2), () => c.assign(holds, lanes.le(a, b)));
    c.if(isLow(3), () => c.assign(holds, lanes.or(lanes.ne(a, a), lanes.ne(b, b))));
    c.if(i32.and(predicate, i32.const(4)), () => c.assign(holds, lanes.not(holds)));
    c.writeVector(0, lanes.maskBits(holds));
  };

const CF = 0;
const PF = 2;
const ZF = 6;

/** COMISS and kin: unordered sets ZF, PF and CF. @param signalling whether quiet NaNs raise invalid */
const compareToFlags =
  (lanes: Lanes, signalling: boolean): Semantics =>
  (c) => {
    const b = read(c, lanes, 1);
    const a = read(c, lanes, 0);
    const mxcsr = c.mxcsr();
    guard.control(c, mxcsr);
    guard.operands(c, lanes, mxcsr, a, b);
    guard.ordered(c, lanes, mxcsr, a, b, i32.const(signalling ? 0 : 1));
    const unordered = c.let(lanes.or(lanes.ne(a, a), lanes.ne(b, b)) as I32);
    const flag = (condition: Node, place: number): I32 =>
      i32.shl(i32.or(condition as I32, unordered), i32.const(place));
    const parity = i32.shl(unordered, i32.const(PF));
    c.setStatusFlags(i32.or(i32.or(flag(lanes.eq(a, b), ZF), flag(lanes.lt(a, b), CF)), parity));
  };

const forEachShape = (name: string, semantics: (lanes: Lanes) => Semantics): [string, Semantics][] =>
  Object.entries(LANES).map(([suffix, lanes]) => [name + suffix, semantics(lanes)]);

/** Floating-point arithmetic and comparison, packed and scalar. */
export const SSE_ARITHMETIC: Record<string, Semantics> = {
  ...Object.fromEntries([
    ...forEachShape('ADD', (lanes) => arithmetic(lanes, sum)),
    ...forEachShape('SUB', (lanes) => arithmetic(lanes, difference)),
    ...forEachShape('MUL', (lanes) => arithmetic(lanes, product)),
    ...forEachShape('DIV', (lanes) => arithmetic(lanes, quotient)),
    ...forEachShape('MIN', (lanes) => arithmetic(lanes, minimum)),
    ...forEachShape('MAX', (lanes) => arithmetic(lanes, maximum)),
    ...forEachShape('SQRT', squareRoot),
    ...forEachShape('CMP', comparison),
  ]),
  COMISS: compareToFlags(LANES.SS, true),
  COMISD: compareToFlags(LANES.SD, true),
  UCOMISS: compareToFlags(LANES.SS, false),
  UCOMISD: compareToFlags(LANES.SD, false),
};
