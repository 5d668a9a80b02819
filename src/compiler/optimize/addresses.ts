import type { Address, Base, Register } from '../ir/module.ts';
import type { Values } from './values.ts';

/** The address with sums, shifts and addresses of symbols folded into its parts, as far as one operand can hold. */
export function foldAddress(v: Values, address: Address): Address {
  let current = address;
  // Whether only this address reads what was folded so far: else a sum of registers would be computed many times.
  let exclusive = true;
  for (let round = 0; round < 8; round++) {
    const { base } = current;
    if (base?.kind === 'register') exclusive &&= v.usedOnce(base.register);
    const next = foldBase(v, current, exclusive) ?? foldIndex(v, current);
    if (!next) return current;
    current = next;
  }
  return current;
}

/** A displacement is a signed 32-bit number. */
function displaced(address: Address, change: bigint): Address | undefined {
  const sum = BigInt(address.displacement ?? 0) + BigInt.asIntN(64, change);
  return BigInt.asIntN(32, sum) === sum ? { ...address, displacement: Number(sum) } : undefined;
}

function foldBase(v: Values, address: Address, exclusive: boolean): Address | undefined {
  if (address.base?.kind !== 'register') return undefined;
  const { register } = address.base;
  const definition = v.definition(register);
  if (definition?.op === 'addressOf') return merge(address, exclusive, definition.address);
  if (definition?.op !== 'add') return undefined;
  const addend = v.constant(definition.right);
  const base: Base = { kind: 'register', register: definition.left };
  if (addend !== undefined) return displaced({ ...address, base }, addend);
  if (address.index !== undefined || !exclusive) return undefined;
  // The scaled operand is the better index.
  const [left, right] = isScaled(v, definition.left)
    ? [definition.right, definition.left]
    : [definition.left, definition.right];
  return { ...address, base: { kind: 'register', register: left }, index: right, scale: 1 };
}

function isScaled(v: Values, register: Register): boolean {
  return v.definition(register)?.op === 'shl';
}

/** The address in the base register becomes part of this one when both do not use an index. */
function merge(address: Address, exclusive: boolean, inner: Address): Address | undefined {
  if (inner.segment) return undefined;
  if (inner.index !== undefined && (address.index !== undefined || !exclusive)) return undefined;
  const { base: _, ...rest } = address;
  const index = inner.index === undefined ? {} : { index: inner.index, scale: inner.scale ?? 1 };
  const joined: Address = { ...rest, ...(inner.base ? { base: inner.base } : {}), ...index };
  return displaced(joined, BigInt(inner.displacement ?? 0));
}

function foldIndex(v: Values, address: Address): Address | undefined {
  const { index, scale = 1 } = address;
  if (index === undefined) return undefined;
  const known = v.constant(index);
  if (known !== undefined) {
    const { index: _index, scale: _scale, ...rest } = address;
    return displaced(rest, known * BigInt(scale));
  }
  const definition = v.definition(index);
  if (definition?.op === 'add') {
    const addend = v.constant(definition.right);
    if (addend === undefined) return undefined;
    return displaced({ ...address, index: definition.left }, addend * BigInt(scale));
  }
  if (definition?.op !== 'shl') return undefined;
  const count = v.constant(definition.right);
  if (count === undefined || count > 3n) return undefined;
  const product = scale << Number(count);
  return product <= 8 ? { ...address, index: definition.left, scale: product as 1 | 2 | 4 | 8 } : undefined;
}
