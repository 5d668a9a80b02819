import { describe, expect, it } from 'vitest';
import type { TranslatorOptions } from '../../src/cpu/translator/translator.ts';
import { CODE, emptyBus, longModeCpu } from './long-mode.ts';

const FUNCTIONS = 12;
/** A page each: a page whose code changes too often is left alone by the translator. */
const FUNCTION_BYTES = 0x1000;
const FIRST = 0x1000;
const ROUNDS = 14;

const bytes32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff);

/** A loop that calls small functions one after the other, after changing a constant in one of them. */
function patchingProgram(): number[] {
  const code = new Array<number>(FIRST + FUNCTIONS * FUNCTION_BYTES).fill(0xcc);
  // mov ecx, ROUNDS; xor eax, eax; xor esi, esi
  const head = [0xb9, ...bytes32(ROUNDS), 0x31, 0xc0, 0x31, 0xf6];
  const body: number[] = [];
  for (let i = 0; i < FUNCTIONS; i++) {
    const patched = CODE + FIRST + ((i * 7) % FUNCTIONS) * FUNCTION_BYTES + 1;
    const at = head.length + body.length;
    // mov [patched], ecx; call function i
    body.push(...[0x89, 0x0c, 0x25], ...bytes32(patched));
    body.push(0xe8, ...bytes32(FIRST + i * FUNCTION_BYTES - (at + 12)));
  }
  const loop = head.length;
  const behind = loop + body.length + 8;
  code.splice(0, behind, ...head, ...body, 0xff, 0xc9, 0x0f, 0x85, ...bytes32(loop - behind));
  code[behind] = 0xf4;
  for (let i = 0; i < FUNCTIONS; i++) {
    // mov edx, imm32; mov edi, 1000; l: add eax, edx; rol eax, 3; dec edi; jnz l; ret
    const body32 = [0xba, 0, 0, 0, 0, 0xbf, 0xe8, 3, 0, 0, 0x01, 0xd0, 0xc1, 0xc0, 3, 0xff, 0xcf, 0x75, 0xf7, 0xc3];
    code.splice(FIRST + i * FUNCTION_BYTES, body32.length, ...body32);
  }
  return code;
}

/** State after each of many short runs. */
function trace(options: { engine: 'interpreter' | 'auto'; translator?: Partial<TranslatorOptions> }): string[] {
  const cpu = longModeCpu(patchingProgram(), emptyBus, 8 << 20, options);
  const states: string[] = [];
  for (let until = 0; ; until += 733) {
    const { reason } = cpu.run(until);
    const { rip } = cpu.state;
    states.push([reason, cpu.instructionCount, rip, cpu.state.gpr(0), cpu.state.gpr(1), cpu.state.rflags].join(' '));
    if (reason !== 'budget') return states;
  }
}

describe('code that is patched all the time, run in short slices', () => {
  const expected = trace({ engine: 'interpreter' });

  it('ends', () => {
    expect(expected.at(-1)).toMatch(/^halt /);
  });

  for (const translator of [
    { threshold: 1, batch: 1 },
    { threshold: 1, batch: 16 },
    { threshold: 2, batch: 3, regionLimit: 4 },
  ]) {
    it(`means the same translated with ${JSON.stringify(translator)}`, () => {
      expect(trace({ engine: 'auto', translator })).toEqual(expected);
    });
  }
});
