import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import { Protection } from '../../src/kernel/memory/area.ts';
import { readUser32, readUser64, writeUser64 } from '../../src/kernel/memory/user-copy.ts';
import { Limit } from '../../src/kernel/process/limits.ts';
import { MapFlag, mapMemory } from '../../src/kernel/process/memory.ts';
import { linkThread, reserveThread } from '../../src/kernel/process/pcb.ts';
import {
  discardPending,
  forceSignal,
  isKilled,
  Signal,
  sendSignal,
  sendThreadSignal,
  setSignalMask,
  signalBit,
  takeSignal,
  takeSignalOf,
} from '../../src/kernel/process/signal-delivery.ts';
import { deliverSignal, leaveHandler, setAlternateStack } from '../../src/kernel/process/signal-frame.ts';
import { describeSignal, SignalCode, SignalInfo } from '../../src/kernel/process/signal-info.ts';
import { Attention, allocateThread, Restart } from '../../src/kernel/process/thread.ts';
import { frameBelow, initializeFrame, TrapFrame } from '../../src/kernel/processor/trap-frame.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { type Running, startProcess } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

const RESTORER = 0x0400_0000n;
const ONSTACK = 0x0800_0000n;
const RESTART = 0x1000_0000n;
const NODEFER = 0x4000_0000n;
const HANDLER = 0x40_1000n;
const STACK_BYTES = 0x4000n;

let machine: FakeMachine;
let running: Running;
let stackTop: bigint;
const info = new SignalInfo();
const sender = describeSignal(new SignalInfo(), SignalCode.USER, 77, 5, 0);

const registers = () => TrapFrame.at(frameBelow(running.thread.kernelStack));
const word = (address: bigint): bigint => unwrap(readUser64(address as never));
const handle = (signal: number, flags = RESTORER, mask = 0n): void => {
  Object.assign(running.process.signalActions[signal - 1]!, { handler: HANDLER, flags, restorer: 0x40_2000n, mask });
};

beforeAll(() => {
  machine = startMachine(16);
});
beforeEach(() => {
  const init = startProcess(machine);
  running = startProcess(machine, init.process);
  const kind = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
  stackTop = unwrap(mapMemory(running.space, 0n, STACK_BYTES, Protection.READ | Protection.WRITE, kind)) + STACK_BYTES;
  initializeFrame(frameBelow(running.thread.kernelStack), 0x40_0000n, stackTop);
});

describe('pending signals', () => {
  it('are taken by number, but a fault before all others', () => {
    for (const signal of [Signal.SIGTERM, Signal.SIGHUP, Signal.SIGSEGV]) {
      handle(signal);
      sendThreadSignal(running.thread, signal, sender);
    }
    const taken = [1, 2, 3, 4].map(() => takeSignal(running.thread, info));
    expect(taken).toEqual([Signal.SIGSEGV, Signal.SIGHUP, Signal.SIGTERM, 0]);
  });

  it('wait behind the mask, keep their first sender, and come once', () => {
    handle(Signal.SIGUSR1);
    setSignalMask(running.thread, signalBit(Signal.SIGUSR1));
    sendSignal(running.process, Signal.SIGUSR1, sender);
    sendSignal(running.process, Signal.SIGUSR1, describeSignal(new SignalInfo(), SignalCode.USER, 88, 5, 0));
    expect(takeSignal(running.thread, info)).toBe(0);
    setSignalMask(running.thread, 0n);
    expect(running.thread.attention.load() & Attention.SIGNAL).not.toBe(0);
    expect(takeSignal(running.thread, info)).toBe(Signal.SIGUSR1);
    expect(info.source).toBe((5n << 32n) | 77n);
    expect(takeSignal(running.thread, info)).toBe(0);
  });

  it('go to another thread when the one that was to take them blocks them', () => {
    const other = unwrap(allocateThread());
    unwrap(reserveThread(running.process));
    linkThread(running.process, other);
    handle(Signal.SIGUSR1);
    sendSignal(running.process, Signal.SIGUSR1, sender);
    expect(other.attention.load() & Attention.SIGNAL).toBe(0);
    setSignalMask(running.thread, signalBit(Signal.SIGUSR1));
    expect(other.attention.load() & Attention.SIGNAL).not.toBe(0);
  });
});

describe('real-time signals', () => {
  const queued = (value: bigint): SignalInfo => Object.assign(new SignalInfo(), { code: SignalCode.QUEUE, value });
  const taken = (): unknown[] => [takeSignal(running.thread, info), info.value];

  it('arrive as often as they were sent, lowest number first and each number in order', () => {
    handle(40);
    handle(34);
    for (const value of [1n, 2n, 3n]) expect(sendSignal(running.process, 40, queued(value))).toBe(true);
    sendSignal(running.process, 34, queued(9n));
    expect([taken(), taken(), taken(), taken()]).toEqual([
      [34, 9n],
      [40, 1n],
      [40, 2n],
      [40, 3n],
    ]);
    expect(takeSignal(running.thread, info)).toBe(0);
    expect(running.process.queuedSignals).toBe(0);
  });

  it('are refused when the user has too many pending, but for what kill sends', () => {
    running.process.credentials.user.real = 77 as never;
    running.process.limits[Limit.SIGPENDING]!.soft = 2n as never;
    handle(40);
    setSignalMask(running.thread, signalBit(40));
    expect([1n, 2n, 3n].map((value) => sendSignal(running.process, 40, queued(value)))).toEqual([true, true, false]);
    expect(sendSignal(running.process, 41, sender)).toBe(true);
    expect(sendSignal(running.process, Signal.SIGTERM, sender)).toBe(true);
    discardPending(running.process, 0xffff_ffff_ffff_ffffn);
    expect([running.process.queuedSignals, running.process.pending.first]).toEqual([0, null]);
  });

  it('go to the thread that waits for them, whatever their action is', () => {
    running.thread.awaitedSignals = signalBit(40);
    sendSignal(running.process, 40, queued(4n));
    expect(isKilled(running.thread)).toBe(false);
    expect(takeSignalOf(running.thread, signalBit(40), info)).toBe(40);
    expect(info.value).toBe(4n);
  });
});

describe('a stopped process', () => {
  it('keeps signals that would end or stop it until it is continued, and dies of SIGKILL at once', () => {
    const { process, thread } = running;
    sendSignal(process, Signal.SIGSTOP, sender);
    process.isStopReported = true;
    sendSignal(process, Signal.SIGSTOP, sender);
    sendSignal(process, Signal.SIGTERM, sender);
    sendSignal(process, Signal.SIGCHLD, sender);
    expect([process.stopSignal, process.isStopReported, isKilled(thread)]).toEqual([Signal.SIGSTOP, true, false]);
    sendSignal(process, Signal.SIGCONT, sender);
    expect([process.stopSignal, process.pending.signals]).toEqual([0, signalBit(Signal.SIGTERM)]);
    expect(takeSignal(thread, info)).toBe(0);
    expect(process.exitStatus).toBe(Signal.SIGTERM);
    const other = startProcess(machine, process.parent).process;
    sendSignal(other, Signal.SIGSTOP, sender);
    sendSignal(other, Signal.SIGKILL, sender);
    expect([other.stopSignal, other.exitStatus]).toEqual([0, Signal.SIGKILL]);
  });
});

describe('a fault', () => {
  it('reaches a handler, and ends a process that blocks its signal', () => {
    handle(Signal.SIGSEGV);
    expect(forceSignal(running.thread, Signal.SIGSEGV, SignalCode.NOT_MAPPED)).toBe(true);
    expect(isKilled(running.thread)).toBe(false);
    setSignalMask(running.thread, signalBit(Signal.SIGSEGV));
    expect(forceSignal(running.thread, Signal.SIGSEGV, SignalCode.NOT_MAPPED)).toBe(false);
    expect(isKilled(running.thread)).toBe(true);
    expect(running.process.exitStatus).toBe(Signal.SIGSEGV);
  });
});

describe('a handler', () => {
  it('begins below the red zone, 8 below a multiple of 16, with its arguments and mask', () => {
    handle(Signal.SIGUSR1, RESTORER, signalBit(Signal.SIGUSR2));
    registers().rflags |= 1n << 10n;
    sendSignal(running.process, Signal.SIGUSR1, sender);
    deliverSignal(running.thread);
    const { rsp, rdi, rsi, rdx, rip, rflags } = registers();
    expect([rip, rdi, rsp % 16n, rflags & (1n << 10n)]).toEqual([HANDLER, 10n, 8n, 0n]);
    expect(rsp + 440n <= stackTop - 128n - 512n).toBe(true);
    expect([word(rsp), rdx, rsi]).toEqual([0x40_2000n, rsp + 8n, rsp + 312n]);
    expect(unwrap(readUser32(rsi as never))).toBe(Signal.SIGUSR1);
    expect(word(rsi + 16n)).toBe((5n << 32n) | 77n);
    expect(running.thread.signalMask).toBe(signalBit(Signal.SIGUSR1) | signalBit(Signal.SIGUSR2));
  });

  it('gives back what it interrupted, and of the flags only what is the program’s', () => {
    handle(Signal.SIGUSR1);
    registers().r12 = 1234n;
    sendSignal(running.process, Signal.SIGUSR1, sender);
    deliverSignal(running.thread);
    const context = registers().rdx;
    writeUser64((context + 40n + 17n * 8n) as never, 0x3_3fd7n);
    registers().r12 = 0n;
    registers().rsp += 8n;
    expect(leaveHandler(running.thread).ok).toBe(true);
    expect([registers().r12, registers().rip, registers().rsp]).toEqual([1234n, 0x40_0000n, stackTop]);
    expect(registers().rflags).toBe((0x3_3fd7n & 0x5_0dd5n) | 0x202n);
    expect(running.thread.signalMask).toBe(0n);
  });

  it('cannot return to an address that is not canonical', () => {
    handle(Signal.SIGUSR1);
    sendSignal(running.process, Signal.SIGUSR1, sender);
    deliverSignal(running.thread);
    writeUser64((registers().rdx + 40n + 16n * 8n) as never, 1n << 62n);
    registers().rsp += 8n;
    expect(leaveHandler(running.thread)).toEqual({ ok: false, error: Errno.EFAULT });
  });

  it('nests only with SA_NODEFER', () => {
    handle(Signal.SIGUSR1, RESTORER | NODEFER);
    sendSignal(running.process, Signal.SIGUSR1, sender);
    deliverSignal(running.thread);
    expect(running.thread.signalMask).toBe(0n);
  });

  it('without room for its frame ends the process with SIGSEGV', () => {
    handle(Signal.SIGUSR1);
    registers().rsp = stackTop - STACK_BYTES;
    sendSignal(running.process, Signal.SIGUSR1, sender);
    deliverSignal(running.thread);
    expect(running.process.exitStatus).toBe(Signal.SIGSEGV);
  });

  it('has the interrupted call made again with SA_RESTART, and not without', () => {
    for (const [flags, rip] of [
      [RESTORER | RESTART | NODEFER, 0x3f_fffen],
      [RESTORER | NODEFER, 0x40_0000n],
    ] as const) {
      initializeFrame(frameBelow(running.thread.kernelStack), 0x40_0000n, stackTop);
      registers().code = 61n;
      running.thread.restart = Restart.IF_WANTED;
      handle(Signal.SIGUSR1, flags);
      sendSignal(running.process, Signal.SIGUSR1, sender);
      deliverSignal(running.thread);
      expect(word(registers().rdx + 40n + 16n * 8n)).toBe(rip);
      expect(running.thread.restart).toBe(Restart.NEVER);
    }
  });
});

describe('an alternate stack', () => {
  it('takes the frame of a handler that asks for it, and cannot change meanwhile', () => {
    const base = stackTop - STACK_BYTES;
    expect(setAlternateStack(running.thread, stackTop, base, 0, 0x1000n).ok).toBe(true);
    handle(Signal.SIGUSR1, RESTORER | ONSTACK);
    sendSignal(running.process, Signal.SIGUSR1, sender);
    deliverSignal(running.thread);
    const { rsp } = registers();
    expect(rsp > base && rsp < base + 0x1000n).toBe(true);
    expect(setAlternateStack(running.thread, rsp, base, 0, 0x2000n)).toEqual({ ok: false, error: Errno.EPERM });
  });

  it('is refused when it is too small or its flags are unknown', () => {
    const set = (flags: number, size: bigint) => setAlternateStack(running.thread, stackTop, 0x1000n, flags, size);
    expect(set(0, 2047n)).toEqual({ ok: false, error: Errno.ENOMEM });
    expect(set(4, 4096n)).toEqual({ ok: false, error: Errno.EINVAL });
  });
});
