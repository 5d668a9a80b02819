import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Errno, userPtr } from '../../src/compiler/library/index.ts';
import { flushInput, receiveInput } from '../../src/kernel/console/line-discipline.ts';
import {
  openTerminal,
  terminalEvents,
  terminalIoctl,
  terminalRead,
  terminalReadiness,
  terminalWrite,
} from '../../src/kernel/console/terminal.ts';
import { COOKED, Control, initializeTermios, termios } from '../../src/kernel/console/termios.ts';
import { Protection } from '../../src/kernel/memory/area.ts';
import { copyIn, readUser32, readUser64, writeUser32, writeUser64 } from '../../src/kernel/memory/user-copy.ts';
import { abandonTerminal, announceOrphan, isOrphanedGroup } from '../../src/kernel/process/job-control.ts';
import { MapFlag, mapMemory } from '../../src/kernel/process/memory.ts';
import { type Process, unlinkChild } from '../../src/kernel/process/pcb.ts';
import { createSession, setProcessGroup } from '../../src/kernel/process/session.ts';
import { Signal, sendSignal, signalBit } from '../../src/kernel/process/signal-delivery.ts';
import { SignalInfo } from '../../src/kernel/process/signal-info.ts';
import { wakeAll } from '../../src/kernel/process/sync.ts';
import { Restart } from '../../src/kernel/process/thread.ts';
import { expireTimers } from '../../src/kernel/sched/timer-queue.ts';
import { type FakeMachine, startMachine, unwrap } from './fake-machine.ts';
import { makeProcess, type Running, startProcess, whileAway } from './fake-switch.ts';

vi.mock('../../src/kernel/sched/switch.ts', async () =>
  (await vi.importActual<typeof import('./fake-switch.ts')>('./fake-switch.ts')).fakeSwitch(),
);

const Request = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TCSETSF: 0x5404,
  TIOCSCTTY: 0x540e,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCGWINSZ: 0x5413,
  TIOCSWINSZ: 0x5414,
  FIONREAD: 0x541b,
  TIOCNOTTY: 0x5422,
  TIOCGSID: 0x5429,
} as const;

let machine: FakeMachine;
let shell: Running;
let page: bigint;
let shown = 0;

const type = (text: string): void => {
  for (const byte of Buffer.from(text, 'latin1')) receiveInput(byte as never);
  wakeAll(terminalEvents);
};
/** What has appeared on the screen since the last look. */
const screen = (): string => {
  const text = machine.serial.slice(shown);
  shown = machine.serial.length;
  return text;
};
const read = (length = 100, isNonblocking = false): string | number => {
  const result = terminalRead(shell.thread, page as never, BigInt(length) as never, isNonblocking);
  if (!result.ok) return -result.error;
  const bytes = Array.from({ length: Number(result.value) }, (_, index) => byteAt(page + BigInt(index)));
  return String.fromCharCode(...bytes);
};
const byteAt = (address: bigint): number => unwrap(readUser32(userPtr(address))) & 0xff;
const control = (request: number, argument = page) => terminalIoctl(shell.thread, request as never, argument as never);
const setMode = (local: number, min = 1, time = 0): void => {
  termios.local = local as never;
  termios.characters[Control.MIN] = min as never;
  termios.characters[Control.TIME] = time as never;
};

beforeAll(() => {
  machine = startMachine(16);
  initializeTermios();
  const init = startProcess(machine);
  shell = startProcess(machine, init.process);
  page = unwrap(mapMemory(shell.space, 0n, 0x2000n, Protection.READ | Protection.WRITE, MapFlag.PRIVATE | 0x20));
  openTerminal(shell.process, false);
});
beforeEach(() => {
  setMode(COOKED);
  flushInput();
  screen();
});

describe('a line', () => {
  it('is read when it is finished, as much of it as there is room for', () => {
    type('hello\r');
    expect(screen()).toBe('hello\r\n');
    expect([read(3), read(2), read(100)]).toEqual(['hel', 'lo', '\n']);
    expect(read(100, true)).toBe(-Errno.EAGAIN);
  });

  it('keeps a reader waiting until then', () => {
    type('ab');
    expect(terminalReadiness()).toBe(4);
    whileAway(() => type('c\n'));
    expect(read()).toBe('abc\n');
  });

  it('is edited by characters, words and as a whole', () => {
    type('one two\x7f\x7fX\r');
    expect(screen()).toBe('one two\b \b\b \bX\r\n');
    expect(read()).toBe('one tX\n');
    type('one  two \x17three\r');
    expect(read()).toBe('one  three\n');
    type('wrong\x15right\r');
    expect(read()).toBe('right\n');
    type('\x7f\x15\x17ok\r');
    expect(read()).toBe('ok\n');
  });

  it('shows control characters as two, tabs as columns, and takes them back so', () => {
    type('\x01\x7f');
    expect(screen()).toBe('^A\b \b\b \b');
    type('a\t\x7f');
    expect(screen()).toBe(`a\t${'\b \b'.repeat(7)}`);
    type('\x15');
    screen();
    type('\x16\x03\r');
    expect(screen()).toBe('^\b^C\r\n');
    expect(read()).toBe('a\x03\n'.slice(1));
  });

  it('ends without a newline at Control-D, which alone is the end of the file', () => {
    type('part\x04');
    expect(read()).toBe('part');
    type('part\x04');
    expect(read(4)).toBe('part');
    type('\x04');
    expect(read()).toBe('');
    type('more\n');
    expect(read()).toBe('more\n');
  });

  it('that is too long can still be finished', () => {
    type('x'.repeat(5000));
    type('\n');
    expect((read(5000) as string).length).toBe(4095);
  });

  it('can be shown again', () => {
    type('abc\x12');
    expect(screen()).toBe('abc^R\r\nabc');
  });
});

describe('without ICANON', () => {
  it('bytes come as they are typed, MIN of them at least', () => {
    setMode(0, 3);
    type('ab');
    expect(terminalReadiness()).toBe(4);
    whileAway(() => type('\x03d'));
    expect(read()).toBe('ab\x03d');
    type('xyz');
    expect(read(2)).toBe('xy');
    expect(read(100, true)).toBe('z');
    expect(read(100, true)).toBe(-Errno.EAGAIN);
  });

  it('with MIN and TIME 0 a read never waits', () => {
    setMode(0, 0);
    expect(read()).toBe('');
    type('q');
    expect(read()).toBe('q');
  });

  it('TIME alone bounds the wait for the first byte, with MIN that between bytes', () => {
    setMode(0, 0, 1);
    whileAway(() => {
      machine.tsc += 200_000_000n;
      expireTimers();
    });
    expect(read()).toBe('');
    setMode(0, 5, 1);
    type('a');
    whileAway(() => {
      machine.tsc += 200_000_000n;
      expireTimers();
    });
    expect(read()).toBe('a');
  });

  it('what was typed of a line can be read, and becomes a line when ICANON returns', () => {
    type('ab');
    writeUser64(userPtr(page), 0n);
    control(Request.TCGETS);
    writeUser32(userPtr(page + 12n), 0);
    expect(control(Request.TCSETS).ok).toBe(true);
    expect(read(1)).toBe('a');
    control(Request.TCGETS);
    writeUser32(userPtr(page + 12n), COOKED);
    expect(control(Request.TCSETS).ok).toBe(true);
    expect(read()).toBe('b');
  });
});

describe('output', () => {
  it('gets its carriage returns, and only with OPOST', () => {
    writeUser64(userPtr(page), BigInt.asUintN(64, 0x0a62_0a61n));
    terminalWrite(shell.thread, page as never, 4n as never);
    expect(screen()).toBe('a\r\nb\r\n');
    termios.output = 0 as never;
    terminalWrite(shell.thread, page as never, 4n as never);
    expect(screen()).toBe('a\nb\n');
    termios.output = 5 as never;
  });

  it('waits between Control-S and Control-Q', () => {
    type('\x13');
    expect(terminalReadiness()).toBe(0);
    whileAway(() => {
      expect(screen()).toBe('');
      type('\x11');
    });
    expect(terminalWrite(shell.thread, page as never, 1n as never)).toEqual({ ok: true, value: 1n });
    expect(screen()).toBe('a');
  });
});

describe('requests', () => {
  it('tell settings, window size and how much can be read', () => {
    expect(control(Request.TCGETS).ok).toBe(true);
    expect(unwrap(readUser32(userPtr(page + 12n)))).toBe(COOKED);
    writeUser64(userPtr(page), 0x50_0018n);
    expect(control(Request.TIOCSWINSZ).ok).toBe(true);
    writeUser64(userPtr(page), 0n);
    control(Request.TIOCGWINSZ);
    expect(unwrap(readUser64(userPtr(page)))).toBe(0x50_0018n);
    type('abc\nde');
    control(Request.FIONREAD);
    expect(unwrap(readUser32(userPtr(page)))).toBe(4);
    expect(control(Request.TCSETSF).ok).toBe(true);
    initializeTermios();
  });

  it('that no terminal has are ENOTTY, bad addresses EFAULT', () => {
    expect(control(0x1234)).toEqual({ ok: false, error: Errno.ENOTTY });
    expect(control(Request.TCGETS, 8n)).toEqual({ ok: false, error: Errno.EFAULT });
    expect(control(Request.TCSETS, 8n)).toEqual({ ok: false, error: Errno.EFAULT });
    expect(copyIn(0n as never, userPtr(8n), 1n as never).ok).toBe(false);
  });
});

describe('job control', () => {
  const foreground = (): number => {
    unwrap(control(Request.TIOCGPGRP));
    return unwrap(readUser32(userPtr(page)));
  };
  const chooseForeground = (group: number) => {
    unwrap(writeUser32(userPtr(page), group as never));
    return control(Request.TIOCSPGRP);
  };
  /** A child of the shell in a group of its own. */
  const startJob = (): Process => {
    const job = makeProcess(machine, shell.process);
    job.sid = shell.process.sid;
    job.hasTerminal = true;
    machine.space = shell.space;
    machine.cr3 = shell.space.root;
    return job;
  };
  const ignore = (signal: number, handler: bigint): void => {
    shell.process.signalActions[signal - 1]!.handler = handler as never;
  };

  it('has typed characters signal the foreground group, and forgets what was typed', () => {
    const job = startJob();
    type('half a line');
    expect(chooseForeground(job.pid).ok).toBe(true);
    expect(foreground()).toBe(job.pid);
    type('\x1a');
    expect(job.stopSignal).toBe(Signal.SIGTSTP);
    expect(screen()).toBe('half a line^Z');
    sendSignal(job, Signal.SIGCONT, new SignalInfo());
    type('\x03');
    expect(job.exitStatus).toBe(Signal.SIGINT);
    expect(shell.process.isExiting).toBe(false);
  });

  it('keeps a group in the background from reading: EIO if it ignores SIGTTIN or nobody could continue it', () => {
    expect(foreground()).not.toBe(shell.process.pgid);
    expect(isOrphanedGroup(shell.process.pgid, null)).toBe(true);
    expect(read()).toBe(-Errno.EIO);
    shell.process.sid = shell.process.parent!.sid;
    expect(read()).toBe(-Errno.EINTR);
    expect([shell.process.stopSignal, shell.thread.restart]).toEqual([Signal.SIGTTIN, Restart.IF_WANTED]);
    shell.process.sid = shell.process.pid;
    sendSignal(shell.process, Signal.SIGCONT, new SignalInfo());
    ignore(Signal.SIGTTIN, 1n);
    expect(read()).toBe(-Errno.EIO);
    ignore(Signal.SIGTTIN, 0n);
  });

  it('lets it take the foreground back only if it ignores SIGTTOU', () => {
    expect(chooseForeground(shell.process.pgid)).toEqual({ ok: false, error: Errno.EIO });
    ignore(Signal.SIGTTOU, 1n);
    expect(chooseForeground(shell.process.pgid).ok).toBe(true);
    ignore(Signal.SIGTTOU, 0n);
    expect(chooseForeground(shell.process.parent!.pid)).toEqual({ ok: false, error: Errno.EPERM });
    expect(chooseForeground(999_999)).toEqual({ ok: false, error: Errno.ESRCH });
    expect(chooseForeground(-1 >>> 0)).toEqual({ ok: false, error: Errno.EINVAL });
  });

  it('does not stop an orphaned group by the keyboard, and tells a stopped one when it becomes orphaned', () => {
    const job = startJob();
    const orphan = makeProcess(machine, job);
    orphan.sid = job.sid;
    sendSignal(orphan, Signal.SIGTSTP, new SignalInfo());
    expect(orphan.stopSignal).toBe(Signal.SIGTSTP);
    unlinkChild(orphan);
    announceOrphan(orphan, job);
    expect([orphan.stopSignal, orphan.pending.signals]).toEqual([0, signalBit(Signal.SIGHUP)]);
    const alone = makeProcess(machine, null);
    sendSignal(alone, Signal.SIGTSTP, new SignalInfo());
    expect(alone.stopSignal).toBe(0);
    sendSignal(alone, Signal.SIGSTOP, new SignalInfo());
    expect(alone.stopSignal).toBe(Signal.SIGSTOP);
  });

  it('ends with the session: its foreground hears SIGHUP, and nobody in it has the terminal any more', () => {
    const job = startJob();
    ignore(Signal.SIGTTOU, 1n);
    chooseForeground(job.pid);
    expect(setProcessGroup(shell.process, job.pid as never, 0 as never).ok).toBe(true);
    expect(createSession(shell.process)).toEqual({ ok: false, error: Errno.EPERM });
    abandonTerminal(shell.process);
    expect([job.hasTerminal, job.exitStatus]).toEqual([false, Signal.SIGHUP]);
    expect(control(Request.TIOCGSID)).toEqual({ ok: false, error: Errno.ENOTTY });
    expect(control(Request.TIOCNOTTY)).toEqual({ ok: false, error: Errno.ENOTTY });
    expect(control(Request.TIOCSCTTY, 0n).ok).toBe(true);
    expect(foreground()).toBe(shell.process.pgid);
  });
});
