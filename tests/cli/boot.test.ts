import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/images.ts';
import { concatenate, elfImage, multibootHeader, pvhImage } from '../machine/image-builder.ts';
import { file, scratch, verdigris } from './verdigris.ts';

afterAll(() => rmSync(scratch, { recursive: true }));

const MOV_DX_COM1 = [0x66, 0xba, 0xf8, 0x03];
const OUT_DX_AL = 0xee;
const print = (text: string) => [
  ...MOV_DX_COM1,
  ...[...text].flatMap((letter) => [0xb0, letter.charCodeAt(0), OUT_DX_AL]),
];
const out8 = (port: number, value: number) => [0xb0, value, 0xe6, port];
/** mov dx, 0x604; mov ax, 0x2000; out dx, ax */
const POWER_OFF = [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef];
/** Sends the zero-terminated string at ESI: lodsb; test al, al; jz +3; out dx, al; jmp -8 */
const SEND_STRING = [...MOV_DX_COM1, 0xac, 0x84, 0xc0, 0x74, 0x03, OUT_DX_AL, 0xeb, 0xf8];
/** Echoes until '.': wait for LSR.DR; in al, dx; out dx, al; cmp al, '.'; jnz -21 */
const ECHO_TO_DOT = [
  0x66,
  0xba,
  0xfd,
  0x03,
  0xec,
  0xa8,
  0x01,
  0x74,
  0xfb,
  ...MOV_DX_COM1,
  0xec,
  OUT_DX_AL,
  0x3c,
  0x2e,
  0x75,
  0xeb,
];

let images = 0;
const image = (...code: number[]) => file(`guest${images++}.elf`, pvhImage(new Uint8Array(code)));
const boot = (path: string, ...options: string[]) => verdigris(['boot', path, '--memory', '4M', ...options]);

describe('the exit status', () => {
  it.each([
    ['is (v << 1) | 1 for a write of v to port 0xf4', [...print('hi\n'), ...out8(0xf4, 0x10)], [], 0x21],
    [
      'is the status left at port 0xf5 when the guest powers off',
      [...print('hi\n'), ...out8(0xf5, 7), ...POWER_OFF],
      [],
      7,
    ],
    ['is 0 when --exit-on matches', [...print('hi\n'), 0xeb, 0xfe], ['--exit-on', 'hi'], 0],
    ['is 124 at the instruction limit', [...print('hi\n'), 0xeb, 0xfe], ['--max-instructions', '1_000'], 124],
    ['is 126 for a triple fault', [...print('hi\n'), 0x0f, 0x0b], [], 126],
    ['is 126 for a halt with interrupts off', [...print('hi\n'), 0xfa, 0xf4], [], 126],
  ])('%s', async (_name, code, options, status) => {
    const outcome = await boot(image(...code), ...options);
    expect(outcome.status).toBe(status);
    expect(outcome.stdout).toMatch(/^hi/);
    expect(outcome.stderr.split('\n').length).toBeLessThanOrEqual(2);
  });

  it.each([
    [
      'a file that is not there',
      ['/nowhere/kernel.elf'],
      'cannot read the image /nowhere/kernel.elf: there is no such file',
    ],
    ['a folder', ['/'], 'cannot read the image /: it is a directory'],
    [
      'a file that is no kernel',
      [import.meta.filename],
      'the image has neither a PVH note nor a Multiboot 1 header, and is no Linux bzImage',
    ],
    [
      'an absurd memory size',
      [import.meta.filename, '--memory', '9G'],
      'the memory size 9G is not a multiple of 4 KiB between 1M and 3G',
    ],
    [
      'an initrd that is not there',
      [import.meta.filename, '--initrd', '/nowhere'],
      'cannot read the initrd /nowhere: there is no such file',
    ],
  ])('is 125, with one sentence, for %s', async (_name, options, sentence) => {
    expect(await verdigris(['boot', ...options])).toEqual({
      status: 125,
      stdout: '',
      stderr: `verdigris: ${sentence}\n`,
    });
  });

  it('is 2 for a command line that makes no sense', async () => {
    const outcome = await verdigris(['boot', '--max-instructions', 'many']);
    expect(outcome.status).toBe(2);
    expect(outcome.stderr).toContain('It is not a whole number.');
  });
});

describe('the kernel gets', () => {
  it('its command line and its initrd', async () => {
    // mov esi, [ebx + 24]; send; mov esi, [ebx + 16]; mov esi, [esi]; send
    const code = [0x8b, 0x73, 24, ...SEND_STRING, 0x8b, 0x73, 16, 0x8b, 0x36, ...SEND_STRING, ...out8(0xf4, 0)];
    const outcome = await boot(image(...code), '--append', 'init=/bin/x ', '--initrd', file('initrd', 'payload\0'));
    expect(outcome).toMatchObject({ stdout: 'init=/bin/x payload', status: 1 });
  });

  it('its command line and its initrd from Multiboot 1, too', async () => {
    // mov esi, [ebx + 16]; send; mov esi, [ebx + 24]; mov esi, [esi]; send
    const code = [0x8b, 0x73, 16, ...SEND_STRING, 0x8b, 0x73, 24, 0x8b, 0x36, ...SEND_STRING, ...out8(0xf4, 0)];
    const data = concatenate(multibootHeader(0), new Uint8Array(code));
    const kernel = elfImage({ bits: 32, entry: 0x10_000c, segments: [{ physicalAddress: 0x10_0000, data }] });
    const path = file('multiboot.elf', kernel);
    const outcome = await boot(path, '--append', 'one two:', '--initrd', file('module', 'payload\0'));
    expect(outcome).toMatchObject({ stdout: 'multiboot.elf one two:payload', status: 1 });
  });

  it('what comes in on standard input', async () => {
    const outcome = await verdigris(
      ['boot', image(...ECHO_TO_DOT, ...out8(0xf4, 0)), '--memory', '4M'],
      'over the pipe.',
    );
    expect(outcome).toMatchObject({ stdout: 'over the pipe.', status: 1 });
  });
});

describe('--rootfs DIRECTORY', () => {
  it('makes a directory of the host the root of the file system, from which init is taken', async () => {
    const folder = join(scratch, 'root');
    mkdirSync(folder);
    cpSync(join(packageRoot(), 'images/bin/hello'), join(folder, 'hello'));
    chmodSync(join(folder, 'hello'), 0o755);
    const { stdout, status } = await verdigris(['boot', '--rootfs', folder, '--append', 'init=/hello one']);
    expect(stdout).toContain('hello from process 1 one');
    expect(status).toBe(7);
  });
});

describe('the report', () => {
  it('ends a run on stderr with --stats', async () => {
    const { stderr } = await boot(image(...print('ok'), ...out8(0xf4, 0)), '--stats');
    expect(stderr).toMatch(/^instructions 7$/m);
    expect(stderr).toMatch(/^stopped the machine wrote 0 to the debug exit port$/m);
    expect(stderr).toMatch(/^state hash [0-9a-f]{16}$/m);
  });

  it('is one line of JSON with --json', async () => {
    const { stderr } = await boot(image(...print('ok'), ...out8(0xf4, 0)), '--json');
    expect(JSON.parse(stderr)).toMatchObject({
      stop: 'debug-exit',
      exitStatus: 1,
      instructions: 7,
      virtualNanoseconds: 7,
    });
  });

  it('names what the machine lacks with --warnings', async () => {
    const { stderr } = await boot(image(...out8(0xde, 0), ...out8(0x13, 0), ...out8(0xf4, 0)), '--warnings');
    expect(stderr).toBe('warning: bus: port 0x13 is not implemented\n');
  });
});

describe('a recorded session', () => {
  it('replays to the same output, instruction count and state hash', async () => {
    const path = image(...ECHO_TO_DOT, ...out8(0xf4, 0));
    const session = file('session.json', '');
    const live = await verdigris(['boot', path, '--memory', '4M', '--record', session, '--json'], 'abc.');
    expect(JSON.parse(readFileSync(session, 'utf8'))[0].bytes).toContain(0x61);
    const again = await boot(path, '--replay', session, '--json');
    expect(again.stdout).toBe(live.stdout);
    const facts = (text: string) => {
      const { instructions, stateHash } = JSON.parse(text);
      return { instructions, stateHash };
    };
    expect(facts(again.stderr)).toEqual(facts(live.stderr));
  });
});

describe('the help', () => {
  it('lists the verbs, and for each its options, exit statuses and examples', async () => {
    const general = await verdigris(['--help']);
    expect(general.status).toBe(0);
    for (const verb of ['boot', 'build', 'exec']) expect(general.stdout).toContain(verb);
    const { stdout, status } = await verdigris(['boot', '--help']);
    expect(status).toBe(0);
    for (const text of [
      '--initrd',
      '--append',
      '--memory',
      '--max-instructions',
      '--exit-on',
      '--stats',
      '--json',
      'Ctrl-A x',
      'Examples:',
      '125',
    ]) {
      expect(stdout).toContain(text);
    }
  });
});
