import { expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import { emptyBus, longModeCpu } from './long-mode.ts';

const FUNCTIONS = 300;
const ROUNDS = 4;
const CAPACITY = 30_000;
const STEP = 9_973;

/** A loop over functions that each have a loop of their own: more code than fits. */
function manyFunctions(): number[] {
  const numbers = Array.from({ length: FUNCTIONS }, (_, number) => number);
  const calls = numbers.map((number) => `call f${number}`).join('\n');
  const bodies = numbers.map(
    (number) => `
      f${number}:
        mov ecx, ${20 + (number % 7)}
      l${number}:
        imul eax, eax, ${number * 2 + 3}
        add eax, [rbx + ${8 * (number % 64)}]
        xor [rbx + ${8 * ((number * 5) % 64)}], eax
        sub ecx, 1
        jne l${number}
        ret`,
  );
  const text = `
      mov rbx, 0x200000
      mov r8d, ${ROUNDS}
      mov eax, 1
    again:
      ${calls}
      sub r8d, 1
      jne again
      hlt
      ${bodies.join('\n')}`;
  return [...assemble(text, 64).bytes];
}

it('keeps translated code within its capacity, however much code runs, with the same results', () => {
  const code = manyFunctions();
  const reference = longModeCpu(code, emptyBus, 8 << 20, { engine: 'interpreter' });
  const translator = { regionLimit: 40, capacity: CAPACITY };
  const candidate = longModeCpu(code, emptyBus, 8 << 20, { engine: 'translator', translator });
  const { statistics } = candidate.translator!;
  let largest = 0;
  for (let until = STEP; ; until += STEP) {
    const [expected, actual] = [reference, candidate].map((cpu) => {
      const { reason } = cpu.run(until);
      return [reason, cpu.instructionCount, cpu.state.rip, cpu.state.gpr(0), cpu.state.rflags];
    });
    expect(actual).toEqual(expected);
    largest = Math.max(largest, statistics.bytes);
    if (expected![0] !== 'budget') break;
  }
  expect(statistics.evicted).toBeGreaterThan(FUNCTIONS);
  expect(largest).toBeGreaterThan(CAPACITY / 2);
  expect(largest).toBeLessThan(CAPACITY * 1.5);
});
