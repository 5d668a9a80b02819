import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mem, userPtr, virt } from '../../src/compiler/library/index.ts';
import { freeFrameCount } from '../../src/kernel/memory/frames.ts';
import { idleKernelStackCount } from '../../src/kernel/memory/kernel-stacks.ts';
import { ObjectCache } from '../../src/kernel/memory/slab.ts';
import { writeUser32 } from '../../src/kernel/memory/user-copy.ts';
import { processCount } from '../../src/kernel/process/table.ts';
import { findThread, type Thread, threadCount } from '../../src/kernel/process/thread.ts';
import { frameBelow, TrapFrame } from '../../src/kernel/processor/trap-frame.ts';
import { SystemCall } from '../../src/kernel/syscall/numbers.ts';
import { program } from './elf-program.ts';
import { type FakeMachine, startMachine } from './fake-machine.ts';
import { type Running, startProcess, switchTo, ThreadEnded, whileAway } from './fake-switch.ts';
import { filesAnswer, PlayedServer } from './played-server.ts';
import { systemCall } from './system-call.ts';

/** Which allocation from now on fails: 1 the next one, 0 none. */
const failure = vi.hoisted(() => ({ in: 0, hasHappened: false }));

function isToFail(): boolean {
  if (failure.in === 0) return false;
  failure.in--;
  if (failure.in > 0) return false;
  failure.hasHappened = true;
  return true;
}

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);
vi.mock('../../src/kernel/memory/frames.ts', async (original) => {
  const actual = await original<typeof import('../../src/kernel/memory/frames.ts')>();
  const noMemory = { ok: false, error: 12 } as const;
  return {
    ...actual,
    allocateFrame: () => (isToFail() ? noMemory : actual.allocateFrame()),
    allocateZeroedFrame: () => (isToFail() ? noMemory : actual.allocateZeroedFrame()),
  };
});

const EAGAIN = -11n;
const ENOMEM = -12n;
const EFAULT = -14n;
const PAGE = 0x1000n;
const READ_WRITE = 3;
const PRIVATE = 0x22;
const SHARED = 0x21;
const FIXED = 0x10;
const POPULATE = 0x8000;
/** Far from everything else: tables of its own. */
const ELSEWHERE = 0x1234_0000_0000n;

let machine: FakeMachine;
let init: Running;
let current: Thread;
/** Eight pages that the program has written. */
let pages: bigint;
const caches = new Set<ObjectCache>();

function call(number: number, ...parameters: readonly (number | bigint)[]): bigint {
  return systemCall(current, number, ...parameters);
}

function become(thread: Thread): void {
  current = thread;
  switchTo(machine, thread);
}

function end(id: bigint): void {
  become(findThread(Number(id) as never)!);
  expect(() => call(SystemCall.exit, 0)).toThrow(ThreadEnded);
  become(init.thread);
}

function endAndReap(pid: bigint): void {
  end(pid);
  expect(call(SystemCall.wait4, pid, 0, 0, 0)).toBe(pid);
}

/** Everything that is in use, and what the program's memory looks like. */
function state(): unknown {
  const areas: string[] = [];
  for (let area = init.space.areas.first; area !== null; area = area.next)
    areas.push(`${area.start.toString(16)}-${area.end.toString(16)} ${area.protection} ${area.flags} ${area.offset}`);
  const words = Array.from({ length: 8 }, (_, page) => mem.load32(virt(pages + BigInt(page) * PAGE)));
  return {
    frames: freeFrameCount() + BigInt(idleKernelStackCount()) * 4n,
    objects: [...caches].map((cache) => cache.allocated),
    processes: processCount(),
    threads: threadCount(),
    resident: init.space.residentPages,
    heap: init.space.heapEnd,
    areas,
    words,
  };
}

interface Operation {
  readonly run: () => bigint;
  /** Takes back what a success has done. */
  readonly undo: (result: bigint) => void;
  readonly error?: bigint;
  /** A failure may leave behind what `undo` takes back: pages of an object that no mapping shows yet. */
  readonly isKept?: boolean;
}

const restorePages = (): void => {
  call(SystemCall.mmap, pages, 8n * PAGE, READ_WRITE, PRIVATE | FIXED, -1, 0);
  for (let page = 0n; page < 8n; page++) mem.store32(virt(pages + page * PAGE), Number(page) + 1);
};
const unmap = (address: bigint): void => {
  call(SystemCall.munmap, address, 4n * PAGE);
};

const THREAD_FLAGS = 0x1_0f00;
const operations: Record<string, Operation> = {
  fork: { run: () => call(SystemCall.fork), undo: endAndReap },
  'clone of a thread': { run: () => call(SystemCall.clone, THREAD_FLAGS, pages), undo: end },
  vfork: {
    run: () => {
      whileAway(() => end(BigInt(init.process.firstChild!.pid)));
      return call(SystemCall.vfork);
    },
    undo: (pid) => expect(call(SystemCall.wait4, pid, 0, 0, 0)).toBe(pid),
  },
  'mmap of private memory': {
    run: () => call(SystemCall.mmap, ELSEWHERE, 4n * PAGE, READ_WRITE, PRIVATE, -1, 0),
    undo: unmap,
  },
  'mmap of shared memory': {
    run: () => call(SystemCall.mmap, ELSEWHERE, 4n * PAGE, READ_WRITE, SHARED, -1, 0),
    undo: unmap,
  },
  'mmap in the middle of another': {
    run: () => call(SystemCall.mmap, pages + 2n * PAGE, PAGE, READ_WRITE, SHARED | FIXED, -1, 0),
    undo: restorePages,
  },
  'munmap in the middle': { run: () => call(SystemCall.munmap, pages + 2n * PAGE, PAGE), undo: restorePages },
  'mprotect in the middle': { run: () => call(SystemCall.mprotect, pages + 2n * PAGE, PAGE, 1), undo: restorePages },
  'madvise in the middle': { run: () => call(SystemCall.madvise, pages + 2n * PAGE, PAGE, 10), undo: restorePages },
  'mlock in the middle': { run: () => call(SystemCall.mlock, pages + 2n * PAGE, PAGE), undo: restorePages },
  'mremap to elsewhere': {
    run: () => call(SystemCall.mremap, pages + 2n * PAGE, 4n * PAGE, 4n * PAGE, 3, ELSEWHERE),
    undo: (address) => {
      unmap(address);
      restorePages();
    },
  },
  'mremap across two tables': {
    run: () => call(SystemCall.mremap, pages, 8n * PAGE, 8n * PAGE, 3, ELSEWHERE + 0x20_0000n - 4n * PAGE),
    undo: (address) => {
      call(SystemCall.munmap, address, 8n * PAGE);
      restorePages();
    },
  },
  brk: {
    run: () => (call(SystemCall.brk, init.space.heapStart + PAGE) === init.space.heapStart ? ENOMEM : 0n),
    undo: () => call(SystemCall.brk, init.space.heapStart),
  },
  pipe: {
    run: () => call(SystemCall.pipe, pages + 7n * PAGE + 8n),
    undo: () => {
      call(SystemCall.close, mem.load32(virt(pages + 7n * PAGE + 8n)));
      call(SystemCall.close, mem.load32(virt(pages + 7n * PAGE + 12n)));
    },
  },
};

function prepared(flags: number): bigint {
  return call(SystemCall.mmap, ELSEWHERE, 4n * PAGE, READ_WRITE, flags | FIXED, -1, 0);
}

const touch = (address: bigint): bigint => (writeUser32(userPtr(address), 7).ok ? 0n : EFAULT);

describe('an allocation that fails, whichever it is, is an error that changes nothing', () => {
  beforeAll(() => {
    const allocate = ObjectCache.prototype.allocate;
    vi.spyOn(ObjectCache.prototype, 'allocate').mockImplementation(function (this: ObjectCache) {
      caches.add(this);
      return isToFail() ? { ok: false, error: 12 } : allocate.call(this);
    });
    machine = startMachine(16);
    init = startProcess(machine);
    init.space.heapStart = 0x60_0000n;
    init.space.heapEnd = 0x60_0000n;
    current = init.thread;
    pages = call(SystemCall.mmap, 0, 8n * PAGE, READ_WRITE, PRIVATE, -1, 0);
    restorePages();
  });
  beforeEach(() => become(init.thread));

  /** Fails the first allocation of an operation, then the second, until it succeeds without reaching that many. */
  function failEach(operation: Operation): number {
    // Once in full, so that what is kept for later use (tables of descriptors, stacks) exists.
    operation.undo(operation.run());
    const before = state();
    for (let number = 1; ; number++) {
      failure.in = number;
      failure.hasHappened = false;
      const result = operation.run();
      failure.in = 0;
      if (!failure.hasHappened) {
        expect(result).toBeGreaterThanOrEqual(0n);
        operation.undo(result);
        expect(state()).toEqual(before);
        return number - 1;
      }
      expect([EAGAIN, operation.error ?? ENOMEM]).toContain(result);
      if (operation.isKept) operation.undo(result);
      expect(state()).toEqual(before);
    }
  }

  it.each(Object.entries(operations))('%s', (_name, operation) => {
    expect(failEach(operation)).toBeGreaterThan(0);
  });

  it('counts the allocations of a fork: its process, memory and thread', () => {
    expect(failEach(operations.fork!)).toBeGreaterThanOrEqual(8);
  });

  it.each([
    ['private', PRIVATE],
    ['shared', SHARED],
  ])('the first use of a %s page', (_kind, flags) => {
    expect(prepared(flags)).toBe(ELSEWHERE);
    const undo = (): void => {
      prepared(flags);
    };
    const first = { run: () => touch(ELSEWHERE), undo, error: EFAULT, isKept: flags === SHARED };
    expect(failEach(first)).toBeGreaterThanOrEqual(4);
    unmap(ELSEWHERE);
  });

  it('a write to a page that a child shares', () => {
    const child = call(SystemCall.fork);
    const undo = (): void => {
      call(SystemCall.madvise, pages, 8n * PAGE, 4);
      restorePages();
    };
    failure.in = 1;
    expect(touch(pages)).toBe(EFAULT);
    expect(mem.load32(virt(pages))).toBe(1);
    expect(touch(pages)).toBe(0n);
    endAndReap(child);
    undo();
  });

  it('pages wanted at once are no error of mmap', () => {
    const before = state();
    failure.in = 4;
    const address = call(SystemCall.mmap, 0, 4n * PAGE, READ_WRITE, PRIVATE | POPULATE, -1, 0);
    expect(address).toBeGreaterThan(0n);
    expect(touch(address + 3n * PAGE)).toBe(0n);
    unmap(address);
    expect(state()).toEqual(before);
  });
});

describe('an allocation that fails in execve, whichever it is, leaves the old program as it was', () => {
  let server: PlayedServer;

  beforeAll(() => {
    // A quarter of a page: header, program header and code are one segment.
    const segments = [{ address: 0x40_0000n, bytes: Buffer.alloc(0x100), memorySize: 0x3000n, flags: 7 }];
    const image = Buffer.from(program({ entry: 0x40_0080n, segments }).subarray(0, 0x100));
    image.writeBigUInt64LE(0n, 0x48);
    const files = {
      '/bin/program': image,
      '/bin/script': Buffer.from('#!/bin/program -x\n'),
    };
    server = new PlayedServer(machine, init.thread, filesAnswer(files));
    server.giveRoot(init.process);
    become(init.thread);
  });

  const store = (address: bigint, text: string): bigint => {
    for (const [index, byte] of Buffer.from(`${text}\0`).entries())
      mem.store8(virt(address + BigInt(index)), byte as never);
    return address;
  };

  /** A child of init that is about to execute a program, and what makes it try. */
  function childFor(path: string): { pid: bigint; thread: Thread; attempt: () => bigint } {
    const pid = call(SystemCall.fork);
    const thread = findThread(Number(pid) as never)!;
    become(thread);
    const vector = pages + 0x100n;
    mem.store64(virt(vector), store(pages + 0x200n, 'argument'));
    mem.store64(virt(vector + 8n), 0n);
    store(pages + 0x300n, path);
    const attempt = (): bigint => {
      const result = call(SystemCall.execve, pages + 0x300n, vector, vector);
      server.hearOfCloses();
      become(thread);
      return result;
    };
    return { pid, thread, attempt };
  }

  it.each(['/bin/program', '/bin/script'])('of %s', (path) => {
    // Once without failures, so that the server's own memory is there.
    const first = childFor(path);
    expect(first.attempt()).toBe(0n);
    become(init.thread);
    endAndReap(first.pid);
    server.hearOfCloses();
    become(init.thread);
    const { pid, thread, attempt } = childFor(path);
    const space = thread.process!.addressSpace!;
    const before = [state(), space.areas.count, space.residentPages];
    let failures = 0;
    for (;;) {
      failure.in = failures + 1;
      failure.hasHappened = false;
      const result = attempt();
      failure.in = 0;
      if (!failure.hasHappened) {
        expect(result).toBe(0n);
        break;
      }
      failures++;
      expect([failures, result]).toEqual([failures, ENOMEM]);
      expect(thread.process!.addressSpace).toBe(space);
      expect([failures, [state(), space.areas.count, space.residentPages]]).toEqual([failures, before]);
    }
    expect(failures).toBeGreaterThan(15);
    expect(TrapFrame.at(frameBelow(thread.kernelStack)).rip).toBe(0x40_0080n);
    become(init.thread);
    endAndReap(pid);
  });
});
