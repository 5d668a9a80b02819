import { isRemovable } from '../ir/effects.ts';
import { type Address, type Base, bytesOf, type Instruction, type Register } from '../ir/module.ts';
import type { Values } from './values.ts';

/** Instructions whose result depends on their operands alone: equal ones may be united, unused ones dropped. */
export function isPure(instruction: Instruction): boolean {
  return isRemovable(instruction) && instruction.op !== 'load' && instruction.op !== 'bind';
}

/** Instructions that neither read nor write memory that loads and stores reach, though they may not be dropped. */
const quiet = new Set<Instruction['op']>(['portIn', 'portOut', 'bind', 'atomicLoad']);

/** Whether the instruction may write memory that a load sees. */
export function mayWrite(instruction: Instruction): boolean {
  return !isRemovable(instruction) && !quiet.has(instruction.op);
}

/** Memory contents that are known at one point of a block: address text -> value. */
export class KnownMemory {
  readonly #known = new Map<string, { address: Address; bytes: number; value: Register }>();
  readonly #escaped: ReadonlySet<number>;

  /** `escaped`: slots whose address is in some register */
  constructor(escaped: ReadonlySet<number>) {
    this.#escaped = escaped;
  }

  load(address: Address, type: string): Register | undefined {
    return this.#known.get(keyOf(address, type))?.value;
  }

  learn(address: Address, type: 'i8' | 'i16' | 'i32' | 'i64', value: Register): void {
    this.#known.set(keyOf(address, type), { address, bytes: bytesOf[type], value });
  }

  /** A store forgets whatever it may overlap. */
  store(address: Address, bytes: number): void {
    for (const [key, entry] of this.#known) {
      if (!this.#apart(address, bytes, entry.address, entry.bytes)) this.#known.delete(key);
    }
  }

  /** Anything may have been written, except slots that nobody else knows. */
  forget(): void {
    for (const [key, { address }] of this.#known) {
      const isPrivate = address.base?.kind === 'slot' && !this.#escaped.has(address.base.slot);
      if (!isPrivate) this.#known.delete(key);
    }
  }

  #apart(left: Address, leftBytes: number, right: Address, rightBytes: number): boolean {
    const same =
      sameBase(left.base, right.base) &&
      left.index === right.index &&
      (left.scale ?? 1) === (right.scale ?? 1) &&
      left.segment === right.segment;
    if (same) {
      const [a, b] = [left.displacement ?? 0, right.displacement ?? 0];
      return a + leftBytes <= b || b + rightBytes <= a;
    }
    return isolated(left, right, this.#escaped) || isolated(right, left, this.#escaped);
  }
}

/** Whether the first address lies in an object that the second cannot reach. */
function isolated(left: Address, right: Address, escaped: ReadonlySet<number>): boolean {
  if (left.base?.kind === 'slot') {
    if (right.base?.kind === 'slot') return left.base.slot !== right.base.slot;
    return right.base?.kind === 'symbol' || !escaped.has(left.base.slot);
  }
  return left.base?.kind === 'symbol' && right.base?.kind === 'symbol' && left.base.symbol !== right.base.symbol;
}

function keyOf(address: Address, type: string): string {
  return `${type} ${addressKey(address)}`;
}

/** The same text for the same address, however its fields are given. */
export function addressKey({ base, index, scale = 1, displacement = 0, segment }: Address): string {
  return `${base && baseKey(base)} ${index} ${scale} ${displacement} ${segment}`;
}

function baseKey(base: Base): string {
  if (base.kind === 'symbol') return `symbol ${base.symbol}`;
  return base.kind === 'slot' ? `slot ${base.slot}` : `register ${base.register}`;
}

function sameBase(left: Base | undefined, right: Base | undefined): boolean {
  if (left === undefined || right === undefined || left.kind !== right.kind) return left === right;
  if (left.kind === 'symbol') return left.symbol === (right as typeof left).symbol;
  if (left.kind === 'slot') return left.slot === (right as typeof left).slot;
  return left.register === (right as typeof left).register;
}

/** Slots whose address is taken rather than just loaded from or stored to. */
export function escapedSlots(v: Values): Set<number> {
  const escaped = new Set<number>();
  for (const block of v.fn.blocks) {
    for (const instruction of block?.instructions ?? []) {
      if (!('address' in instruction) || instruction.address.base?.kind !== 'slot') continue;
      if (instruction.op !== 'load' && instruction.op !== 'store') escaped.add(instruction.address.base.slot);
    }
  }
  return escaped;
}
