import type { Node } from '../semantics/nodes.ts';

/** An i32 of which some bits are known: those in `mask`, where they are as in `value`. */
export interface KnownBits {
  readonly mask: number;
  readonly value: number;
}

const NONE: KnownBits = { mask: 0, value: 0 };
const exactly = (value: number): KnownBits => ({ mask: -1, value });

/**
 * @param locals what is known of bound values, by local @param immediate the instruction's
 * @returns what follows for a value
 */
export function knownBits(node: Node, locals: ReadonlyMap<number, KnownBits>, immediate?: () => bigint): KnownBits {
  if (node.kind === 'constant' && node.type === 'i32') return exactly(Number(node.bits) | 0);
  if (node.kind === 'local') return locals.get(node.id) ?? NONE;
  if (node.kind !== 'operation') return NONE;
  const [a, b] = node.operands;
  switch (node.name) {
    case 'i32.wrap_i64': {
      const bits = immediate && constantBits(a!, immediate);
      return bits === undefined ? NONE : exactly(Number(bits & 0xffff_ffffn) | 0);
    }
    case 'i32.and': {
      const [x, y] = [knownBits(a!, locals), knownBits(b!, locals)];
      const mask = (x.mask & y.mask) | (x.mask & ~x.value) | (y.mask & ~y.value);
      return { mask, value: x.value & y.value & mask };
    }
    case 'i32.eq':
      return comparison(knownBits(a!, locals), knownBits(b!, locals), 1);
    case 'i32.ne':
      return comparison(knownBits(a!, locals), knownBits(b!, locals), 0);
    case 'i32.eqz':
      return comparison(knownBits(a!, locals), exactly(0), 1);
    default:
      return NONE;
  }
}

/** @returns the value of a constant or an immediate, cut or not */
function constantBits(node: Node, immediate: () => bigint): bigint | undefined {
  if (node.kind === 'constant') return node.bits;
  if (node.kind === 'instruction') return node.what === 'immediate' ? immediate() : undefined;
  if (node.kind !== 'operation' || node.name !== 'i64.and') return undefined;
  const [value, mask] = node.operands.map((operand) => constantBits(operand, immediate));
  return value === undefined || mask === undefined ? undefined : value & mask;
}

/** @param whenEqual 0 or 1, what the comparison yields for equal values */
function comparison(a: KnownBits, b: KnownBits, whenEqual: number): KnownBits {
  if ((a.value ^ b.value) & a.mask & b.mask) return exactly(1 - whenEqual);
  return (a.mask & b.mask) === -1 ? exactly(whenEqual) : NONE;
}
