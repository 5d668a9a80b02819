import { describe, it } from 'vitest';
import { tool } from '../oracle/tools.ts';

// Never run: promises.test.ts reads what titles it declares.
const gdb = tool('gdb');
const COUNT = 2;
const NAMES = { one: 1, 'two words': 2 } as const;

describe('a group', () => {
  it('a test', () => {});
  it.each([
    ['first', 1],
    ['second', 2],
  ])('%s of a row', () => {});
  it.skipIf(!gdb.present)(gdb.title('needs gdb'), () => {});
  it(`template of ${COUNT} parts`, () => {});
  for (const [name] of Object.entries(NAMES)) it(name, () => {});
  it.todo('not yet');
});

describe.skip('left out', () => {
  it('with the group', () => {});
});
