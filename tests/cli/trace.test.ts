import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { pvhImage } from '../machine/image-builder.ts';
import { file, scratch, verdigris } from './verdigris.ts';

afterAll(() => rmSync(scratch, { recursive: true }));

describe('verdigris trace', () => {
  it('prints a line an instruction from the first one on', async () => {
    const { status, stdout } = await verdigris(['trace', '--count', '3']);
    const lines = stdout.trimEnd().split('\n');
    expect(status).toBe(0);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^ +0 r0 0000000000\w+ \S*pvhEntry +src\/kernel\/boot\/entry\.boot\.ts:\d+ +mov /);
  });

  it('begins at a symbol or a count, and gives JSON for programs', async () => {
    const { stdout } = await verdigris(['trace', '--from', 'dispatchSystemCall', '--count', '2', '--json']);
    const entries = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(entries[0]).toMatchObject({
      ring: 0,
      symbol: 'syscall.dispatch.dispatchSystemCall',
      instruction: 'push rbp',
    });
    const later = await verdigris(['trace', '--from', String(entries[0].count + 1), '--count', '1', '--json']);
    expect(JSON.parse(later.stdout)).toEqual(entries[1]);
  });

  it('keeps to one function, over what it calls', async () => {
    const { stdout } = await verdigris(['trace', '--function', 'dispatchSystemCall', '--count', '12', '--json']);
    const symbols = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).symbol as string);
    expect(symbols).toHaveLength(12);
    expect(symbols.every((symbol) => symbol.startsWith('syscall.dispatch.dispatchSystemCall'))).toBe(true);
  });

  it('prints a line a system call', async () => {
    const { stdout } = await verdigris(['trace', '--syscalls']);
    expect(stdout).toMatch(/^ +\d+ bin\/init: getpid\(.*\) = 1$/m);
    expect(stdout.trimEnd().split('\n').at(-1)).toContain('** the machine powered off with status 0');
  });

  it('counts and lists system calls as JSON', async () => {
    const { stdout } = await verdigris(['trace', '--syscalls', '--count', '3', '--json']);
    const calls = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(calls).toHaveLength(3);
    for (const { count, program, name, arguments: list, result, endCount } of calls) {
      expect(program).toMatch(/^s?bin\//);
      expect(list).toHaveLength(6);
      expect(endCount).toBeGreaterThan(count);
      expect([typeof name, typeof result]).toEqual(['string', 'string']);
    }
    const limited = await verdigris(['trace', '--syscalls', '--max-instructions', String(calls[1].count)]);
    expect(limited.stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(2);
  });

  it('traces an image that is not ours', async () => {
    // mov al, 7; out 0xf4, al
    const image = file('foreign.elf', pvhImage(new Uint8Array([0xb0, 7, 0xe6, 0xf4])));
    const { stdout, status } = await verdigris(['trace', image]);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^ +0 r0 0*100000 .*mov al, 0x7 +rax=0x7$/);
    expect(lines[1]).toMatch(/^ +1 r0 0*100002 .*out 0xf4, al/);
    expect(lines[2]).toContain('** the machine wrote 7 to the debug exit port');
    expect([lines.length, status]).toEqual([3, 0]);
  });

  it('shows interrupts between the instructions', async () => {
    const session = await verdigris(['step'], 'break accountTick\ncontinue\nquit\n');
    const count = Number(/^(\d+) ring 0 /m.exec(session.stdout.slice(session.stdout.indexOf('continue')))![1]);
    const { stdout } = await verdigris(['trace', '--from', String(count - 150), '--count', '150']);
    expect(stdout).toMatch(/^ +\*\* interrupt .*0x[0-9a-f]+/m);
  });

  it('says in one sentence what it cannot find', async () => {
    const unknown = await verdigris(['trace', '--from', 'nowhere']);
    expect([unknown.status, unknown.stdout]).toEqual([125, '']);
    expect(unknown.stderr).toMatch(
      /^verdigris: no image has a symbol 'nowhere'; give a symbol, an address \(0x\.\.\.\) or a count\n$/,
    );
    const beyond = await verdigris(['trace', '--from', '900000000000']);
    expect(beyond.stderr).toMatch(
      /^verdigris: the machine powered off with status 0 after \d+ instructions, before instruction 900000000000\n$/,
    );
  });
});

describe('verdigris step', () => {
  it('takes commands from a pipe and shows what the guest prints', async () => {
    const commands = 'break forkProcess\ncontinue\nbacktrace\nquit\n';
    const { status, stdout } = await verdigris(['step'], commands);
    expect(status).toBe(0);
    expect(stdout).toContain('(verdigris) break forkProcess\nbreakpoint 1 at forkProcess: 0xffffffff8');
    expect(stdout).toMatch(/^\| BOOTOK$/m);
    expect(stdout).toMatch(/#0 process\.fork\.forkProcess/);
  });

  it('ends with its input', async () => {
    expect((await verdigris(['step'], 'stepi\n')).status).toBe(0);
  });
});
