import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addressOf, array, Errno, embed, mem, u8, userPtr, virt } from '../../src/compiler/library/index.ts';
import { type AddressSpace, forkAddressSpace, releaseAddressSpace } from '../../src/kernel/memory/address-space.ts';
import { areaAt, areaCount, Protection } from '../../src/kernel/memory/area.ts';
import { frameReferences, freeFrameCount } from '../../src/kernel/memory/frames.ts';
import { directMap, USER_END } from '../../src/kernel/memory/layout.ts';
import {
  createObject,
  FileIdentity,
  findFileObject,
  identifyObject,
  type MemoryObject,
  memoryObjectCount,
  objectPage,
  releaseObject,
} from '../../src/kernel/memory/object.ts';
import { copyIn, copyOut, copyStringIn, readUser32, writeUser32 } from '../../src/kernel/memory/user-copy.ts';
import { Access, frameAt, resolvePage } from '../../src/kernel/memory/user-pages.ts';
import {
  chooseAddress,
  MapFlag,
  mapArea,
  mapMemory,
  protectMemory,
  setBreak,
  unmapMemory,
} from '../../src/kernel/process/memory.ts';
import { Advice, adviseMemory } from '../../src/kernel/process/memory-advice.ts';
import { type FakeMachine, loadFreshSpace, startMachine, unwrap } from './fake-machine.ts';

const RW = Protection.READ | Protection.WRITE;
const PRIVATE = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
const SHARED = MapFlag.SHARED | MapFlag.ANONYMOUS;

let machine: FakeMachine;
let space: AddressSpace;

const map = (length: bigint, protection: number = RW, flags: number = PRIVATE): bigint =>
  unwrap(mapMemory(space, 0n, length, protection, flags));
const poke = (address: bigint, value: number): boolean => writeUser32(userPtr(address), value).ok;
const peek = (address: bigint): number => unwrap(readUser32(userPtr(address)));

function load(other: AddressSpace): void {
  machine.space = other;
  machine.cr3 = other.root;
}

beforeAll(() => {
  machine = startMachine(4);
});
beforeEach(() => {
  space = loadFreshSpace(machine);
});

describe('mmap', () => {
  it('gives zeroed pages on first touch and none before', () => {
    const free = freeFrameCount();
    const address = map(0x3000n);
    expect(freeFrameCount()).toBe(free - 1n);
    expect(peek(address + 0x1000n)).toBe(0);
    expect(space.residentPages).toBe(1n);
    expect(poke(address + 0x1000n, 7)).toBe(true);
    expect(peek(address + 0x1000n)).toBe(7);
  });

  it('takes the highest free addresses below the stack that fit', () => {
    const top = space.mapTop;
    expect(map(0x1000n)).toBe(top - 0x1000n);
    expect(map(0x1000n)).toBe(top - 0x2000n);
    expect(unmapMemory(space, top - 0x1000n, 0x1000n).ok).toBe(true);
    expect(map(0x2000n)).toBe(top - 0x4000n);
    expect(map(0x1000n)).toBe(top - 0x1000n);
  });

  it('honours a hint that is free, rounded down, and any other address when it is taken', () => {
    expect(unwrap(mapMemory(space, 0x7000_0123n, 0x1000n, RW, PRIVATE))).toBe(0x7000_0000n);
    expect(unwrap(mapMemory(space, 0x7000_0000n, 0x1000n, RW, PRIVATE))).toBe(space.mapTop - 0x1000n);
  });

  it('makes one area of neighbours that do not differ', () => {
    map(0x1000n);
    map(0x1000n);
    expect(space.areas.count).toBe(1);
    map(0x1000n, Protection.READ);
    expect(space.areas.count).toBe(2);
  });

  it('reserves hundreds of gigabytes without memory for any of it, and refuses to promise them', () => {
    const free = freeFrameCount();
    const address = map(0x60_0000_0000n, Protection.NONE, PRIVATE | MapFlag.NORESERVE);
    expect(mapMemory(space, 0n, 0x60_0000_0000n, RW, PRIVATE)).toEqual({ ok: false, error: Errno.ENOMEM });
    expect(poke(address + 0x30_0000_0000n, 1)).toBe(false);
    expect(protectMemory(space, address + 0x30_0000_0000n, 0x1000n, RW).ok).toBe(true);
    expect(poke(address + 0x30_0000_0000n, 1)).toBe(true);
    expect(unmapMemory(space, address, 0x60_0000_0000n).ok).toBe(true);
    expect(freeFrameCount()).toBe(free);
  });

  it('refuses what Linux refuses', () => {
    const error = (address: bigint, length: bigint, protection: number, flags: number): number => {
      const result = mapMemory(space, address, length, protection, flags);
      return result.ok ? 0 : result.error;
    };
    expect(error(0n, 0n, RW, PRIVATE)).toBe(Errno.EINVAL);
    expect(error(0n, ~0n & 0xffff_ffff_ffff_ffffn, RW, PRIVATE)).toBe(Errno.ENOMEM);
    expect(error(0n, 0x1000n, RW, MapFlag.ANONYMOUS)).toBe(Errno.EINVAL);
    expect(error(0n, 0x1000n, RW, SHARED | MapFlag.GROWSDOWN)).toBe(Errno.EINVAL);
    expect(error(0n, 0x1000n, RW, PRIVATE | MapFlag.FIXED)).toBe(Errno.EPERM);
    expect(error(0n, 0x20_0000n, RW, PRIVATE | MapFlag.HUGETLB)).toBe(Errno.ENOMEM);
    expect(error(0x1234n, 0x1000n, RW, PRIVATE | MapFlag.FIXED)).toBe(Errno.EINVAL);
    expect(error(USER_END, 0x1000n, RW, PRIVATE | MapFlag.FIXED)).toBe(Errno.ENOMEM);
    expect(error(0n, 0x8000_0000_0000n, RW, PRIVATE)).toBe(Errno.ENOMEM);
    const taken = map(0x1000n);
    expect(error(taken, 0x1000n, RW, PRIVATE | MapFlag.FIXED_NOREPLACE)).toBe(Errno.EEXIST);
  });

  it('replaces with MAP_FIXED, splitting what lies around', () => {
    const address = map(0x5000n);
    expect(poke(address + 0x2000n, 5)).toBe(true);
    expect(mapMemory(space, address + 0x2000n, 0x1000n, Protection.READ, PRIVATE | MapFlag.FIXED).ok).toBe(true);
    expect(peek(address + 0x2000n)).toBe(0);
    expect(poke(address + 0x2000n, 1)).toBe(false);
    expect(space.areas.count).toBe(3);
  });
});

describe('munmap and mprotect', () => {
  it('punches a hole and leaves both sides', () => {
    const address = map(0x3000n);
    for (let page = 0n; page < 3n; page++) poke(address + page * 0x1000n, Number(page) + 1);
    const free = freeFrameCount();
    expect(unmapMemory(space, address + 0x1000n, 0x1000n).ok).toBe(true);
    expect(freeFrameCount()).toBe(free + 1n);
    expect(peek(address)).toBe(1);
    expect(peek(address + 0x2000n)).toBe(3);
    expect(readUser32(userPtr(address + 0x1000n))).toEqual({ ok: false, error: Errno.EFAULT });
  });

  it('takes writing away and gives it back without losing contents', () => {
    const address = map(0x2000n);
    poke(address, 9);
    expect(protectMemory(space, address, 0x1000n, Protection.READ).ok).toBe(true);
    expect(poke(address, 10)).toBe(false);
    expect(protectMemory(space, address, 0x1000n, Protection.NONE).ok).toBe(true);
    expect(readUser32(userPtr(address)).ok).toBe(false);
    expect(protectMemory(space, address, 0x2000n, RW).ok).toBe(true);
    expect(peek(address)).toBe(9);
    expect(poke(address, 10)).toBe(true);
  });

  it('says ENOMEM for a range with holes, EINVAL for a misaligned one', () => {
    const address = map(0x1000n);
    expect(protectMemory(space, address - 0x1000n, 0x2000n, RW)).toEqual({ ok: false, error: Errno.ENOMEM });
    expect(protectMemory(space, address, 0x2000n, Protection.READ)).toEqual({ ok: false, error: Errno.ENOMEM });
    expect(poke(address, 1)).toBe(false);
    expect(protectMemory(space, address, 0x1000n, 16)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(protectMemory(space, address + 1n, 0x1000n, RW)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(unmapMemory(space, address + 1n, 0x1000n)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(unmapMemory(space, address, 0n)).toEqual({ ok: false, error: Errno.EINVAL });
  });
});

describe('brk', () => {
  beforeEach(() => {
    space.heapStart = 0x60_0123n;
    space.heapEnd = 0x60_0123n;
  });

  it('grows, shrinks, and gives the pages back', () => {
    expect(setBreak(space, 0n)).toBe(0x60_0123n);
    expect(setBreak(space, 0x60_3000n)).toBe(0x60_3000n);
    expect(poke(0x60_2ff0n, 1)).toBe(true);
    expect(setBreak(space, 0x60_5000n)).toBe(0x60_5000n);
    expect(space.areas.count).toBe(1);
    expect(peek(0x60_2ff0n)).toBe(1);
    const free = freeFrameCount();
    expect(setBreak(space, 0x60_1000n)).toBe(0x60_1000n);
    // The page and the three tables that served nothing else.
    expect(freeFrameCount()).toBe(free + 4n);
    expect(readUser32(userPtr(0x60_2ff0n)).ok).toBe(false);
  });

  it('stays where it is when it cannot go', () => {
    expect(setBreak(space, 0x60_0000n)).toBe(0x60_0123n);
    expect(setBreak(space, 0x60_0123n + 0x2_0000_0001n)).toBe(0x60_0123n);
    mapMemory(space, 0x60_4000n, 0x1000n, RW, PRIVATE | MapFlag.FIXED);
    expect(setBreak(space, 0x60_6000n)).toBe(0x60_0123n);
  });
});

describe('shared memory', () => {
  it('has frames only for what was used, and they outlive the mapping that used them', () => {
    const free = freeFrameCount();
    const address = map(0x10_0000n, RW, SHARED);
    const copy = unwrap(forkAddressSpace(space));
    poke(address + 0x5000n, 11);
    expect(unmapMemory(space, address, 0x10_0000n).ok).toBe(true);
    load(copy);
    expect(peek(address + 0x5000n)).toBe(11);
    expect(memoryObjectCount()).toBe(1);
    load(space);
    releaseAddressSpace(copy);
    expect(memoryObjectCount()).toBe(0);
    expect(freeFrameCount()).toBe(free);
  });

  it('keeps its offsets when it is cut', () => {
    const address = map(0x4000n, RW, SHARED);
    const copy = unwrap(forkAddressSpace(space));
    expect(unmapMemory(space, address, 0x1000n).ok).toBe(true);
    expect(protectMemory(space, address + 0x2000n, 0x1000n, Protection.READ).ok).toBe(true);
    poke(address + 0x3000n, 33);
    poke(address + 0x1000n, 11);
    load(copy);
    expect([peek(address + 0x1000n), peek(address + 0x3000n)]).toEqual([11, 33]);
    load(space);
    releaseAddressSpace(copy);
  });
});

describe('a private mapping of an object that others map too', () => {
  /** An object of one and a half pages more than a stretch, whose pages hold their numbers. */
  const size = 0x1_1800n;
  function objectOfNumbers(): MemoryObject {
    const object = unwrap(createObject(size));
    for (let offset = 0n; offset < size; offset += 0x1000n)
      mem.store32(directMap(unwrap(objectPage(object, offset))), Number(offset >> 12n) + 100);
    return object;
  }
  const mapObject = (object: MemoryObject, offset: bigint, length: bigint, protection: number = RW): bigint => {
    const start = unwrap(chooseAddress(space, 0x7000_0000n, length, 0));
    return unwrap(mapArea(space, start, length, protection, MapFlag.PRIVATE, object, offset));
  };

  it('shows the object until it writes, and then keeps its own', () => {
    const object = objectOfNumbers();
    const first = mapObject(object, 0n, 0x1_2000n);
    const second = mapObject(object, 0x1000n, 0x2000n);
    expect([peek(first), peek(first + 0x1000n), peek(second)]).toEqual([100, 101, 101]);
    poke(first + 0x1000n, 7);
    expect([peek(first + 0x1000n), peek(second)]).toEqual([7, 101]);
    poke(second, 8);
    expect([peek(first + 0x1000n), peek(second)]).toEqual([7, 8]);
    expect(adviseMemory(space, first, 0x1_2000n, Advice.DONTNEED).ok).toBe(true);
    expect(peek(first + 0x1000n)).toBe(101);
    releaseObject(object);
  });

  it('brings in the neighbours of a page that is read, and only one page to be written', () => {
    const object = objectOfNumbers();
    const address = mapObject(object, 0n, 0x1_2000n);
    peek(address + 0x1_0000n);
    expect(space.residentPages).toBe(2n);
    peek(address + 0xf000n);
    expect(space.residentPages).toBe(18n);
    adviseMemory(space, address, 0x1_2000n, Advice.DONTNEED);
    poke(address, 1);
    expect(space.residentPages).toBe(1n);
    releaseObject(object);
  });

  it('says EIO past the page that holds the last byte, zeros within it', () => {
    const object = objectOfNumbers();
    const address = mapObject(object, 0x1_0000n, 0x4000n);
    expect([peek(address), peek(address + 0x1ffcn)]).toEqual([116, 0]);
    expect(resolvePage(space, address + 0x2000n, Access.READ)).toEqual({ ok: false, error: Errno.EIO });
    expect(readUser32(userPtr(address + 0x2000n))).toEqual({ ok: false, error: Errno.EFAULT });
    releaseObject(object);
  });

  it('is copied on write after fork like any other memory', () => {
    const object = objectOfNumbers();
    const address = mapObject(object, 0n, 0x2000n);
    poke(address, 1);
    const copy = unwrap(forkAddressSpace(space));
    poke(address, 2);
    poke(address + 0x1000n, 3);
    load(copy);
    expect([peek(address), peek(address + 0x1000n)]).toEqual([1, 101]);
    load(space);
    releaseAddressSpace(copy);
    releaseObject(object);
  });

  it('is found again by the identity of its file while somebody maps it', () => {
    const object = objectOfNumbers();
    const identity = embed(FileIdentity);
    identity.server = 5n;
    identity.inode = 7n;
    identifyObject(object, identity);
    expect(findFileObject(identity)).toBe(object);
    identity.modifiedNanoseconds = 1n;
    expect(findFileObject(identity)).toBeNull();
    identity.modifiedNanoseconds = 0n;
    releaseObject(object);
    releaseObject(object);
    expect(findFileObject(identity)).toBeNull();
  });
});

describe('the stack', () => {
  it('grows to a fault below it, within its limit, and not too close to what lies below', () => {
    const address = unwrap(mapMemory(space, 0x7000_0000_0000n, 0x1000n, RW, PRIVATE | MapFlag.GROWSDOWN));
    expect(peek(address - 0x3004n)).toBe(0);
    expect(areaAt(space.areas, address)?.start).toBe(address - 0x4000n);
    expect(readUser32(userPtr(address + 0x1000n - 0x80_0000n - 4n)).ok).toBe(false);
    expect(poke(address + 0x1000n - 0x80_0000n, 1)).toBe(true);
    const other = unwrap(mapMemory(space, 0x7100_0000_0000n, 0x1000n, RW, PRIVATE | MapFlag.GROWSDOWN));
    mapMemory(space, other - 0x20_0000n, 0x1000n, RW, PRIVATE);
    expect(poke(other - 0x10_1000n, 1)).toBe(false);
    expect(poke(other - 0x10_0000n + 0x1000n, 1)).toBe(true);
  });
});

describe('copy on write', () => {
  it('keeps one frame until somebody writes, then two', () => {
    const address = map(0x1000n);
    poke(address, 1);
    const copy = unwrap(forkAddressSpace(space));
    const frame = frameAt(space, address);
    expect(frameAt(copy, address)).toBe(frame);
    expect(frameReferences(frame)).toBe(2);
    expect(poke(address, 2)).toBe(true);
    expect(frameAt(space, address)).not.toBe(frame);
    expect(frameReferences(frame)).toBe(1);
    load(copy);
    expect(peek(address)).toBe(1);
    expect(poke(address, 3)).toBe(true);
    expect(frameAt(copy, address)).toBe(frame);
    load(space);
    expect(peek(address)).toBe(2);
  });

  it('shares what was mapped shared', () => {
    const address = map(0x1000n, RW, SHARED);
    const copy = unwrap(forkAddressSpace(space));
    poke(address, 4);
    load(copy);
    expect(peek(address)).toBe(4);
    poke(address, 5);
    load(space);
    expect(peek(address)).toBe(5);
  });

  it('does not let mprotect make a shared frame writable', () => {
    const address = map(0x1000n);
    poke(address, 1);
    const copy = unwrap(forkAddressSpace(space));
    protectMemory(space, address, 0x1000n, Protection.READ);
    protectMemory(space, address, 0x1000n, RW);
    poke(address, 2);
    load(copy);
    expect(peek(address)).toBe(1);
  });

  it('frees every frame and area when both spaces go', () => {
    const base = machine.cr3;
    const free = freeFrameCount();
    const areas = areaCount();
    const second = loadFreshSpace(machine);
    space = second;
    const address = map(0x8000n);
    for (let page = 0n; page < 8n; page++) poke(address + page * 0x1000n, 1);
    const copy = unwrap(forkAddressSpace(second));
    poke(address, 2);
    machine.cr3 = base;
    releaseAddressSpace(copy);
    releaseAddressSpace(second);
    expect(areaCount()).toBe(areas);
    expect(freeFrameCount()).toBe(free);
  });

  it('loses nothing when a copy runs out of memory at any point', () => {
    const address = map(0x4000n);
    for (let page = 0n; page < 4n; page++) poke(address + page * 0x1000n, Number(page));
    const needed = measureFork();
    for (let allowed = 0; allowed < needed; allowed++) {
      const free = freeFrameCount();
      const areas = areaCount();
      const restore = leaveFrames(BigInt(allowed));
      expect(forkAddressSpace(space)).toEqual({ ok: false, error: Errno.ENOMEM });
      restore();
      expect(freeFrameCount()).toBe(free);
      expect(areaCount()).toBe(areas);
    }
    expect(peek(address + 0x3000n)).toBe(3);
  });
});

function measureFork(): number {
  const before = freeFrameCount();
  const copy = unwrap(forkAddressSpace(space));
  const used = before - freeFrameCount();
  releaseAddressSpace(copy);
  return Number(used);
}

/** Takes all free frames but `count` out of reach; the returned function gives them back. */
function leaveFrames(count: bigint): () => void {
  const taken: bigint[] = [];
  while (freeFrameCount() > count) taken.push(unwrap(allocateFrame()));
  return () => {
    for (const frame of taken) releaseFrame(frame as never);
  };
}

import { allocateFrame, releaseFrame } from '../../src/kernel/memory/frames.ts';

describe('copies to and from user memory', () => {
  const buffer = array(u8, 64);

  it('answers EFAULT for kernel addresses, wrapping ranges and holes', () => {
    const fault = { ok: false, error: Errno.EFAULT };
    expect(copyIn(addressOf(buffer), userPtr(0xffff_8000_0000_0000n), 8n)).toEqual(fault);
    expect(copyIn(addressOf(buffer), userPtr(0xffff_ffff_ffff_fffcn), 8n)).toEqual(fault);
    expect(copyIn(addressOf(buffer), userPtr(USER_END - 4n), 8n)).toEqual(fault);
    expect(copyOut(userPtr(0x1000n), addressOf(buffer), 8n)).toEqual(fault);
    const readOnly = map(0x1000n, Protection.READ);
    expect(copyOut(userPtr(readOnly), addressOf(buffer), 8n)).toEqual(fault);
    expect(copyIn(addressOf(buffer), userPtr(readOnly), 8n).ok).toBe(true);
  });

  it('reads strings up to their end, across pages', () => {
    const address = map(0x2000n) + 0xffdn;
    for (const [index, byte] of [...'kernel\0'].entries()) {
      mem.store8(virt(address + BigInt(index)), byte.charCodeAt(0));
    }
    expect(copyStringIn(addressOf(buffer), userPtr(address), 64n)).toEqual({ ok: true, value: 6n });
    expect(String.fromCharCode(...[...buffer].slice(0, 6))).toBe('kernel');
    expect(copyStringIn(addressOf(buffer), userPtr(address), 3n)).toEqual({ ok: false, error: Errno.ENAMETOOLONG });
  });
});

describe('areas', () => {
  it('are found at their first and last byte only', () => {
    const address = map(0x1000n);
    expect(areaAt(space.areas, address - 1n)).toBe(null);
    expect(areaAt(space.areas, address)?.start).toBe(address);
    expect(areaAt(space.areas, address + 0xfffn)?.start).toBe(address);
    expect(areaAt(space.areas, address + 0x1000n)).toBe(null);
  });
});
