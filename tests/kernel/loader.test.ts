import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Errno, mem, virt } from '../../src/compiler/library/index.ts';
import {
  findFile,
  foundFile,
  isFoundExecutable,
  isFoundRegular,
  setInitramfs,
} from '../../src/kernel/initramfs/cpio.ts';
import { type AddressSpace, getKernelRoot, releaseAddressSpace } from '../../src/kernel/memory/address-space.ts';
import { areaAt } from '../../src/kernel/memory/area.ts';
import { freeFrameCount } from '../../src/kernel/memory/frames.ts';
import { directMap, lesser, USER_END } from '../../src/kernel/memory/layout.ts';
import { createObject, memoryObjectCount, objectPage, releaseObject } from '../../src/kernel/memory/object.ts';
import { checkProgram, LoadedProgram, loadProgram } from '../../src/kernel/process/loader.ts';
import { ProgramSource } from '../../src/kernel/process/program-source.ts';
import { archive } from '../system/images.ts';
import { type ProgramShape, program } from './elf-program.ts';
import { type FakeMachine, loadFreshSpace, startMachine, unwrap } from './fake-machine.ts';

const AT = 0xffff_9100_0000_0000n;
const PATH_AT = 0xffff_9200_0000_0000n;

function place(address: bigint, data: Uint8Array): void {
  for (const [index, byte] of data.entries()) mem.store8(virt(address + BigInt(index)), byte as never);
}

let machine: FakeMachine;
let space: AddressSpace;

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  space = loadFreshSpace(machine);
});

const ENOEXEC = { ok: false, error: Errno.ENOEXEC };

const good: ProgramShape = {
  entry: 0x40_1010n,
  segments: [
    { address: 0x40_1000n, bytes: Buffer.from('text segment, long enough for its entry') },
    { address: 0x40_3008n, bytes: Buffer.from('data'), memorySize: 0x3000n, flags: 6 },
  ],
};

function check(image: Uint8Array): unknown {
  place(AT, image);
  return checkProgram(virt(AT), BigInt(image.length) as never, BigInt(image.length) as never);
}

/** Loads the image at `AT`. */
function load(into: AddressSpace, image: Uint8Array, loaded: LoadedProgram): { ok: boolean } {
  const source = new ProgramSource();
  source.data = virt(AT);
  source.size = BigInt(image.length) as never;
  source.loaded = source.size;
  return loadProgram(into, source, loaded);
}

/** Loads an image as a file that has been mapped. */
function loadMapped(into: AddressSpace, image: Uint8Array, loaded: LoadedProgram): { ok: boolean } {
  const object = unwrap(createObject(BigInt(image.length) as never));
  for (let offset = 0; offset < image.length; offset += 4096)
    place(directMap(unwrap(objectPage(object, BigInt(offset) as never))), image.subarray(offset, offset + 4096));
  const source = new ProgramSource();
  source.object = object;
  source.data = directMap(unwrap(objectPage(object, 0n as never)));
  source.size = object.size;
  source.loaded = lesser(object.size, 4096n as never);
  const result = loadProgram(into, source, loaded);
  releaseObject(object);
  return result;
}

describe('an ELF program', () => {
  it('is the same mapped from its file as copied, and gives its file back', () => {
    const before = [freeFrameCount(), memoryObjectCount()];
    const image = program({
      ...good,
      segments: [
        ...good.segments,
        { address: 0x40_8ff0n, bytes: Buffer.alloc(0x10, 7), memorySize: 0x5000n, flags: 6 },
      ],
    });
    const contents: unknown[] = [];
    for (const loadIt of [load, loadMapped]) {
      const root = machine.cr3;
      const target = loadFreshSpace(machine);
      place(AT, image);
      const loaded = new LoadedProgram();
      expect(loadIt(target, image, loaded).ok).toBe(true);
      const words: bigint[] = [];
      for (let at = 0x40_8ff0n; at < 0x40_e000n; at += 0x200n) words.push(mem.load64(virt(at)));
      words.push(mem.load64(virt(0x40_1000n)), mem.load64(virt(0x40_3008n)), mem.load64(virt(0x40_a00cn)));
      contents.push([loaded.entry, loaded.end, target.heapStart, words]);
      machine.cr3 = root;
      releaseAddressSpace(target);
    }
    expect(contents[1]).toEqual(contents[0]);
    expect([freeFrameCount(), memoryObjectCount()]).toEqual(before);
  });

  it('is mapped segment by segment, zeroed behind its file', () => {
    const image = program(good);
    expect(check(image)).toEqual({ ok: true, value: undefined });
    const loaded = new LoadedProgram();
    expect(load(space, image, loaded).ok).toBe(true);
    expect([loaded.entry, loaded.end, loaded.headerCount]).toEqual([0x40_1010n, 0x40_7000n, 2n]);
    expect([areaAt(space.areas, 0x40_1000n)?.protection, areaAt(space.areas, 0x40_3000n)?.protection]).toEqual([5, 3]);
    expect([space.heapStart, space.heapEnd]).toEqual([0x40_7000n, 0x40_7000n]);
    expect(mem.load32(virt(0x40_3008n))).toBe(Buffer.from('data').readUInt32LE());
    expect(mem.load64(virt(0x40_300cn))).toBe(0n);
    expect(mem.load8(virt(0x40_6007n))).toBe(0);
  });

  it('is refused whole when anything in it is wrong', () => {
    const text = good.segments[0]!;
    const shapes: Record<string, ProgramShape> = {
      'no segment': { ...good, segments: [] },
      'entry outside the code': { ...good, entry: 0x40_3008n },
      'an interpreter': { ...good, segments: [...good.segments, { ...text, address: 0x50_0000n, type: 3 }] },
      'kernel addresses': { entry: 0xffff_8000_0000_0000n, segments: [{ ...text, address: 0xffff_8000_0000_0000n }] },
      'the null page': { entry: 0n, segments: [{ ...text, address: 0n }] },
      'wrapping size': { ...good, segments: [{ ...text, memorySize: 0xffff_ffff_ffff_f000n }] },
      'file larger than memory': { ...good, segments: [{ ...text, memorySize: 4n }] },
      'overlapping segments': { ...good, segments: [text, { ...text, address: 0x40_1800n }] },
    };
    for (const [name, shape] of Object.entries(shapes)) expect([name, check(program(shape))]).toEqual([name, ENOEXEC]);
    for (const offset of [0, 4, 5, 16, 18, 54]) {
      const damaged = Buffer.from(program(good));
      damaged[offset] = 0x77;
      expect([offset, check(damaged)]).toEqual([offset, ENOEXEC]);
    }
  });

  it('is refused at every length that cuts into what it needs', () => {
    const image = program(good);
    const end = 0x2000 + 8 + 4;
    for (let length = 0; length < image.length; length += 37) {
      const whole = length >= end;
      expect([length, check(image.subarray(0, length))]).toEqual([
        length,
        whole ? { ok: true, value: undefined } : ENOEXEC,
      ]);
    }
  });

  it('never reads or maps anything wild, whatever its bytes are', () => {
    let seed = 1;
    const random = (): number => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed / 2 ** 32;
    };
    const kernelRoot = getKernelRoot();
    let loadedCount = 0;
    for (let round = 0; round < 300; round++) {
      const image = Buffer.from(program(good));
      for (let change = 0; change < 3; change++) image[Math.floor(random() * 176)] = Math.floor(random() * 256);
      place(AT, image);
      if (!checkProgram(virt(AT), BigInt(image.length) as never, BigInt(image.length) as never).ok) continue;
      const target = loadFreshSpace(machine);
      expect((round % 2 === 0 ? load : loadMapped)(target, image, new LoadedProgram()).ok).toBe(true);
      for (let area = target.areas.first; area !== null; area = area.next) {
        expect(area.start >= 0x1_0000n && area.start < area.end && area.end <= USER_END).toBe(true);
        expect(area.next === null || area.end <= area.next.start).toBe(true);
      }
      machine.cr3 = kernelRoot;
      releaseAddressSpace(target);
      loadedCount++;
    }
    expect(loadedCount).toBeGreaterThan(20);
  });
});

describe('the initramfs', () => {
  const files = archive({ 'bin/one': Buffer.from('first'), 'etc/deep/two': Buffer.from('') });
  const find = (path: string): unknown => {
    place(PATH_AT, Buffer.from(path));
    return findFile(virt(PATH_AT), BigInt(path.length) as never);
  };
  beforeEach(() => {
    place(AT, files);
    setInitramfs(virt(AT), BigInt(files.length) as never);
  });

  it('finds files by paths with or without leading slashes and dots', () => {
    for (const path of ['bin/one', '/bin/one', './bin/one', '//./bin/one']) {
      expect([path, find(path)]).toEqual([path, { ok: true, value: undefined }]);
      expect([foundFile.size, isFoundRegular(), isFoundExecutable()]).toEqual([5n, true, true]);
      expect(mem.load8(foundFile.data)).toBe('f'.charCodeAt(0));
    }
    expect(find('/etc/deep/two')).toEqual({ ok: true, value: undefined });
    expect(foundFile.size).toBe(0n);
  });

  it('says ENOENT for what is not there, and that a directory is none of its files', () => {
    for (const path of ['bin/on', 'bin/one1', 'TRAILER!!!', 'one'])
      expect(find(path)).toEqual({ ok: false, error: Errno.ENOENT });
    expect(find('/bin')).toEqual({ ok: true, value: undefined });
    expect(isFoundRegular()).toBe(false);
  });

  it('is never read beyond its end, wherever it is cut', () => {
    for (let length = 0; length < files.length; length += 13) {
      place(AT, Buffer.alloc(files.length, 0x30));
      place(AT, files.subarray(0, length));
      setInitramfs(virt(AT), BigInt(length) as never);
      const found = find('etc/none') as { ok: boolean; error?: number };
      expect([length, found.ok, [Errno.ENOENT, Errno.EINVAL].includes(found.error as never)]).toEqual([
        length,
        false,
        true,
      ]);
    }
  });
});
