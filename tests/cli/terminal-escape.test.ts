import { expect, it } from 'vitest';
import { TerminalEscape } from '../../src/cli/terminal-escape.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const filter = (decoder: TerminalEscape, text: string) => {
  const { passed, command } = decoder.filter(bytes(text));
  return [new TextDecoder().decode(passed), command];
};

it.each([
  ['plain text', 'ls -l\r\x03', 'ls -l\r\x03', undefined],
  ['Ctrl-A x', 'a\x01xb', 'ab', 'leave'],
  ['Ctrl-A h', '\x01h', '', 'help'],
  ['Ctrl-A a', 'a\x01ab', 'a\x01b', undefined],
  ['Ctrl-A Ctrl-A', '\x01\x01', '\x01', undefined],
  ['Ctrl-A and anything else', '\x01zq', 'q', undefined],
])('%s', (_name, typed, passed, command) => {
  expect(filter(new TerminalEscape(), typed)).toEqual([passed, command]);
});

it('a sequence that arrives in two pieces', () => {
  const decoder = new TerminalEscape();
  expect(filter(decoder, 'a\x01')).toEqual(['a', undefined]);
  expect(filter(decoder, 'x')).toEqual(['', 'leave']);
});
