import type { NoDenormals, Node, ValueType } from '../semantics/nodes.ts';

/** Parts of a vector, as bits: two for the doubles, the lower first, and four above them for the singles. */
export type Parts = number;

const DOUBLE = 1;
const SINGLE = 1 << 2;
export const DOUBLES: Parts = 0b11;
export const SINGLES: Parts = 0b111100;
const ALL = DOUBLES | SINGLES;
/** Where the singles' bits begin. */
export const SINGLES_SHIFT = 2;

/** Parts that a value of a type has, in lane 0. */
export const PARTS_OF: Record<ValueType, Parts> = { i32: 0, i64: 0, f32: SINGLE, f64: DOUBLE, v128: ALL };

/** Parts that a scalar in a lane replaces. */
export function partsUnder(type: ValueType, lane: number): Parts {
  if (type === 'v128') return ALL;
  if (type === 'i32' || type === 'f32') return (SINGLE << lane) | (DOUBLE << (lane >> 1));
  return (DOUBLE << lane) | ((SINGLE * 0b11) << (2 * lane));
}

/** Parts of a bound value that a look at it is about. */
export function partsLookedAt({ width, local }: NoDenormals): Parts {
  if (local.type === 'v128') return width === 64 ? DOUBLES : SINGLES;
  return width === 64 ? DOUBLE : SINGLE;
}

/** A part of a value that is a whole part of one of its operands. */
interface MovedPart {
  readonly to: Parts;
  readonly from: Parts;
  readonly operand: Node;
}

/** The parts that a shuffle moves as wholes; none of anything else. */
export function movedParts(node: Node): MovedPart[] {
  if (node.kind !== 'operation' || node.name !== 'i8x16.shuffle') return [];
  const { operands } = node;
  const bytes = node.lanes!;
  const moved = (size: number, first: Parts): MovedPart[] =>
    Array.from({ length: 16 / size }, (_, lane) => lane).flatMap((lane) => {
      const from = bytes.slice(lane * size, (lane + 1) * size);
      const isWhole = from[0]! % size === 0 && from.every((byte, at) => byte === from[0]! + at);
      const source = (from[0]! & 15) / size;
      return isWhole ? [{ to: first << lane, from: first << source, operand: operands[from[0]! >> 4]! }] : [];
    });
  return [...moved(8, DOUBLE), ...moved(4, SINGLE)];
}
