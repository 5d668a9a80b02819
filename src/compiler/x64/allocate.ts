import { allocatable, calleeSaved } from './conventions.ts';
import { forEachRegister, type MachineFunction, renameRegisters, widthOf } from './machine.ts';
import { firstVirtual } from './operands.ts';
import { buildRanges, covers, frequency, type LiveRange, lengthOf, overlaps, type Ranges, union } from './ranges.ts';
import { spill } from './spill.ts';

/**
 * Register allocation: live ranges with holes are scanned in order of spill weight; each takes a register that is free
 * over all of it, or goes to the stack. Ranges joined by a move are united first where they do not overlap. When
 * something was spilled its accesses become short ranges and the scan starts again.
 * On return every operand names a machine register.
 */
export function allocate(fn: MachineFunction): void {
  const unspillable = new Set<number>();
  for (;;) {
    const ranges = buildRanges(fn);
    const united = coalesce(fn, ranges, unspillable);
    applyUnion(fn, united);
    const { assignment, spilled } = assign(fn, ranges, united, unspillable);
    if (spilled.length === 0) {
      dropStaleBindings(fn, ranges);
      applyAssignment(fn, assignment);
      return;
    }
    spill(fn, spilled, unspillable);
  }
}

/** Union-find over register numbers. */
class Classes {
  readonly #parent: Int32Array;

  constructor(count: number) {
    this.#parent = new Int32Array(count);
    for (let index = 0; index < count; index++) this.#parent[index] = index;
  }

  find(register: number): number {
    let root = register;
    while (this.#parent[root] !== root) root = this.#parent[root]!;
    while (this.#parent[register] !== root) {
      const next = this.#parent[register]!;
      this.#parent[register] = root;
      register = next;
    }
    return root;
  }

  join(into: number, from: number): void {
    this.#parent[from] = into;
  }
}

interface Move {
  readonly to: number;
  readonly from: number;
  readonly weight: number;
}

/** Pairs of registers that should share a machine register: moves, and the first source of three-address sums. */
function moves(fn: MachineFunction, copiesOnly: boolean): Move[] {
  const list: Move[] = [];
  for (const block of fn.blocks) {
    const weight = frequency(block);
    for (const { mnemonic, copy, operands } of block.instructions) {
      const [to, from] = operands;
      if (to?.kind !== 'register' || from?.kind !== 'register') continue;
      if (copy) list.push({ to: to.register, from: from.register, weight });
      else if (!copiesOnly && (mnemonic === 'add3' || mnemonic === 'mov')) {
        list.push({ to: to.register, from: from.register, weight: weight / 2 });
      }
    }
  }
  return list.sort((left, right) => right.weight - left.weight);
}

/** Where a register is written, and what is copied there: -1 when it is no copy. */
interface Definition {
  readonly position: number;
  readonly source: number;
}

function definitionsOf(fn: MachineFunction, count: number): Definition[][] {
  const definitions: Definition[][] = Array.from({ length: count }, () => []);
  let position = 0;
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      const [, from] = instruction.operands;
      const source = instruction.copy && from?.kind === 'register' ? from.register : -1;
      const at = instruction.assembly ? position : position + 1;
      forEachRegister(instruction, (register, role) => {
        if (role !== 'r') definitions[register]!.push({ position: at, source });
      });
      position += 2;
    }
  }
  return definitions;
}

/**
 * Unites both sides of moves where neither side is ever written while the other is alive, except by a move from it:
 * then both hold the same value as long as they are alive together.
 */
function coalesce(fn: MachineFunction, { ranges, weights }: Ranges, unspillable: ReadonlySet<number>): Classes {
  const classes = new Classes(ranges.length);
  const definitions = definitionsOf(fn, ranges.length);
  const disturbs = (written: number, alive: number) =>
    definitions[written]!.some(
      ({ position, source }) => (source < 0 || classes.find(source) !== alive) && covers(ranges[alive]!, position),
    );
  for (const move of moves(fn, true)) {
    const to = classes.find(move.to);
    const from = classes.find(move.from);
    if (to === from || to < firstVirtual || from < firstVirtual) continue;
    if (unspillable.has(to) || unspillable.has(from)) continue;
    if (disturbs(to, from) || disturbs(from, to)) continue;
    ranges[to] = union(ranges[to]!, ranges[from]!);
    ranges[from] = { starts: [], ends: [] };
    definitions[to]!.push(...definitions[from]!);
    weights[to]! += weights[from]!;
    if (widthOf(fn, from) > widthOf(fn, to)) fn.widths[to - firstVirtual] = widthOf(fn, from);
    classes.join(to, from);
  }
  return classes;
}

/** Renames united registers. Moves between them stay, so that positions do; they are left out when encoding. */
function applyUnion(fn: MachineFunction, classes: Classes): void {
  const find = (register: number) => classes.find(register);
  for (const block of fn.blocks) for (const instruction of block.instructions) renameRegisters(instruction, find);
}

/** What is taken of one machine register: disjoint segments in ascending order. */
class Occupancy {
  readonly #starts: number[];
  readonly #ends: number[];

  constructor(fixed: LiveRange) {
    this.#starts = [...fixed.starts];
    this.#ends = [...fixed.ends];
  }

  /** The index of the first segment that ends after `position`. */
  #firstAfter(position: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ends[middle]! > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  isFree(range: LiveRange): boolean {
    let at = this.#firstAfter(range.starts[0]!);
    for (let index = 0; index < range.starts.length; index++) {
      while (at < this.#ends.length && this.#ends[at]! <= range.starts[index]!) at++;
      if (at < this.#starts.length && this.#starts[at]! < range.ends[index]!) return false;
    }
    return true;
  }

  take(range: LiveRange): void {
    for (let index = 0; index < range.starts.length; index++) {
      const at = this.#firstAfter(range.starts[index]!);
      this.#starts.splice(at, 0, range.starts[index]!);
      this.#ends.splice(at, 0, range.ends[index]!);
    }
  }
}

interface Assignment {
  /** virtual register -> machine register; -1 when it has no place */
  readonly assignment: Int32Array;
  readonly spilled: number[];
}

function assign(
  fn: MachineFunction,
  { ranges, weights }: Ranges,
  classes: Classes,
  unspillable: ReadonlySet<number>,
): Assignment {
  const assignment = new Int32Array(ranges.length).fill(-1);
  for (let register = 0; register < firstVirtual; register++) assignment[register] = register;
  const occupied = new Map(allocatable.map((register) => [register, new Occupancy(ranges[register]!)]));
  const hints = collectHints(fn, classes);
  const order: { register: number; priority: number }[] = [];
  for (let register = firstVirtual; register < ranges.length; register++) {
    const range = ranges[register]!;
    if (range.starts.length === 0) continue;
    const priority = unspillable.has(register) ? Number.POSITIVE_INFINITY : weights[register]! / (lengthOf(range) + 8);
    order.push({ register, priority });
  }
  order.sort((left, right) => right.priority - left.priority || left.register - right.register);
  const spilled: number[] = [];
  for (const { register } of order) {
    const range = ranges[register]!;
    const chosen = choose(register, range, hints, assignment, occupied, ranges);
    if (chosen === undefined) {
      if (unspillable.has(register)) throw new Error(`${fn.name}: no register for a reload`);
      spilled.push(register);
    } else {
      assignment[register] = chosen;
      occupied.get(chosen)!.take(range);
    }
  }
  return { assignment, spilled };
}

/** For each register, those it is moved to or from, best first. */
function collectHints(fn: MachineFunction, classes: Classes): Map<number, number[]> {
  const hints = new Map<number, number[]>();
  const note = (register: number, other: number) => {
    const known = hints.get(register);
    if (known) known.push(other);
    else hints.set(register, [other]);
  };
  for (const move of moves(fn, false)) {
    const to = classes.find(move.to);
    const from = classes.find(move.from);
    if (to === from) continue;
    note(to, from);
    note(from, to);
  }
  return hints;
}

/** A free register: one that saves a move, else one that no other range, still waiting and alive here, would rather have. */
function choose(
  register: number,
  range: LiveRange,
  hints: ReadonlyMap<number, readonly number[]>,
  assignment: Int32Array,
  occupied: ReadonlyMap<number, Occupancy>,
  ranges: readonly LiveRange[],
): number | undefined {
  for (const hint of hints.get(register) ?? []) {
    const wanted = assignment[hint]!;
    if (wanted >= 0 && occupied.get(wanted)?.isFree(range)) return wanted;
  }
  let first: number | undefined;
  for (const candidate of allocatable) {
    if (!occupied.get(candidate)!.isFree(range)) continue;
    if (first !== undefined && calleeSaved.includes(candidate)) return first;
    first ??= candidate;
    const rivals = hints.get(candidate) ?? [];
    if (!rivals.some((rival) => assignment[rival] === -1 && overlaps(ranges[rival]!, range))) return candidate;
  }
  return first;
}

/** A `bind` says nothing when its register no longer held the value there: the place may belong to another by then. */
function dropStaleBindings(fn: MachineFunction, { ranges }: Ranges): void {
  let position = 0;
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      const [operand] = instruction.operands;
      if (instruction.mnemonic === 'bind' && operand?.kind === 'register') {
        if (!covers(ranges[operand.register]!, position - 1)) instruction.operands = [];
      }
      position += 2;
    }
  }
}

function applyAssignment(fn: MachineFunction, assignment: Int32Array): void {
  const assigned = (register: number) => assignment[register]!;
  for (const block of fn.blocks) for (const instruction of block.instructions) renameRegisters(instruction, assigned);
}

/** The machine registers that the function's instructions write. */
export function writtenRegisters(fn: MachineFunction): Set<number> {
  const written = new Set<number>();
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) {
      for (const register of instruction.defines ?? []) written.add(register);
      forEachRegister(instruction, (register, role) => {
        if (role !== 'r') written.add(register);
      });
    }
  }
  return written;
}
