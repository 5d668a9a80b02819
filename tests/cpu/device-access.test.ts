import { describe, expect, it } from 'vitest';
import type { CpuBus } from '../../src/cpu/bus.ts';
import { Cpu } from '../../src/cpu/cpu.ts';
import { CODE, DATA, emptyBus, enterLongMode } from './long-mode.ts';
import { Oracle, type Processor } from './oracle.ts';
import { Random } from './random-programs.ts';

/** Mapped, with a device in place of RAM. */
const DEVICE = 0x2000_0000;
const IDT = 0x8000;
const GDT = 0x9000;
const HANDLER = 0xa000;
const VECTOR = 0x40;
const STACK = CODE - 0x1000;
const HLT = 0xf4;
const MEMORY_BYTES = 4 << 20;

/** Device memory that logs its accesses with the instruction count, and raises an interrupt at some of them. */
class Device {
  readonly log: string[] = [];
  processor: Processor | undefined;
  isPending = false;
  readonly #cells = new Map<number, number>();
  readonly #raises: (access: number) => boolean;
  #accesses = 0;
  /** Called by an access that raises an interrupt. */
  onRaise = () => {};

  constructor(raises: (access: number) => boolean) {
    this.#raises = raises;
  }

  #byte(address: number): number {
    return this.#cells.get(address) ?? (address * 37) & 0xff;
  }

  #note(access: string): void {
    this.log.push(`${this.processor!.instructionCount} ${access}`);
    if (!this.#raises(this.#accesses++)) return;
    this.isPending = true;
    this.onRaise();
  }

  bus(): CpuBus {
    return {
      ...emptyBus,
      readPhysical: (address, width) => {
        let value = 0n;
        for (let i = width - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#byte(address + i));
        this.#note(`read${width} ${address - DEVICE} ${value}`);
        return width === 8 ? value : Number(value);
      },
      writePhysical: (address, width, value) => {
        for (let i = 0; i < width; i++) {
          this.#cells.set(address + i, Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
        }
        this.#note(`write${width} ${address - DEVICE} ${value}`);
      },
      pendingInterrupt: () => this.isPending,
      acknowledgeInterrupt: () => {
        const { state, instructionCount } = this.processor!;
        this.log.push(`${instructionCount} interrupt at ${state.rip}, flags ${state.rflags}`);
        this.isPending = false;
        return VECTOR;
      },
    };
  }
}

const engines = [
  ['interpreter', (bus: CpuBus) => new Cpu({ memoryBytes: MEMORY_BYTES, bus, engine: 'interpreter' })],
  ['translator', (bus: CpuBus) => new Cpu({ memoryBytes: MEMORY_BYTES, bus, engine: 'translator' })],
] as const;
const oracle = (bus: CpuBus) => new Oracle({ memoryBytes: MEMORY_BYTES, bus });

/** RBX points to the device, RSI into it, RDI into RAM; interrupts are on and their handler writes to the device and returns. */
function prepared(create: (bus: CpuBus) => Processor, code: readonly number[], raises: (access: number) => boolean) {
  const device = new Device(raises);
  const processor = create(device.bus());
  device.processor = processor;
  enterLongMode(processor, [...code, HLT]);
  const { state } = processor;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  words.setBigUint64(IDT + 16 * VECTOR, BigInt(HANDLER) | (8n << 16n) | (0x8e00n << 32n), true);
  words.setBigUint64(GDT + 8, 0x00af_9b00_0000_ffffn, true);
  words.setBigUint64(GDT + 16, 0x00cf_9300_0000_ffffn, true);
  // mov [rbx + 0x40], edx; inc r15; iretq
  state.guestRam.set([0x89, 0x53, 0x40, 0x49, 0xff, 0xc7, 0x48, 0xcf], HANDLER);
  state.set64('idtrBase', BigInt(IDT));
  state.set('idtrLimit', 0xfff);
  state.set64('gdtrBase', BigInt(GDT));
  state.set('gdtrLimit', 23);
  state.setGpr(3, BigInt(DEVICE));
  state.setGpr(6, BigInt(DEVICE + 0x80));
  state.setGpr(7, BigInt(DATA));
  state.rflags = 0x202;
  return { processor, device };
}

function outcome(create: (bus: CpuBus) => Processor, code: readonly number[], raises: (access: number) => boolean) {
  const { processor, device } = prepared(create, code, raises);
  let exit = processor.run(200_000);
  while (exit.reason === 'stop') exit = processor.run(200_000);
  const { state } = processor;
  const registers = Array.from({ length: 16 }, (_, index) => state.gpr(index));
  const memory = [...state.guestRam.subarray(DATA, DATA + 64), ...state.guestRam.subarray(STACK - 64, STACK)];
  const { rip, rflags } = state;
  return { exit: exit.reason, count: processor.instructionCount, log: device.log, registers, memory, rip, rflags };
}

describe.each(engines)('a device access in the %s', (_, create) => {
  it('that changes the next instruction and raises an interrupt is followed by the interrupt', () => {
    // mov ecx, 3; l: mov [rbx], eax; add edx, 1; dec ecx; jnz l
    const code = [0xb9, 3, 0, 0, 0, 0x89, 0x03, 0x81, 0xc2, 1, 0, 0, 0, 0xff, 0xc9, 0x75, 0xf4];
    const constant = CODE + 9;
    const { processor, device } = prepared(create, code, (access) => access === 1);
    processor.state.setGpr(2, 0n);
    device.onRaise = () => {
      processor.state.guestRam[constant] = 0x10;
      if (processor instanceof Cpu) processor.invalidateCode(constant, 1);
    };
    while (processor.run(200_000).reason === 'stop');
    expect(device.log.filter((line) => line.includes('interrupt'))).toEqual(['6 interrupt at 65543, flags 514']);
    expect(processor.state.gpr(2)).toBe(0x21n);
  });

  it('sees the instructions before its own as retired', () => {
    // nop; mov [rbx], eax; nop; mov ecx, [rbx + 4]; add [rbx + 8], ecx
    const code = [0x90, 0x89, 0x03, 0x90, 0x8b, 0x4b, 0x04, 0x01, 0x4b, 0x08];
    const counts = outcome(create, code, () => false).log.map((line) => line.split(' ').slice(0, 2).join(' '));
    expect(counts).toEqual(['1 write4', '3 read4', '4 read4', '4 write4']);
  });

  it('is interrupted behind its own instruction, between the two of a compare and its jump', () => {
    // cmp [rbx], eax; jz +0
    const { log } = outcome(create, [0x39, 0x03, 0x74, 0x00], (access) => access === 0);
    expect(log.slice(0, 3)).toEqual([
      expect.stringMatching('^0 read4 0'),
      expect.stringMatching(`^1 interrupt at ${CODE + 2},`),
      expect.stringMatching('^1 write4 64'),
    ]);
  });

  it('is interrupted once interrupts are on again when it raised one while they were off', () => {
    // cli; mov [rbx], eax; nop; sti; nop; nop
    const { log } = outcome(create, [0xfa, 0x89, 0x03, 0x90, 0xfb, 0x90, 0x90], (access) => access === 0);
    expect(log[1]).toMatch(`5 interrupt at ${CODE + 6},`);
  });

  it('stops the processor behind its instruction when the device asks for it', () => {
    // mov [rbx], eax; nop
    const { processor } = prepared(create, [0x89, 0x03, 0x90], () => {
      (processor as Cpu).requestStop();
      return false;
    });
    expect(processor.run(1000).reason).toBe('stop');
    expect(processor.instructionCount).toBe(1);
    expect(processor.state.rip).toBe(BigInt(CODE + 2));
  });

  it('is executed by one step, which leaves the interrupt to the next', () => {
    const { processor, device } = prepared(create, [0x89, 0x03, 0x90], () => true);
    processor.step();
    expect([processor.state.rip, device.isPending]).toEqual([BigInt(CODE + 2), true]);
    processor.step();
    expect([processor.state.rip, device.isPending]).toEqual([BigInt(HANDLER), false]);
  });

  it('ends a budget where it should, however the run is cut', () => {
    const code = [...LOOP_START, 0x89, 0x03, 0xff, 0xc0, 0x8b, 0x4b, 0x04, ...loopEnd(7)];
    const raises = (access: number) => access % 5 === 2;
    const whole = outcome(create, code, raises);
    const { processor, device } = prepared(create, code, raises);
    for (let count = 1; processor.run(count).reason === 'budget'; count++)
      expect(processor.instructionCount).toBe(count);
    expect(device.log).toEqual(whole.log);
  });
});

/** mov ebp, 40, and what closes the loop around the bytes behind it: dec ebp; jnz */
const LOOP_START = [0xbd, 40, 0, 0, 0];
const loopEnd = (length: number): number[] => [0xff, 0xcd, 0x0f, 0x85, ...fourBytes(-(length + 8))];

function fourBytes(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}

/** Accesses to the device, and what surrounds them. Displacements stay below 0x40. */
const INSTRUCTIONS: readonly ((random: Random) => number[])[] = [
  (random) => [0x89, 0x43, random.below(0x3c)],
  (random) => [0x8b, 0x43, random.below(0x3c)],
  (random) => [0x48, 0x89, 0x4b, random.below(0x38)],
  (random) => [0x48, 0x8b, 0x4b, random.below(0x38)],
  (random) => [0x88, 0x43, random.below(0x3f)],
  (random) => [0x0f, 0xb7, 0x53, random.below(0x3e)],
  (random) => [0xc7, 0x43, random.below(0x3c), ...fourBytes(random.below(1 << 20))],
  (random) => [0x01, 0x43, random.below(0x3c)],
  (random) => [0x03, 0x43, random.below(0x3c)],
  (random) => [0xf0, 0xff, 0x43, random.below(0x3c)],
  (random) => [0x39, 0x43, random.below(0x3c), 0x74, 0x02, 0xff, 0xc2],
  (random) => [0xf7, 0x43, random.below(0x3c), 1, 0, 0, 0, 0x75, 0x03, 0x8b, 0x53, 0x10],
  (random) => [0xff, 0x73, random.below(0x38), 0x8f, 0x43, random.below(0x38)],
  (random) => [0x87, 0x43, random.below(0x3c)],
  (random) => [0xf3, 0x0f, 0x6f, 0x43, random.below(0x30), 0xf3, 0x0f, 0x7f, 0x43, random.below(0x30)],
  // lea rax, [rip + 6]; mov [rbx + 0x30], rax; jmp [rbx + 0x30]
  () => [0x48, 0x8d, 0x05, 7, 0, 0, 0, 0x48, 0x89, 0x43, 0x30, 0xff, 0x63, 0x30],
  // lea rsi, [rbx + 0x60]; lea rdi, [data]; mov ecx, 5; rep movsb
  () => [0x48, 0x8d, 0x73, 0x60, 0xbf, ...fourBytes(DATA), 0xb9, 5, 0, 0, 0, 0xf3, 0xa4],
  // lea rdi, [rbx + 0x70]; mov ecx, 3; rep stosd
  () => [0x48, 0x8d, 0x7b, 0x70, 0xb9, 3, 0, 0, 0, 0xf3, 0xab],
  // mov [rbx + 0xffe], eax: out of the device's page
  () => [0x89, 0x83, 0xfe, 0x0f, 0, 0],
  () => [0xfa],
  () => [0xfb],
  () => [0x9c, 0x58],
  () => [0x01, 0xd0],
  () => [0xff, 0xc1],
  () => [0x90],
];

it.each(engines)(
  'random programs of device accesses and interrupts do in the %s what they do one by one',
  (_, create) => {
    const random = new Random(20_261_124);
    for (let program = 0; program < 30; program++) {
      const body = Array.from({ length: 3 + random.below(12) }, () =>
        INSTRUCTIONS[random.below(INSTRUCTIONS.length)]!(random),
      ).flat();
      const code = [...LOOP_START, ...body, ...loopEnd(body.length), 0xfb, 0x90, 0x90];
      const period = 1 + random.below(9);
      const raises = (access: number) => access % period === 0 && access < 400;
      expect(outcome(create, code, raises), `program ${program}`).toEqual(outcome(oracle, code, raises));
    }
  },
);
