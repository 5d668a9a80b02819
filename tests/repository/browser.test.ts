import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Takes away what Node has and a browser has not, then uses the API as it is built. */
const SCRIPT = `
const { existsSync, readFileSync } = await import('node:fs');
const print = process.stdout.write.bind(process.stdout);
const image = (name) => new Uint8Array(readFileSync('images/' + name));
const [kernel, initrd] = [image('kernel.elf'), image('initramfs.cpio')];
for (const name of ['process', 'Buffer', 'global', 'setImmediate', 'clearImmediate', 'require']) delete globalThis[name];
const { boot, compile, serial } = await import(${JSON.stringify(join(root, 'dist/index.js'))});
const machine = await boot(kernel, { initrd, commandLine: 'init=/bin/sh', memory: '64M' });
await machine.until(serial('$ '));
machine.serial.type('run hello\\r');
print(JSON.stringify(await machine.until(serial('hello from process'))) + '\\n');
const host = { readFile: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined) };
const { image: program, diagnostics } = await compile({ entry: 'src/user/hello.ts', kind: 'user', host });
print(diagnostics.length + ' ' + (program.length > 1000) + '\\n');
`;

it('the API boots, types and compiles where there is nothing of Node', { timeout: 120_000 }, () => {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout.split('\n').slice(1)).toEqual(['0 true', '']);
});
