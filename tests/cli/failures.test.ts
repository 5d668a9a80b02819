import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { file, type Outcome, program, scratch, verdigris } from './verdigris.ts';

afterAll(() => rmSync(scratch, { recursive: true }));

const root = resolve(import.meta.dirname, '../..');
const noRecording = file('object.json', '{"time":1}');
const badTimes = file('times.json', '[{"time":"soon","bytes":[1]}]');
const brokenJson = file('broken.json', '[{');
const huge = file('huge.bin', '');
truncateSync(huge, 5 * 2 ** 30);
const zeros = file('zeros.bin', '');
truncateSync(zeros, 300 * 2 ** 20);

/** What each verb says to what it cannot do: the sentence, and the exit status. */
const REFUSALS: readonly [line: string, status: number, sentence: string][] = [
  ['frobnicate', 2, "unknown command 'frobnicate'"],
  ['--frobnicate', 2, "unknown option '--frobnicate'"],
  ['boot --frobnicate', 2, "unknown option '--frobnicate'"],
  ['boot one two', 2, "too many arguments for 'boot'. Expected 1 argument but got 2."],
  ['boot --memory', 2, "option '--memory <size>' argument missing"],
  ['boot --memory -5', 125, 'the memory size -5 is not a multiple of 4 KiB between 1M and 3G'],
  ['boot --engine fast', 2, "argument 'fast' is invalid. Allowed choices are interpreter, translator, auto."],
  ['boot --max-instructions 1.5', 2, "argument '1.5' is invalid. It is not a whole number."],
  ['boot --max-instructions=', 2, "argument '' is invalid. It is not a whole number."],
  ['boot --exit-on=', 125, '--exit-on needs a text to wait for'],
  ['boot --replay /nowhere', 125, 'cannot read the recording /nowhere: there is no such file'],
  [`boot --replay ${brokenJson}`, 125, 'is no recording: boot --record writes a list of times and bytes in JSON'],
  [`boot --replay ${noRecording}`, 125, 'is no recording: boot --record writes a list of times and bytes in JSON'],
  [`boot --replay ${badTimes}`, 125, 'is no recording: boot --record writes a list of times and bytes in JSON'],
  ['boot --record /nowhere/session', 125, 'cannot write the recording /nowhere/session: there is no such directory'],
  ['boot --initrd /', 125, 'cannot read the initrd /: it is a directory'],
  [`boot ${huge}`, 125, 'it is larger than 2 GiB'],
  [`boot ${zeros}`, 125, 'the image has neither a PVH note nor a Multiboot 1 header, and is no Linux bzImage'],
  [`boot --initrd ${zeros}`, 125, 'a module of 314572800 bytes does not fit into memory'],
  ['build everything', 2, "too many arguments for 'build'. Expected 0 arguments but got 1."],
  ['trace /nowhere', 125, 'cannot read the image /nowhere: there is no such file'],
  ['trace --count few', 2, "argument 'few' is invalid. It is not a whole number."],
  ['trace --function nowhere', 125, "no image has a symbol 'nowhere'; give a symbol, an address (0x...) or a count"],
  ['trace --from 0xyz', 125, "no image has a symbol '0xyz'; give a symbol, an address (0x...) or a count"],
  ['step /nowhere', 125, 'cannot read the image /nowhere: there is no such file'],
  ['exec', 2, 'exec needs instruction bytes in hexadecimal, as in: verdigris exec 4801d8 rax=1'],
  ['exec --cases 90', 2, 'exec --cases reads the cases from standard input and takes no bytes as argument'],
  ['bench --only nothing', 125, 'there is no guest nothing; there are integer-mix,'],
  ['bench --rounds some', 2, "argument 'some' is invalid. It is not a whole number."],
];

function expectOneSentence({ stderr, status }: Outcome, sentence: string, expected: number): void {
  expect(stderr).toContain(sentence);
  expect(stderr).not.toMatch(/^ {4}at |internal error|Error:/m);
  const lines = stderr.trimEnd().split('\n');
  expect(lines.filter((line) => line !== '(add --help for what is possible)')).toHaveLength(1);
  expect(status).toBe(expected);
}

describe('bad input of every verb is answered by one sentence, a status that is not 0, and no stack trace', () => {
  it.each(REFUSALS)('verdigris %s', async (line, status, sentence) => {
    const outcome = await verdigris(line.split(' '));
    expect(outcome.stdout).toBe('');
    expectOneSentence(outcome, sentence, status);
  });

  it('verdigris build, where images/ cannot be written', async () => {
    const copy = join(scratch, 'package');
    mkdirSync(join(copy, 'node_modules'), { recursive: true });
    for (const name of ['bin', 'dist', 'src', 'package.json'])
      cpSync(join(root, name), join(copy, name), { recursive: true });
    for (const name of ['chalk', 'commander'])
      symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name));
    writeFileSync(join(copy, 'images'), 'a file, no directory');
    const outcome = await verdigris(['build'], '', join(copy, 'bin/verdigris.js'));
    expectOneSentence(
      outcome,
      `cannot write the image ${copy}/images/kernel.elf: a part of the path is not a directory`,
      125,
    );
  });
});

/** Runs a verb whose reader goes away at its first byte. @returns what it said on stderr, and its status */
function withoutReader(line: string, input: string | undefined): Promise<{ stderr: string; status: number | null }> {
  return new Promise((settle) => {
    const child = spawn(process.execPath, [program, ...line.split(' ')], { env: { ...process.env, NO_COLOR: '1' } });
    let stderr = '';
    child.stdout.once('data', () => child.stdout.destroy());
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.stdin.on('error', () => {});
    const feeding = input === undefined ? undefined : setInterval(() => child.stdin.write(input), 5);
    if (input === undefined) child.stdin.end();
    child.on('exit', (status) => {
      clearInterval(feeding);
      settle({ stderr, status });
    });
  });
}

describe('a reader that goes away (verdigris ... | head -1) ends the verb quietly', () => {
  it.each([
    ['--help', undefined],
    ['boot', undefined],
    ['boot --append init=/bin/sh', 'help\r'],
    ['build', undefined],
    ['trace', undefined],
    ['trace --syscalls --json', undefined],
    ['step', 'stepi\n'],
    ['exec --cases', `${'id=1 code=90\n'.repeat(2000)}`],
  ])('verdigris %s', async (line, input) => {
    expect(await withoutReader(line, input)).toEqual({ stderr: '', status: 0 });
  });
});

describe('a full disk behind stdout', () => {
  it.skipIf(process.platform !== 'linux').each(['build', 'exec 90', 'trace --count 5', 'boot', 'step', '--help'])(
    'verdigris %s says so in one sentence',
    async (line) => {
      const { stderr, status } = await new Promise<Outcome>((settle) => {
        const child = spawn('sh', ['-c', `exec ${process.execPath} ${program} ${line} > /dev/full < /dev/null`]);
        let text = '';
        child.stderr.setEncoding('utf8').on('data', (piece) => {
          text += piece;
        });
        child.on('close', (code) => settle({ stdout: '', stderr: text, status: code }));
      });
      expect(stderr).toContain('cannot write the text to standard output: there is no space left on the disk');
      expect(stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(status).toBe(125);
    },
  );
});
