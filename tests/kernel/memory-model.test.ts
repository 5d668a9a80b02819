import { beforeAll, describe, expect, it } from 'vitest';
import { Errno, userPtr } from '../../src/compiler/library/index.ts';
import {
  type AddressSpace,
  createAddressSpace,
  forkAddressSpace,
  releaseAddressSpace,
} from '../../src/kernel/memory/address-space.ts';
import { type Area, areaAt, areaCount, Protection } from '../../src/kernel/memory/area.ts';
import { freeFrameCount } from '../../src/kernel/memory/frames.ts';
import { memoryObjectCount } from '../../src/kernel/memory/object.ts';
import { readEntry } from '../../src/kernel/memory/page-table.ts';
import { readUser32, writeUser32 } from '../../src/kernel/memory/user-copy.ts';
import { MapFlag, mapMemory, protectMemory, unmapMemory } from '../../src/kernel/process/memory.ts';
import { Advice, adviseMemory } from '../../src/kernel/process/memory-advice.ts';
import { RemapFlag, remapMemory } from '../../src/kernel/process/remap.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';

const BASE = 0x5000_0000n;
const PAGES = 24;
const PAGE = 0x1000n;

/** Where shared pages live: what several mappings show. */
interface Shared {
  readonly words: number[];
}
interface ModelPage {
  protection: number;
  /** A private page's word, or a shared one's place. */
  word: number;
  readonly shared: Shared | null;
  readonly index: number;
}

/** What memory calls do, page by page. */
class Model {
  readonly pages: (ModelPage | null)[] = new Array(PAGES).fill(null);

  read(page: number): number {
    const found = this.pages[page]!;
    return found.shared === null ? found.word : found.shared.words[found.index]!;
  }

  write(page: number, value: number): void {
    const found = this.pages[page]!;
    if (found.shared === null) found.word = value;
    else found.shared.words[found.index] = value;
  }

  map(start: number, count: number, protection: number, isShared: boolean): void {
    const shared = isShared ? { words: new Array<number>(count).fill(0) } : null;
    for (let page = 0; page < count; page++) this.pages[start + page] = { protection, word: 0, shared, index: page };
  }

  unmap(start: number, count: number): void {
    this.pages.fill(null, start, start + count);
  }

  /** Changes pages up to the first hole; true when there is none. */
  protect(start: number, count: number, protection: number): boolean {
    for (let page = start; page < start + count; page++) {
      const found = this.pages[page];
      if (found === null || found === undefined) return false;
      found.protection = protection;
    }
    return true;
  }

  /** True when two neighbouring pages belong to one area. */
  belongTogether(page: number): boolean {
    const lower = this.pages[page];
    const upper = this.pages[page + 1];
    if (lower === null || upper === null || lower === undefined || upper === undefined) return false;
    return (
      lower.protection === upper.protection &&
      lower.shared === upper.shared &&
      (lower.shared === null || lower.index + 1 === upper.index)
    );
  }

  isOneArea(start: number, count: number): boolean {
    if (this.pages[start] === null) return false;
    for (let page = start; page < start + count - 1; page++) if (!this.belongTogether(page)) return false;
    return true;
  }

  /** Moves pages; those added behind are new. What a shared mapping would show past its object is left out of the model. */
  move(start: number, target: number, count: number, newCount: number): void {
    const moved = this.pages.slice(start, start + Math.min(count, newCount));
    const last = moved.at(-1)!;
    this.unmap(start, count);
    this.unmap(target, newCount);
    for (let page = 0; page < newCount; page++) {
      this.pages[target + page] = moved[page] ?? { protection: last.protection, word: 0, shared: null, index: 0 };
    }
  }

  fork(): Model {
    const copy = new Model();
    for (const [page, found] of this.pages.entries()) copy.pages[page] = found === null ? null : { ...found };
    return copy;
  }
}

function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

let machine: FakeMachine;

const at = (page: number): bigint => BASE + BigInt(page) * PAGE;
const bytes = (count: number): bigint => BigInt(count) * PAGE;
const protections = [
  Protection.NONE,
  Protection.READ,
  Protection.READ | Protection.WRITE,
  Protection.READ | Protection.WRITE,
];

function load(space: AddressSpace): void {
  machine.space = space;
  machine.cr3 = space.root;
}

/** The areas are what the model says, as few as possible, and linked both ways. */
function compareAreas(space: AddressSpace, model: Model): void {
  const expected: string[] = [];
  for (let page = 0; page < PAGES; page++) {
    const found = model.pages[page];
    if (found === null || found === undefined) continue;
    if (page > 0 && model.belongTogether(page - 1)) continue;
    let end = page + 1;
    while (model.belongTogether(end - 1)) end++;
    expected.push(`${page}-${end} ${found.protection} ${found.shared === null ? 'private' : 'shared'}`);
  }
  const actual: string[] = [];
  let previous: Area | null = null;
  for (let area = space.areas.first; area !== null; area = area.next) {
    expect(area.previous).toBe(previous);
    previous = area;
    const kind = area.object === null ? 'private' : 'shared';
    actual.push(`${Number((area.start - BASE) / PAGE)}-${Number((area.end - BASE) / PAGE)} ${area.protection} ${kind}`);
  }
  expect(space.areas.last).toBe(previous);
  expect(space.areas.count).toBe(actual.length);
  expect(actual).toEqual(expected);
}

function comparePages(space: AddressSpace, model: Model): void {
  let resident = 0n;
  for (let page = 0; page < PAGES; page++) {
    const found = model.pages[page];
    const read = readUser32(userPtr(at(page)));
    const isReadable = found !== null && found !== undefined && found.protection !== Protection.NONE;
    expect(`${page} ${read.ok ? read.value : 'fault'}`).toBe(`${page} ${isReadable ? model.read(page) : 'fault'}`);
    if (readEntry(space.root, at(page)) !== 0n) resident++;
  }
  expect(space.residentPages).toBe(resident);
}

function step(space: AddressSpace, model: Model, random: (limit: number) => number): void {
  const start = random(PAGES);
  const count = 1 + random(Math.min(8, PAGES - start));
  const protection = protections[random(protections.length)]!;
  switch (random(8)) {
    case 0:
    case 1: {
      const isShared = random(3) === 0;
      const flags = MapFlag.ANONYMOUS | MapFlag.FIXED | (isShared ? MapFlag.SHARED : MapFlag.PRIVATE);
      expect(mapMemory(space, at(start), bytes(count), protection, flags)).toEqual({ ok: true, value: at(start) });
      model.map(start, count, protection, isShared);
      return;
    }
    case 2:
      expect(unmapMemory(space, at(start), bytes(count)).ok).toBe(true);
      model.unmap(start, count);
      return;
    case 3: {
      const changed = protectMemory(space, at(start), bytes(count), protection);
      expect(changed.ok ? 0 : changed.error).toBe(model.protect(start, count, protection) ? 0 : Errno.ENOMEM);
      return;
    }
    case 4:
      remap(space, model, random, start, count);
      return;
    case 5: {
      const isMapped = model.pages.slice(start, start + count).every((page) => page !== null);
      const advised = adviseMemory(space, at(start), bytes(count), Advice.DONTNEED);
      expect(advised.ok ? 0 : advised.error).toBe(isMapped ? 0 : Errno.ENOMEM);
      for (const page of model.pages.slice(start, start + count)) if (page !== null) page.word = 0;
      return;
    }
    default: {
      const found = model.pages[start] ?? null;
      const value = random(1000);
      const isWritable = found !== null && (found.protection & Protection.WRITE) !== 0;
      expect(writeUser32(userPtr(at(start)), value).ok).toBe(isWritable);
      if (isWritable) model.write(start, value);
    }
  }
}

function remap(
  space: AddressSpace,
  model: Model,
  random: (limit: number) => number,
  start: number,
  count: number,
): void {
  const target = random(PAGES);
  const wanted = 1 + random(Math.min(8, PAGES - target));
  // Growing shared memory would need pages past the end of its object, which the model has not.
  const newCount = model.pages[start]?.shared == null ? wanted : Math.min(wanted, count);
  const moved = remapMemory(
    space,
    at(start),
    bytes(count),
    bytes(newCount),
    RemapFlag.MAYMOVE | RemapFlag.FIXED,
    at(target),
  );
  const error = moved.ok ? 0 : moved.error;
  if (model.pages[start] === null) {
    expect(error).toBe(Errno.EFAULT);
    return;
  }
  if (start + count > target && target + newCount > start) {
    expect(error).toBe(Errno.EINVAL);
    return;
  }
  // As on Linux, the target and what is to be cut off are gone even when the rest turns out not to be one area.
  model.unmap(target, newCount);
  if (count > newCount) model.unmap(start + newCount, count - newCount);
  const kept = Math.min(count, newCount);
  const isOne = model.isOneArea(start, kept);
  expect(error).toBe(isOne ? 0 : Errno.EFAULT);
  if (isOne) model.move(start, target, kept, newCount);
}

describe('random memory calls', () => {
  beforeAll(() => {
    machine = startMachine(4);
  });

  it.each(Array.from({ length: 8 }, (_, index) => index + 1))('do what a page-by-page model does, seed %i', (seed) => {
    const random = generator(seed * 7919);
    const kernelRoot = machine.cr3;
    const before = [freeFrameCount(), areaCount(), memoryObjectCount()];
    const space = unwrap(createAddressSpace());
    const model = new Model();
    load(space);
    for (let round = 0; round < 60; round++) {
      for (let calls = 0; calls < 5; calls++) {
        step(space, model, random);
        compareAreas(space, model);
      }
      comparePages(space, model);
      if (round % 10 !== 9) continue;
      const copy = unwrap(forkAddressSpace(space));
      const copyModel = model.fork();
      load(copy);
      for (let calls = 0; calls < 10; calls++) step(copy, copyModel, random);
      comparePages(copy, copyModel);
      load(space);
      comparePages(space, model);
      releaseAddressSpace(copy);
      comparePages(space, model);
    }
    expect(areaAt(space.areas, BASE - PAGE)).toBeNull();
    machine.cr3 = kernelRoot;
    releaseAddressSpace(space);
    expect([freeFrameCount(), areaCount(), memoryObjectCount()]).toEqual(before);
  });
});
