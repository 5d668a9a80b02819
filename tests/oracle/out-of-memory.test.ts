import { describe, expect, it } from 'vitest';
import { compileStatic, onVerdigris } from './linux-program.ts';
import { tool } from './tools.ts';

const present = tool('musl-gcc');

describe.skipIf(!present.present)(present.title('when memory runs out'), () => {
  it('the process that has most of it is killed, and nobody else', { timeout: 120_000 }, async () => {
    const { lines, status } = await onVerdigris(compileStatic('musl-gcc', 'out-of-memory'), '32M');
    expect(lines).toEqual([
      ...Array<string>(3).fill('a child that wants everything: killed by signal 9'),
      'the bystander lives: 0',
      'bystander: killed by signal 9',
      'there is memory again',
    ]);
    expect(status).toBe(0);
  });
});
