import { describe, expect, it } from 'vitest';
import { Errno, mem, virt } from '../../src/compiler/library/index.ts';
import { isScript, parseScriptLine, SCRIPT_LINE_BYTES, ScriptLine } from '../../src/kernel/process/script.ts';
import { startMachine } from './fake-machine.ts';

const AT = 0xffff_9300_0000_0000n;
startMachine(1);

/** Interpreter and argument of a file that begins like this, or the error. */
function parse(text: string): unknown {
  const file = Buffer.alloc(Number(SCRIPT_LINE_BYTES));
  Buffer.from(text, 'latin1').copy(file);
  for (const [index, byte] of file.entries()) mem.store8(virt(AT + BigInt(index)), byte as never);
  const words = new ScriptLine();
  const parsed = parseScriptLine(virt(AT), words);
  if (!parsed.ok) return parsed.error;
  const cut = (start: bigint, length: bigint): string =>
    file.subarray(Number(start), Number(start + length)).toString('latin1');
  const interpreter = cut(words.interpreter, words.interpreterLength);
  return words.argumentLength === 0n ? [interpreter] : [interpreter, cut(words.argument, words.argumentLength)];
}

describe("a script's first line", () => {
  it.each([
    ['#!/bin/sh\necho', ['/bin/sh']],
    ['#! /bin/sh -e\n', ['/bin/sh', '-e']],
    ['#!\t /bin/awk  -f  x y \t \n', ['/bin/awk', '-f  x y']],
    ['#!/bin/sh', ['/bin/sh']],
    ['#!/bin/sh -x', ['/bin/sh', '-x']],
    ['#!sh\n', ['sh']],
    [`#!/bin/sh ${'a'.repeat(300)}`, ['/bin/sh', 'a'.repeat(245)]],
    ['#!/bin/sh\0-e\n', ['/bin/sh']],
  ])('%j names its interpreter and one argument', (text, words) => {
    expect(parse(text)).toEqual(words);
  });

  it.each(['', '#', '#!\n', '#!   \t\n', '!#/bin/sh\n', `#!${' '.repeat(300)}/bin/sh\n`, `#!/${'x'.repeat(300)}`])(
    '%j names none',
    (text) => {
      expect(parse(text)).toBe(Errno.ENOEXEC);
    },
  );

  it('may name nothing, which is the current directory', () => {
    expect([parse('#!'), parse('#! ')]).toEqual([Errno.EACCES, Errno.EACCES]);
  });

  it('is told from other files by its first two bytes', () => {
    parse('#!x');
    expect(isScript(virt(AT))).toBe(true);
    parse('#x!');
    expect(isScript(virt(AT))).toBe(false);
  });
});
