import { beforeEach, describe, expect, it } from 'vitest';
import { Errno, mem, phys, virt } from '../../src/compiler/library/index.ts';
import {
  bootModuleSize,
  bootModuleStart,
  Protocol,
  readBootInformation,
} from '../../src/kernel/boot/boot-information.ts';
import { initWord, initWordCount, MOST_INIT_WORDS, setCommandLine } from '../../src/kernel/boot/command-line.ts';
import { openFrames, resetFrames, totalFrameCount, usableMemoryEnd } from '../../src/kernel/memory/frames.ts';
import { DIRECT_MAP_BASE } from '../../src/kernel/memory/layout.ts';
import { startMachine } from './fake-machine.ts';

const INFO = 0x9000;
const MIB = 2 ** 20;

function place(at: number, data: Uint8Array): void {
  for (const [index, byte] of data.entries()) mem.store8(virt(DIRECT_MAP_BASE + BigInt(at + index)), byte as never);
}

function structure(bytes: number, fields: Readonly<Record<number, number | bigint>>): Buffer {
  const data = Buffer.alloc(bytes);
  for (const [offset, value] of Object.entries(fields)) {
    if (typeof value === 'bigint') data.writeBigUInt64LE(value, Number(offset));
    else data.writeUInt32LE(value, Number(offset));
  }
  return data;
}

const read = (protocol: number) => readBootInformation(protocol as never, phys(BigInt(INFO)));

/** The words that follow `init=`. */
function words(): string[] {
  return Array.from({ length: initWordCount() }, (_, index) => {
    let text = '';
    for (let at = initWord(index as never) as bigint; mem.load8(virt(at)) !== 0; at++) {
      text += String.fromCharCode(mem.load8(virt(at)));
    }
    return text;
  });
}

beforeEach(() => {
  startMachine(4);
  resetFrames();
});

/** 16 MiB with a hole from 4 to 8 MiB, and an initramfs of 5,000 bytes at 10 MiB. */
const layouts = {
  PVH: () => {
    place(INFO, structure(56, { 0: 0x336e_c578, 4: 1, 12: 1, 16: 0x9100n, 24: 0x9200n, 40: 0x9300n, 48: 3 }));
    place(0x9100, structure(32, { 0: BigInt(10 * MIB), 8: 5000n }));
    place(0x9200, Buffer.from('init=/bin/x a\0'));
    place(0x9300, structure(24, { 0: 0n, 8: BigInt(4 * MIB), 16: 1 }));
    place(0x9318, structure(24, { 0: BigInt(4 * MIB), 8: BigInt(4 * MIB), 16: 2 }));
    place(0x9330, structure(24, { 0: BigInt(8 * MIB), 8: BigInt(8 * MIB), 16: 1 }));
  },
  MULTIBOOT: () => {
    place(INFO, structure(52, { 0: 0x4d, 16: 0x9200, 20: 1, 24: 0x9100, 44: 72, 48: 0x9300 }));
    place(0x9100, structure(16, { 0: 10 * MIB, 4: 10 * MIB + 5000 }));
    place(0x9200, Buffer.from('kernel init=/bin/x a\0'));
    place(0x9300, structure(24, { 0: 20, 4: 0n, 12: BigInt(4 * MIB), 20: 1 }));
    place(0x9318, structure(24, { 0: 20, 4: BigInt(4 * MIB), 12: BigInt(4 * MIB), 20: 2 }));
    place(0x9330, structure(24, { 0: 20, 4: BigInt(8 * MIB), 12: BigInt(8 * MIB), 20: 1 }));
  },
};

describe.each(['PVH', 'MULTIBOOT'] as const)('what a %s loader leaves', (name) => {
  beforeEach(() => layouts[name]());

  it('gives memory, command line and module', () => {
    expect(read(Protocol[name]).ok).toBe(true);
    expect([bootModuleStart(), bootModuleSize()]).toEqual([BigInt(10 * MIB), 5000n]);
    expect(words()).toEqual(['/bin/x', 'a']);
    expect(usableMemoryEnd()).toBe(BigInt(16 * MIB));
  });

  it('leaves the module, the hole and the first MiB out of the frames', () => {
    read(Protocol[name]);
    openFrames();
    const table = Math.ceil((16 * MIB * 8) / 4096 / 4096);
    expect(Number(totalFrameCount())).toBe((3 * MIB + 8 * MIB) / 4096 - 2 - table);
  });
});

describe('a loader structure that is not one', () => {
  it('is EINVAL', () => {
    place(INFO, Buffer.alloc(64));
    expect(read(Protocol.PVH)).toEqual({ ok: false, error: Errno.EINVAL });
    expect(read(Protocol.MULTIBOOT)).toEqual({ ok: false, error: Errno.EINVAL });
  });
});

describe('the command line', () => {
  const given = (line: string): string[] => {
    place(0x9200, Buffer.from(`${line}\0`));
    setCommandLine(virt(DIRECT_MAP_BASE + 0x9200n));
    return words();
  };
  const cases: Record<string, string[]> = {
    '': [],
    quiet: [],
    'init=/a': ['/a'],
    '  kernel  init=/a  b   c ': ['/a', 'b', 'c'],
    'noinit=/a': [],
    'x=init=/a': [],
    'init=': [],
    'init=/a init=/b': ['/a', 'init=/b'],
  };
  for (const [line, expected] of Object.entries(cases)) {
    it(`"${line}" has the words ${JSON.stringify(expected)}`, () => expect(given(line)).toEqual(expected));
  }

  it('is cut at 1,023 bytes and at 32 words', () => {
    expect(given(`init=/${'a'.repeat(2000)}`)[0]).toHaveLength(1023 - 5);
    expect(given(`init=/a${' b'.repeat(50)}`)).toHaveLength(MOST_INIT_WORDS);
  });
});
