import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { tool } from '../oracle/tools.ts';
import { Terminal } from './terminal.ts';
import { program } from './verdigris.ts';

const script = tool('script');
const verdigris = `${process.execPath} ${program}`;
const home = mkdtempSync(join(tmpdir(), 'verdigris-home-'));
const history = join(home, '.verdigris_history');

let terminal: Terminal | undefined;
afterEach(() => terminal?.kill());
afterAll(() => rmSync(home, { recursive: true }));

/** The command between two reports of the terminal's settings, then its status. */
const open = (command: string, environment: Readonly<Record<string, string>> = {}): Terminal => {
  terminal = new Terminal(`stty -a; ${verdigris} ${command}; echo "status $?"; stty -a; echo over`, environment);
  return terminal;
};

/** The settings before the command and after it. */
function settings(text: string): string[] {
  return [...text.matchAll(/^speed.*?echoprt[^\n]*$/gms)].map(([found]) => found);
}

describe.skipIf(!script.present)(script.title('boot in a terminal'), { timeout: 120_000 }, () => {
  it("types into the guest's shell, shows help with Ctrl-A h, leaves with Ctrl-A x and gives the terminal back", async () => {
    const session = open("boot --append 'init=/bin/sh'");
    await session.shows('$ ');
    const answer = await session.type('run hello one two\r', 'status 7');
    expect(answer).toMatch(/^hello from process \d+ one two$/m);
    expect(await session.type('\x01h', 'Ctrl-A x')).toContain('leave the machine');
    // Ctrl-C is the guest's: the machine goes on.
    await session.type('\x03', '');
    expect(await session.type('\rhelp\r', 'run PROGRAM')).not.toContain('status');
    await session.type('\x01x', 'over');
    expect(session.text).toContain('status 0');
    expect(await session.ended).toBe(0);
    const [before, after] = settings(session.text);
    expect(before).toMatch(/ icanon .* echo /s);
    expect(after).toBe(before);
  });

  it('gives the terminal back when it is terminated', async () => {
    terminal = new Terminal(
      `stty -a; sh -c 'echo process $$; exec ${verdigris} boot --append init=/bin/sh'; stty -a; echo over`,
    );
    await terminal.shows('$ ');
    process.kill(Number(/^process (\d+)$/m.exec(terminal.text)![1]), 'SIGTERM');
    await terminal.shows('over');
    const [before, after] = settings(terminal.text);
    expect(after).toBe(before);
  });
});

describe.skipIf(!script.present)(script.title('step in a terminal'), { timeout: 120_000 }, () => {
  it('completes commands and symbols with Tab, repeats with an empty line, and keeps its history in a file', async () => {
    const session = open('step', { HOME: home });
    await session.shows('(verdigris) ');
    expect(await session.type('breakp\t', 'breakpoints')).toBe('breakpoints');
    await session.type('\r', 'no breakpoints');
    await session.type('break pvhEn\t', 'pvhEntry');
    await session.type('\r', 'breakpoint 1 at pvhEntry');
    expect(await session.type('stepi\r', '1 ring 0')).toContain('boot.entry.boot.pvhEntry');
    await session.type('\r', '2 ring 0');
    await session.type('quit\r', 'over');
    expect(session.text).toContain('status 0');
    expect(readFileSync(history, 'utf8').split('\n').slice(0, -1)).toEqual([
      'breakpoints',
      'break pvhEntry',
      'stepi',
      'quit',
    ]);
    expect(statSync(history).mode & 0o777).toBe(0o600);
    const [before, after] = settings(session.text);
    expect(after).toBe(before);
  });

  it('has the history of the last session under the arrow keys', async () => {
    const session = open('step', { HOME: home });
    await session.shows('(verdigris) ');
    await session.type('\x1b[A', 'quit');
    await session.type('\x1b[A', 'stepi');
    await session.type('\r', '1 ring 0');
    await session.type('quit\r', 'status 0');
  });

  it('interrupts a running machine with Ctrl-C', async () => {
    const session = open("step --append 'init=/bin/sleep 3600000'", { HOME: home });
    await session.shows('(verdigris) ');
    await session.type('continue\r', 'BOOTOK');
    expect(await session.type('\x03', '(verdigris) ')).toContain('interrupted');
    await session.type('quit\r', 'status 0');
  });

  it('says in one sentence when the history cannot be kept', async () => {
    const other = mkdtempSync(join(tmpdir(), 'verdigris-home-'));
    mkdirSync(join(other, '.verdigris_history'));
    const session = open('step', { HOME: other });
    await session.shows('(verdigris) ');
    await session.type('quit\r', 'over');
    expect(session.text).toMatch(/^verdigris: cannot write the history .*: it is a directory\nstatus 125$/m);
    rmSync(other, { recursive: true });
  });
});
