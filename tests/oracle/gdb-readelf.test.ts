import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emit } from '../../src/compiler/link/emit.ts';
import { debugSample } from '../compiler/dwarf/sample.ts';
import { nativeHost, tool } from './tools.ts';

const gdb = tool('gdb');
const readelf = tool('readelf');
const host = nativeHost();

describe.each([true, false])('debug information (optimize: %s)', (optimize) => {
  let folder = '';
  let path = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdigris-'));
    path = join(folder, 'sample');
    writeFileSync(path, emit(debugSample(), { optimize }).image, { mode: 0o755 });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const ask = (...commands: string[]): string => {
    const list = commands.flatMap((command) => ['-ex', command]);
    const { stdout, stderr } = spawnSync('gdb', ['-nx', '-batch', ...list, path], { encoding: 'utf8' });
    return stdout + stderr;
  };

  it.skipIf(!readelf.present)(readelf.title('is read by readelf without a warning'), () => {
    const { stdout, stderr } = spawnSync('readelf', ['--wide', '--all', '--debug-dump', path], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(stdout).not.toMatch(/warning|error|corrupt/i);
  });

  it.skipIf(!readelf.present)(readelf.title('maps addresses to lines, by readelf'), () => {
    const text = execFileSync('readelf', ['--debug-dump=decodedline', path], { encoding: 'utf8' });
    for (const line of [10, 12, 13, 14, 15, 17, 20, 21, 22])
      expect(text).toMatch(new RegExp(`list\\.ts\\s+${line}\\s+0x`));
  });

  it.skipIf(!gdb.present)(gdb.title('lists functions, types and lines, by gdb'), () => {
    expect(ask('info functions total')).toMatch(/10:\s+u64 total\(struct Process \*\);/);
    expect(ask('ptype struct Process').replace(/\s+/g, ' ')).toContain(
      'type = struct Process { u32 pid; enum State state; struct Process *next; u32 affinity[4]; struct Flags flags; }',
    );
    expect(ask('ptype struct Flags').replace(/\s+/g, ' ')).toContain('{ u32 present : 1; u32 frame : 20; }');
    expect(ask('info line list.ts:13')).toMatch(
      /Line 13 of "src\/kernel\/process\/list.ts" starts at address 0x[0-9a-f]+/,
    );
    expect(ask('print init')).toContain('pid = 7, state = Ready');
    expect(ask('print shell.pid')).toContain('= 35');
  });

  it.skipIf(!gdb.present || !host.present)(gdb.title('stops at file:line with the values of variables, by gdb'), () => {
    const text = ask(
      'break list.ts:14',
      'run',
      'print pid',
      'print sum',
      'print first->pid',
      'continue',
      'print pid',
      'print sum',
      'backtrace',
      'info locals',
    );
    expect(text).toMatch(/Breakpoint 1, total \(first=0x[0-9a-f]+ <init>\)/);
    const printed = [...text.matchAll(/\$\d+ = (\d+)/g)].map((match) => match[1]);
    expect(printed).toEqual(['7', '0', '7', '35', '7']);
    expect(text).toMatch(/#0 {2}total .*\n#1 .*_start \(\)/);
  });

  it.skipIf(!gdb.present || !host.present)(gdb.title('finds parameters at the first instruction, by gdb'), () => {
    expect(ask('break *total', 'run', 'print first->pid', 'backtrace')).toMatch(/\$1 = 7\n#0 {2}total .*\n#1 .*_start/);
  });
});
