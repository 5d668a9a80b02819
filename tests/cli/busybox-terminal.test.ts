import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { busybox } from '../oracle/busybox.ts';
import { needed, tool } from '../oracle/tools.ts';
import { Terminal } from './terminal.ts';
import { program } from './verdigris.ts';

const script = tool('script');
const found = busybox();
const present = needed(found !== undefined, 'the Debian package busybox-static cannot be downloaded');

it.skipIf(!script.present || !present.present)(
  script.title(
    present.title("a terminal is BusyBox's: pipes, Ctrl-C at a job, and its exit status is that of verdigris"),
  ),
  { timeout: 120_000 },
  async () => {
    const root = mkdtempSync(join(tmpdir(), 'verdigris-root-'));
    mkdirSync(join(root, 'bin'));
    cpSync(found!, join(root, 'bin/busybox'));
    for (const name of ['sh', 'echo', 'tr', 'sleep', 'ls']) symlinkSync('busybox', join(root, 'bin', name));
    const command = `${process.execPath} ${program} boot --rootfs ${root} --append init=/bin/sh`;
    const session = new Terminal(`${command}; echo "left with $?"`);
    try {
      await session.shows('/ # ');
      expect(await session.type('echo one two | tr a-z A-Z\r', 'ONE TWO')).toContain('echo one two');
      await session.type('sleep 1000\r', 'sleep 1000');
      // The first Ctrl-C may come before the shell has handed the terminal to its job, and is then nobody's.
      const again = setInterval(() => void session.type('\x03', ''), 2000);
      await session.type('\x03', '/ # ').finally(() => clearInterval(again));
      expect(await session.type('ls /bin\r', 'tr')).toContain('busybox');
      await session.type('exit 6\r', 'left with 6');
      expect(await session.ended).toBe(0);
    } finally {
      session.kill();
      rmSync(root, { recursive: true });
    }
  },
);
