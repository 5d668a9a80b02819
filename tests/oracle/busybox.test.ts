import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { boot, serial } from '../../src/index.ts';
import { ENGINE } from '../engine.ts';
import { kernelImage } from '../system/images.ts';
import { busybox, busyboxRoot, installApplets } from './busybox.ts';
import { nativeHost, needed } from './tools.ts';

const scripts = resolve(import.meta.dirname, '../system/scripts');
const LIMIT = 300_000_000;
const program = busybox();
const host = nativeHost();
const package_ = needed(program !== undefined, 'the Debian package busybox-static cannot be downloaded');
const runs = host.present && package_.present;

/** Starts a script in a directory of its own, as the host does. */
const RUN = 'mkdir -p /work && cd /work && HOME=/ exec sh /scripts/$1.sh 2>&1\n';

describe.skipIf(!runs)(host.title(package_.title('BusyBox on our kernel')), () => {
  let root: Uint8Array;
  let links: string;

  beforeAll(() => {
    kernelImage();
    links = installApplets(program as string);
    root = busyboxRoot(program as string, { 'run.sh': RUN });
  }, 300_000);

  const onLinux = (script: string) => {
    const cwd = mkdtempSync(join(tmpdir(), 'verdigris-work-'));
    const { stdout } = spawnSync(join(links, 'sh'), ['-c', `exec sh ${join(scripts, `${script}.sh`)} 2>&1`], {
      cwd,
      env: { PATH: links, HOME: '/' },
      encoding: 'utf8',
      input: '',
    });
    return stdout.replaceAll(`${scripts}/`, '/scripts/').split('\n');
  };

  describe('runs a script as on Linux, line by line:', () => {
    it.each(readdirSync(scripts).map((name) => name.replace(/\.sh$/, '')))(
      '%s',
      { timeout: 120_000 },
      async (script) => {
        const machine = await boot(kernelImage(), {
          ...ENGINE,
          initrd: root,
          commandLine: `init=/bin/sh /run.sh ${script}`,
        });
        const stop = machine.runSync({ maxInstructions: LIMIT });
        const text = machine.serial.text.replaceAll('\r', '');
        const output = text.slice(text.indexOf('BOOTOK\n') + 'BOOTOK\n'.length, text.lastIndexOf('[KERNEL]'));
        expect(output.split('\n')).toEqual(onLinux(script));
        expect(stop).toEqual({ reason: 'power-off', status: 0 });
      },
    );
  });

  describe('has an interactive shell with job control', () => {
    const PROMPT = '/ # ';
    const PATIENCE = 50_000_000;
    const BEGINNING = 1_500_000;

    /** Boots a shell; `type` waits for a text, and `start` until what was typed has had time to begin. */
    async function shell() {
      const machine = await boot(kernelImage(), { ...ENGINE, initrd: root, commandLine: 'init=/bin/sh -i' });
      const run = async (until: string | undefined, instructions: number) => {
        const before = machine.serial.text.length;
        const limits = { maxInstructions: machine.instructions + instructions };
        const stop = await machine.run(until === undefined ? limits : { ...limits, until: serial(until) });
        const text = machine.serial.text.slice(before).replaceAll('\r', '');
        expect(stop.reason, text).toBe(until === undefined ? 'limit' : 'condition');
        return text;
      };
      await run(PROMPT, PATIENCE);
      return {
        machine,
        type: (text: string, until = PROMPT) => {
          machine.serial.type(text);
          return run(until, PATIENCE);
        },
        start: (text: string) => {
          machine.serial.type(text);
          return run(undefined, BEGINNING);
        },
      };
    }

    it('interrupts, stops, continues and ends jobs by the keys and by kill', { timeout: 120_000 }, async () => {
      const { type, start } = await shell();
      expect(await start('sleep 1000\r')).toContain('sleep 1000');
      expect(await type('\x03')).toContain('^C');
      await start('sleep 1000\r');
      expect(await type('\x1a')).toMatch(/\[1\]\+ +Stopped +sleep 1000/);
      expect(await type('jobs\r')).toMatch(/\[1\]\+ +Stopped/);
      expect(await type('bg\r')).toContain('sleep 1000');
      expect(await type('jobs\r')).toMatch(/\[1\]\+ +Running/);
      expect(await type('ps\r')).toMatch(/ sleep\n| sleep 1000\n|\{sleep\}/);
      expect(await type('kill %1; wait %1; echo "status $?"\r')).toContain('status 143');
      expect(await type('(sleep 0.1; echo done) & wait; echo all\r')).toMatch(/done\nall/);
    });

    it('edits lines, and ends at Ctrl-D with its status', { timeout: 120_000 }, async () => {
      const { machine, type, start } = await shell();
      expect(await type('echo wrong\x7f\x7f\x7f\x7f\x7fright\r')).toContain('\nright\n');
      await start('cat > file\r');
      await start('typed line\r');
      await type('\x04');
      expect(await type('cat file\r')).toContain('\ntyped line\n');
      expect(await type('sh -c "exit 5"\r')).not.toContain('error');
      machine.serial.type('exit 6\r');
      expect(await machine.run({ maxInstructions: machine.instructions + PATIENCE })).toEqual({
        reason: 'power-off',
        status: 6,
      });
    });

    it('starts vi, which quits and has saved', { timeout: 120_000 }, async () => {
      const { type, start } = await shell();
      expect(await start('vi /tmp/note\r')).toContain('~');
      expect(await start('ihello from vi\x1b')).toContain('[Modified]');
      await type(':wq\r');
      expect(await type('cat /tmp/note\r')).toContain('\nhello from vi\n');
    });
  });
});
