import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { CODE, DATA, emptyBus, enterLongMode, longModeCpu } from './long-mode.ts';
import { Random } from './random-programs.ts';

const HLT = 0xf4;
const bytes32 = (value: number) => [0, 8, 16, 24].map((shift) => (value >> shift) & 0xff);

/** Instructions that set, replace, keep and read flags, with and without immediates; jumps go to the next instruction or over one of two bytes. */
function instruction(random: Random): number[] {
  const registers = 0xc0 | (random.below(4) << 3) | random.below(4);
  const low = random.below(4);
  switch (random.below(12)) {
    case 0:
      return [0x05, ...bytes32(random.below(2 ** 31))];
    case 1:
      return [0x81, 0xc0 | (random.below(8) << 3) | low, ...bytes32(random.below(2 ** 31))];
    case 2:
      return [0xb8 + low, ...bytes32(random.below(2 ** 31))];
    case 3:
      return [random.pick([0x01, 0x29, 0x31, 0x11, 0x19, 0x39, 0x85]), registers];
    case 4:
      return [0xc1, random.pick([0xc0, 0xc8, 0xe0, 0xe8, 0xf8]) | low, random.below(34)];
    case 5:
      return [0x0f, 0x90 | random.below(16), 0xc0 | low];
    case 6:
      return [0x9f];
    case 7:
      return [0xff, random.pick([0xc0, 0xc8]) | low];
    case 8:
      return [0x70 | random.below(16), random.below(2) * 2];
    case 9:
      return [0x8b, 0x40 | (low << 3) | 6, random.below(64)];
    case 10:
      return [0x89, 0x40 | (low << 3) | 6, random.below(64)];
    default:
      return random.pick([[0x90], [0xf5], [0x66, 0x90], [0x0f, 0x1f, 0x00], [0xf9]]);
  }
}

function start(cpu: Cpu): void {
  cpu.state.rip = BigInt(CODE);
  cpu.state.rflags = 2;
  for (let register = 0; register < 4; register++) cpu.state.setGpr(register, BigInt(register * 0x1357));
  cpu.state.setGpr(6, BigInt(DATA));
  cpu.state.set('halted', 0);
  cpu.guestRam.fill(0, DATA, DATA + 0x1000);
}

function stateOf({ state, instructionCount }: Cpu, before: number): string {
  const registers = [0, 1, 2, 3].map((register) => state.gpr(register).toString(16));
  return [instructionCount - before, state.rip.toString(16), state.rflags.toString(16), ...registers].join(' ');
}

function run(cpu: Cpu, limit: number): string {
  const before = cpu.instructionCount;
  start(cpu);
  const { reason } = cpu.run(before + limit);
  return `${reason} ${stateOf(cpu, before)}`;
}

describe.each(['interpreter', 'translator'] as const)('code whose bytes change, with the %s', (engine) => {
  const kept = longModeCpu([HLT], emptyBus, 4 << 20, { engine });
  const fresh = longModeCpu([HLT], emptyBus, 4 << 20, { engine: 'interpreter' });

  /** Writes the same into both, and tells one what, the other that it knows nothing any more. */
  function write(bytes: readonly number[], at: number): void {
    kept.guestRam.set(bytes, at);
    kept.invalidateCode(at, bytes.length);
    fresh.guestRam.set(bytes, at);
    fresh.refresh();
  }

  for (let seed = 1; seed <= 8; seed++) {
    it(`means what it means now, changed again and again: seed ${seed}`, () => {
      const random = new Random(seed);
      for (const cpu of [kept, fresh]) enterLongMode(cpu, [HLT]);
      const code = Array.from({ length: 24 }, () => instruction(random));
      write([...code.flat(), HLT, HLT, HLT, HLT], CODE);
      for (let round = 0; round < 100; round++) {
        for (let changes = random.below(3) + 1; changes > 0; changes--) {
          const place = random.below(code.length);
          const at = CODE + code.slice(0, place).flat().length;
          const old = code[place]!;
          let changed = instruction(random);
          if (random.chance(2, 3)) {
            for (let tries = 0; changed.length !== old.length && tries < 60; tries++) changed = instruction(random);
          }
          if (changed.length === old.length) {
            const first = random.chance(1, 2) ? changed.findIndex((byte, index) => byte !== old[index]) : 0;
            code[place] = changed;
            if (first >= 0) write(changed.slice(first), at + first);
          } else {
            code[place] = changed;
            write([...code.flat(), HLT, HLT, HLT, HLT], CODE);
          }
        }
        const limit = random.chance(1, 2) ? 1000 : random.below(30) + 1;
        expect(run(kept, limit), `round ${round}`).toBe(run(fresh, limit));
      }
    });
  }

  it('sees the flags of an instruction whose successor begins to read them', () => {
    // add eax, ebx; add eax, ecx; the second becomes setc bl and a NOP
    write([0x01, 0xd8, 0x81, 0xc0, 1, 0, 0, 0, HLT], CODE);
    run(kept, 100);
    write([0x0f, 0x92, 0xc3, 0x66, 0x90, 0x90], CODE + 2);
    expect(run(kept, 100)).toBe(run(fresh, 100));
  });

  it('sees that an undefined instruction becomes a defined one by its last byte', () => {
    // 0f 0b (UD2) faults; without handlers the processor shuts down. 0f 1f 00 is a NOP.
    for (const second of [0x0b, 0x1f]) {
      write([0x0f, second, 0x00, HLT], CODE);
      start(kept);
      expect(kept.run(kept.instructionCount + 10).reason).toBe(second === 0x0b ? 'shutdown' : 'halt');
      write([0x0b], CODE + 1);
      start(kept);
      expect(kept.run(kept.instructionCount + 10).reason).toBe('shutdown');
      write([0x1f], CODE + 1);
      start(kept);
      expect(kept.run(kept.instructionCount + 10).reason).toBe('halt');
    }
  });

  it('changes an instruction that goes on in the next page by bytes in either', () => {
    const at = CODE + 4096 - 2;
    for (const [place, bytes] of [
      [at, [0x05, 1, 2, 3, 4, HLT]],
      [at + 4, [0x55]],
      [at + 1, [0x66]],
      [at, [0x2d]],
    ] as const) {
      write([...bytes], place);
      for (const cpu of [kept, fresh]) {
        start(cpu);
        cpu.state.rip = BigInt(at);
        cpu.run(cpu.instructionCount + 10);
      }
      expect(kept.state.gpr(0)).toBe(fresh.state.gpr(0));
    }
    expect(kept.state.gpr(0)).toBe(BigInt.asUintN(32, -0x5503_0266n));
  });

  it('faults where a changed instruction goes on in a page that is gone', () => {
    const directory = 0x3000;
    enterLongMode(kept, [HLT]);
    // jmp to an instruction that begins before DATA: add eax, imm32
    write([0xe9, ...bytes32(DATA - 2 - (CODE + 5))], CODE);
    write([0x05, 1, 2, 3, 4, HLT], DATA - 2);
    start(kept);
    kept.guestRam.set([0x05, 1, 2, 3, 4, HLT], DATA - 2);
    expect(kept.run(kept.instructionCount + 10).reason).toBe('halt');
    write([0x2d], DATA - 2);
    kept.guestRam.fill(0, directory + 8, directory + 16);
    start(kept);
    expect(kept.run(kept.instructionCount + 10).reason).toBe('shutdown');
  });
});
