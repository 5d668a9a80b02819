import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mem, virt } from '../../src/compiler/library/index.ts';
import { VerdigrisCall } from '../../src/kernel/abi/calls.ts';
import { FileOperation } from '../../src/kernel/abi/file-protocol.ts';
import { IpcMessage, IpcOperation, IpcTransfer } from '../../src/kernel/abi/ipc.ts';
import { descriptorTableCount, fileAt } from '../../src/kernel/ipc/descriptors.ts';
import { endpointCount } from '../../src/kernel/ipc/endpoint.ts';
import { openFileCount } from '../../src/kernel/ipc/open-file.ts';
import { pipeCount } from '../../src/kernel/ipc/pipe.ts';
import { allocateFrame, freeFrameCount, releaseFrame } from '../../src/kernel/memory/frames.ts';
import { idleKernelStackCount } from '../../src/kernel/memory/kernel-stacks.ts';
import { killThread } from '../../src/kernel/process/exit.ts';
import { discardPending } from '../../src/kernel/process/signal-delivery.ts';
import { findThread } from '../../src/kernel/process/thread.ts';
import { SystemCall } from '../../src/kernel/syscall/numbers.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { type Running, startProcess, switchTo, ThreadEnded } from './fake-switch.ts';
import { type Answer, filesAnswer, PlayedServer, type Request } from './played-server.ts';
import { systemCall } from './system-call.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

const SIGUSR1 = 10;
const EINTR = -4n;
const EIO = -5n;
const EBADF = -9n;
const ENOMEM = -12n;
const EFAULT = -14n;
const EMFILE = -24n;
const ESRCH = -3n;

let machine: FakeMachine;
let init: Running;
let page: bigint;
let server: PlayedServer;

const call = (number: number, ...parameters: readonly (number | bigint)[]): bigint =>
  systemCall(init.thread, number, ...parameters);

function store(text: string): bigint {
  for (const [index, byte] of Buffer.from(`${text}\0`).entries()) mem.store8(virt(page + BigInt(index)), byte as never);
  return page;
}

const text = (address: bigint, length: number): string =>
  String.fromCharCode(...Array.from({ length }, (_, index) => mem.load8(virt(address + BigInt(index)))));

const open = (path: string, flags = 0): bigint => call(SystemCall.open, store(path), flags, 0);

/** What is in use, once the server has heard of everything that is closed. A kernel stack that waits for a thread is free. */
function count(): Record<string, number | bigint> {
  server.hearOfCloses();
  switchTo(machine, init.thread);
  return {
    frames: freeFrameCount() + BigInt(idleKernelStackCount()) * 4n,
    files: openFileCount(),
    endpoints: endpointCount(),
    pipes: pipeCount(),
    tables: descriptorTableCount(),
  };
}

/** Runs `attempt` with ever more free frames until it no longer fails for want of them; how often it did. */
function starve(attempt: () => bigint): number {
  for (let allowed = 0n; ; allowed++) {
    const taken: bigint[] = [];
    while (freeFrameCount() > allowed) taken.push(unwrap(allocateFrame()));
    const result = attempt();
    for (const frame of taken) releaseFrame(frame as never);
    if (result >= 0n) return Number(allowed);
    expect(result).toBe(ENOMEM);
  }
}

/** Repeats `attempt` with no free frame, one, two and three, each time until it fails; the errors. */
function exhaust(attempt: () => bigint): bigint[] {
  return [0n, 1n, 2n, 3n].map((allowed) => {
    const taken: bigint[] = [];
    while (freeFrameCount() > allowed) taken.push(unwrap(allocateFrame()));
    let result: bigint;
    do result = attempt();
    while (result >= 0n);
    for (const frame of taken) releaseFrame(frame as never);
    return result;
  });
}

const files = { '/data': Buffer.from('some content'), '/': null };
let answer: (request: Request) => Answer | null;

beforeAll(() => {
  machine = startMachine(16);
  init = startProcess(machine);
  page = call(SystemCall.mmap, 0, 0x4000, 3, 0x22, -1, 0);
  answer = filesAnswer(files);
  server = new PlayedServer(machine, init.thread, (request) => answer(request));
  server.giveRoot(init.process);
});
beforeEach(() => {
  answer = filesAnswer(files);
  switchTo(machine, init.thread);
  server.requests.length = 0;
});

describe('a capability', () => {
  it('turns calls on a descriptor into requests under its badge, and tells its server when the last is closed', () => {
    const descriptor = open('/data');
    const copy = call(SystemCall.dup, descriptor);
    expect(call(SystemCall.read, descriptor, page, 100)).toBe(12n);
    expect(text(page, 12)).toBe('some content');
    expect(call(SystemCall.close, descriptor)).toBe(0n);
    server.hearOfCloses();
    expect(server.requests.map(({ operation, badge }) => [operation, badge])).toEqual([
      [FileOperation.OPEN, 1n],
      [FileOperation.READ, 100n],
    ]);
    switchTo(machine, init.thread);
    call(SystemCall.close, copy);
    server.hearOfCloses();
    expect(server.requests.at(-1)).toMatchObject({ id: 0n, operation: IpcOperation.CLOSE, badge: 100n });
  });

  it('carries eight words there and back, and buffers with them', () => {
    const capability = open('/data');
    answer = ({ words, input }) => ({
      status: 7,
      word: words[0]! + words[7]!,
      output: Buffer.from(input.toString().toUpperCase()),
    });
    const message = IpcMessage.at(virt(page + 0x100n));
    for (const [index] of [...message.words].entries()) message.words[index] = BigInt(index + 1) as never;
    store('hello');
    Object.assign(message, { input: page, inputSize: 5n, output: page + 0x200n, outputSize: 5n });
    expect(call(VerdigrisCall.ipc_call_buffers, capability, page + 0x100n)).toBe(7n);
    expect([message.words[0], text(page + 0x200n, 5)]).toEqual([9n, 'HELLO']);
    message.output = 8n as never;
    expect(call(VerdigrisCall.ipc_call_buffers, capability, page + 0x100n)).toBe(EFAULT);
    expect(call(VerdigrisCall.ipc_call_buffers, 0, page + 0x100n)).toBe(EBADF);
    call(SystemCall.close, capability);
  });

  it('can be given to a caller, which then calls under its badge', () => {
    switchTo(machine, server.thread);
    const gift = server.call(VerdigrisCall.capability_create, server.endpoint, 4711, 2);
    switchTo(machine, init.thread);
    answer = () => ({ status: 0, transfer: IpcTransfer.DESCRIPTOR, descriptor: Number(gift) });
    const descriptor = open('/gift');
    answer = () => ({ status: 0 });
    expect(call(SystemCall.fsync, descriptor)).toBe(0n);
    expect(server.requests.at(-1)).toMatchObject({ operation: FileOperation.SYNC, badge: 4711n });
    switchTo(machine, server.thread);
    server.call(SystemCall.close, gift);
    switchTo(machine, init.thread);
    call(SystemCall.close, descriptor);
    server.hearOfCloses();
    expect(server.requests.at(-1)).toMatchObject({ operation: IpcOperation.CLOSE, badge: 4711n });
  });

  it('can be revoked: from then on every use is EIO', () => {
    const descriptor = open('/data');
    switchTo(machine, server.thread);
    expect(server.call(VerdigrisCall.capability_revoke, server.endpoint, 100)).toBe(0n);
    switchTo(machine, init.thread);
    expect(call(SystemCall.read, descriptor, page, 4)).toBe(EIO);
    expect(call(SystemCall.fstat, descriptor, page)).toBe(EIO);
    expect(call(SystemCall.close, descriptor)).toBe(0n);
  });

  it('is needed for every right: receiving, and answering only what one has received', () => {
    for (const number of ['ipc_receive', 'capability_create', 'capability_revoke'] as const)
      expect(call(VerdigrisCall[number], 0, page)).toBe(EBADF);
    expect(call(VerdigrisCall.ipc_reply, 0x1_0000_0001n, page)).toBe(ESRCH);
    expect(call(VerdigrisCall.ipc_copy_in, 0x1_0000_0001n, 0, page, 1)).toBe(ESRCH);
  });
});

/** Has a child of init end and reaps it. */
function endChild(pid: bigint): void {
  const thread = findThread(Number(pid) as never)!;
  switchTo(machine, thread);
  expect(() => systemCall(thread, SystemCall.exit_group, 0)).toThrow(ThreadEnded);
  switchTo(machine, init.thread);
  expect(call(SystemCall.wait4, pid, 0, 0, 0)).toBe(pid);
}

describe('the death of a caller', () => {
  it('in a call that nobody has received takes the call back', () => {
    const before = count();
    const pid = call(SystemCall.fork);
    const thread = findThread(Number(pid) as never)!;
    switchTo(machine, thread);
    answer = () => {
      throw new Error('a dead caller was answered');
    };
    killThread(thread);
    expect(systemCall(thread, SystemCall.open, store('/data'), 0, 0)).toBe(EINTR);
    answer = filesAnswer(files);
    endChild(pid);
    expect(count()).toEqual(before);
  });

  it('in a call that a server has received has what it opened closed, and leaves nothing', () => {
    store('/data');
    const before = count();
    for (const reply of [{ status: 0, transfer: IpcTransfer.BADGE, word: 815n }, { status: -2 }]) {
      const pid = call(SystemCall.fork);
      const thread = findThread(Number(pid) as never)!;
      let held: Request | undefined;
      answer = (request) => {
        held = request;
        killThread(thread);
        return null;
      };
      switchTo(machine, thread);
      expect(systemCall(thread, SystemCall.open, page, 0, 0)).toBe(EINTR);
      switchTo(machine, server.thread);
      expect(server.reply(held!, reply)).toBe(ESRCH);
      endChild(pid);
    }
    expect(count()).toEqual(before);
    const closed = server.requests.filter(({ operation }) => operation === IpcOperation.CLOSE);
    expect(closed.map(({ badge }) => badge)).toEqual([815n]);
  });
});

describe('a server that a signal interrupts', () => {
  it('has answered the call that it replied to', () => {
    answer = (request) => {
      server.process.signalActions[SIGUSR1 - 1]!.handler = 0x40_0000n as never;
      server.call(SystemCall.kill, server.process.pid, SIGUSR1);
      expect(server.replyAndReceive(request, { status: -2 })).toBe(EINTR);
      return null;
    };
    expect(open('/data')).toBe(-2n);
    discardPending(server.process, 0xffff_ffff_ffff_ffffn as never);
  });
});

describe('descriptors', () => {
  it('are 1,024 at most, the lowest free one first, and all given back', () => {
    const before = count();
    const made: bigint[] = [];
    for (;;) {
      const descriptor = call(SystemCall.dup, 1);
      if (descriptor < 0n) {
        expect(descriptor).toBe(EMFILE);
        break;
      }
      made.push(descriptor);
    }
    expect(made).toEqual(Array.from({ length: 1021 }, (_, index) => BigInt(index + 3)));
    expect(open('/data')).toBe(EMFILE);
    expect(server.requests).toEqual([]);
    expect(call(SystemCall.close, 500)).toBe(0n);
    expect(open('/data')).toBe(500n);
    expect(call(SystemCall.close_range, 3, 0xffff_ffff, 0)).toBe(0n);
    expect([fileAt(init.process.files!, 500 as never), fileAt(init.process.files!, 1024 as never)]).toEqual([
      null,
      null,
    ]);
    const after = count();
    expect([after.files, after.tables, after.pipes]).toEqual([before.files, before.tables, before.pipes]);
  });

  it('being opened are not open yet', () => {
    answer = (request) => {
      if (request.operation !== FileOperation.OPEN) return { status: 0 };
      const files = init.process.files!;
      expect(fileAt(files, 3 as never)).toBe(null);
      return { status: -2 };
    };
    expect(open('/data')).toBe(-2n);
    expect(call(SystemCall.dup, 0)).toBe(3n);
    call(SystemCall.close, 3);
  });
});

describe('memory that runs out at any point costs nothing', () => {
  /** Takes descriptors 3 to 63: what an attempt makes lies above. */
  function fill(): void {
    for (let descriptor = 3; descriptor < 64; descriptor++) call(SystemCall.dup, 0);
  }
  const attempts: Record<string, () => bigint> = {
    open: () => call(SystemCall.open, page, 0, 0),
    pipe: () => call(SystemCall.pipe2, page + 0x100n, 0),
    eventfd: () => call(SystemCall.eventfd2, 0, 0),
    endpoint: () => call(VerdigrisCall.endpoint_create),
  };
  for (const [name, attempt] of Object.entries(attempts)) {
    it(name, () => {
      fill();
      store('/data');
      const before = count();
      const failures = exhaust(attempt);
      expect(failures.every((error) => error === ENOMEM || error === EMFILE)).toBe(true);
      expect(failures).toContain(ENOMEM);
      call(SystemCall.close_range, 64, 0xffff, 0);
      const after = count();
      expect([after.files, after.endpoints, after.pipes, after.tables]).toEqual([
        before.files,
        before.endpoints,
        before.pipes,
        before.tables,
      ]);
      call(SystemCall.close_range, 3, 0xffff, 0);
    });
  }

  it('fork, with descriptors all over the table', () => {
    for (const descriptor of [70, 200, 1023]) call(SystemCall.dup2, 1, descriptor);
    const before = count();
    const failures = starve(() => {
      const pid = call(SystemCall.fork);
      if (pid > 0n) endChild(pid);
      return pid;
    });
    expect(count()).toEqual(before);
    expect(failures).toBeGreaterThan(3);
    call(SystemCall.close_range, 3, 0xffff, 0);
  });
});

describe('the death of a server', () => {
  it('ends every call it was to answer with EIO, at once and later, and nothing else', () => {
    const before = endpointCount();
    let isMortal = false;
    const files = filesAnswer({ '/data': Buffer.from('x') });
    const mortal: PlayedServer = new PlayedServer(machine, init.thread, (request) => {
      if (!isMortal) return files(request);
      expect(() => mortal.call(SystemCall.exit_group, 9)).toThrow(ThreadEnded);
      return null;
    });
    mortal.giveRoot(init.process);
    switchTo(machine, init.thread);
    const descriptor = open('/data');
    expect(descriptor).toBe(3n);
    isMortal = true;
    expect(call(SystemCall.read, descriptor, page, 1)).toBe(EIO);
    expect(call(SystemCall.read, descriptor, page, 1)).toBe(EIO);
    expect(open('/data')).toBe(EIO);
    expect(call(SystemCall.chdir, store('/'))).toBe(EIO);
    expect(call(SystemCall.close, descriptor)).toBe(0n);
    expect(call(SystemCall.getpid)).toBe(1n);
    const pid = call(SystemCall.fork);
    endChild(pid);
    expect(endpointCount()).toBe(before + 1);
  });
});
