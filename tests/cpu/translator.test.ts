import { describe, expect, it } from 'vitest';
import type { CpuBus } from '../../src/cpu/bus.ts';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { X87_REGISTERS } from '../../src/cpu/layout.ts';
import { CODE, DATA, emptyBus, enterLongMode, longModeCpu } from './long-mode.ts';
import {
  BASE,
  FUEL,
  HANDLERS,
  INTERRUPT_VECTOR,
  JUMP_TABLE,
  Random,
  RandomProgram,
  WINDOW,
  WINDOW_PAGES,
  WINDOW_TABLE,
} from './random-programs.ts';

const IDT = DATA + 0x10000;
const RUN_LIMIT = 60_000;
/** Physical addresses that programs use, from and to. */
const COMPARED = [
  [0, CODE + 0x10000],
  [DATA, DATA + 0x12000],
  [WINDOW_TABLE, WINDOW_TABLE + 0x1000],
] as const;

/** Exceptions of a vector, whose stubs are so many bytes. */
const STUB_BYTES = 0x34;
const EXCEPTIONS = 32;
const WITH_ERROR_CODE = [8, 10, 11, 12, 13, 14, 17];
/** PUSH RAX, ADD QWORD [R15+0x3f00], 1, POP RAX, IRETQ. */
const INTERRUPT_HANDLER = [0x50, 0x49, 0x83, 0x87, 0, 0x3f, 0, 0, 1, 0x58, 0x48, 0xcf];
const INTERRUPT_STUB = HANDLERS + EXCEPTIONS * STUB_BYTES;
/** A quadword that takes in each exception's vector, CR2, RIP and error code, in their order. */
const SEQUENCE = [0x08, 0x3f, 0, 0];
const CODE_BYTES = [CODE & 0xff, (CODE >> 8) & 0xff, CODE >> 16, 0];

/** Notes the exception in SEQUENCE and begins the program again, with the fuel that is left. */
function exceptionHandler(vector: number): number[] {
  const addRax = [0x49, 0x01, 0x87, ...SEQUENCE];
  const noted = WITH_ERROR_CODE.includes(vector) ? [[0x58], addRax] : [];
  return [
    ...[0x49, 0xc1, 0x87, ...SEQUENCE, 7], // rol qword [sequence], 7
    ...[0x49, 0x83, 0xb7, ...SEQUENCE, vector], // xor qword [sequence], vector
    ...noted.flat(), // pop rax; add [sequence], rax
    ...[0x0f, 0x20, 0xd0, ...addRax], // mov rax, cr2; add [sequence], rax
    ...[0x58, ...addRax, 0x68, ...CODE_BYTES], // pop rax; add [sequence], rax; push CODE
    ...[0x48, 0xcf], // iretq
  ];
}

/** A processor to compare, used for one program after the other, and a way to raise an interrupt. */
class Subject {
  readonly cpu: Cpu;
  #pending = false;

  constructor(options: Pick<CpuOptions, 'engine' | 'translator'>) {
    const bus: CpuBus = {
      ...emptyBus,
      pendingInterrupt: () => this.#pending,
      acknowledgeInterrupt: () => {
        this.#pending = false;
        return INTERRUPT_VECTOR;
      },
    };
    this.cpu = longModeCpu([], bus, 8 << 20, options);
  }

  interrupt(): void {
    this.#pending = true;
  }

  load(program: RandomProgram, seed: number): void {
    this.#pending = false;
    this.cpu.instructionCount = 0;
    for (const [from, to] of COMPARED) this.cpu.state.guestRam.fill(0, from, to);
    enterLongMode(this.cpu, program.code);
    writeProgram(this.cpu, program, seed);
  }
}

/** Data, an IDT with handlers, a GDT for them, and random registers. */
function writeProgram(cpu: Cpu, program: RandomProgram, seed: number): void {
  const { state } = cpu;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  state.guestRam.set(program.data, DATA);
  for (let vector = 0; vector < EXCEPTIONS; vector++) {
    state.guestRam.set(exceptionHandler(vector), HANDLERS + vector * STUB_BYTES);
  }
  state.guestRam.set(INTERRUPT_HANDLER, INTERRUPT_STUB);
  mapWindow(words, new Random(seed ^ 0x1b873593));
  program.table.forEach((rip, entry) => {
    words.setBigUint64(JUMP_TABLE + entry * 8, BigInt(rip), true);
  });
  // A 64-bit code segment for the gates: descriptor 1 of a GDT behind the IDT.
  words.setBigUint64(IDT + 0x1000 + 8, 0x00af9b000000ffffn, true);
  state.set64('gdtrBase', BigInt(IDT + 0x1000));
  state.set('gdtrLimit', 0x17);
  words.setBigUint64(IDT + 0x1000 + 16, 0x00cf93000000ffffn, true);
  for (let vector = 0; vector < 256; vector++) {
    const handler = BigInt(
      vector === INTERRUPT_VECTOR ? INTERRUPT_STUB : HANDLERS + (vector % EXCEPTIONS) * STUB_BYTES,
    );
    words.setBigUint64(
      IDT + vector * 16,
      (handler & 0xffffn) | (8n << 16n) | (0x8e00n << 32n) | ((handler >> 16n) << 48n),
      true,
    );
  }
  state.set64('idtrBase', BigInt(IDT));
  state.set('idtrLimit', 0xfff);
  const random = new Random(seed ^ 0x5bd1e995);
  for (let register = 0; register < 16; register++) {
    if (register !== 4)
      state.setGpr(register, BigInt(random.below(2 ** 32)) * BigInt(random.pick([1, 1, 0x1_0000_0001])));
  }
  state.setGpr(BASE, BigInt(DATA));
  state.setGpr(FUEL, BigInt(100 + random.below(500)));
  state.rflags = 0x202;
  cpu.refresh();
}

/** Small pages of the window over pages of the data, some of them absent or read-only. */
function mapWindow(words: DataView, random: Random): void {
  const directory = 0x3000 + 8 * (WINDOW >> 21);
  words.setBigUint64(directory, BigInt(WINDOW_TABLE) | 3n, true);
  for (let page = 0; page < 512; page++) {
    const rights = page < WINDOW_PAGES ? random.pick([3, 3, 3, 1, 0]) : 0;
    words.setBigUint64(WINDOW_TABLE + 8 * page, BigInt(DATA + 4096 * random.below(4)) | BigInt(rights), true);
  }
}

/** Registers, counts and the fault address, as text. */
function registersOf({ cpu }: Subject): string {
  const { state } = cpu;
  const registers = Array.from({ length: 16 }, (_, register) => state.gpr(register).toString(16));
  const vectors = Array.from({ length: 16 }, (_, register) => Buffer.from(state.xmm(register)).toString('hex'));
  vectors.push(Buffer.from(state.u8.subarray(X87_REGISTERS, X87_REGISTERS + 128)).toString('hex'));
  const x87 = [state.get('x87Status'), state.get('x87Tag')];
  const special = [state.rip, state.rflags, state.get64('cr2'), state.get('mxcsr'), ...x87, cpu.instructionCount];
  return [...registers, ...vectors, ...special.map((value) => value.toString(16))].join(' ');
}

/** The lowest physical address at which the memories differ, -1 when they do not. */
function differingByte(first: Subject, second: Subject): number {
  for (const [from, to] of COMPARED) {
    const [a, b] = [first, second].map(({ cpu }) => cpu.state.guestRam.subarray(from, to));
    if (Buffer.compare(a!, b!) !== 0) return from + a!.findIndex((byte, offset) => byte !== b![offset]);
  }
  return -1;
}

/** Runs both to random instruction counts, with interrupts in between, and compares at each. @returns the first difference */
function compare(reference: Subject, candidate: Subject, seed: number): string | undefined {
  const program = new RandomProgram(seed);
  reference.load(program, seed);
  candidate.load(program, seed);
  const random = new Random(seed ^ 0x2545f491);
  for (let until = 0; until < RUN_LIMIT; ) {
    until += 1 + random.below(random.pick([20, 1000, 5000]));
    const stops = [reference, candidate].map(({ cpu }) => cpu.run(until).reason);
    const [expected, actual] = [reference, candidate].map(registersOf);
    const differing = differingByte(reference, candidate);
    if (stops[0] !== stops[1] || expected !== actual || differing >= 0) {
      return `seed ${seed}, at ${until}: ${stops[0]} / ${stops[1]}, memory ${differing}\n${expected}\n${actual}`;
    }
    if (stops[0] !== 'budget') return undefined;
    if (random.chance(1, 3)) for (const each of [reference, candidate]) each.interrupt();
  }
  return undefined;
}

const PROGRAMS = 5000;

/** @returns the first differences among programs of consecutive seeds */
function differencesIn(first: number, count: number, options: Pick<CpuOptions, 'engine' | 'translator'>): string[] {
  const reference = new Subject({ engine: 'interpreter' });
  const candidate = new Subject(options);
  const differences: string[] = [];
  for (let seed = first; seed < first + count && differences.length < 3; seed++) {
    const difference = compare(reference, candidate, seed);
    if (difference !== undefined) differences.push(difference);
  }
  expect(candidate.cpu.translator?.statistics.regions).toBeGreaterThan(count / 2);
  return differences;
}

describe('the translator does what the interpreter does', () => {
  it(`in ${PROGRAMS} random programs, whatever is reached translated at once`, { timeout: 300_000 }, () => {
    expect(differencesIn(1, PROGRAMS, { engine: 'translator' })).toEqual([]);
  });

  it('in random programs with regions of one instruction', { timeout: 300_000 }, () => {
    expect(differencesIn(10_001, 500, { engine: 'translator', translator: { regionLimit: 1 } })).toEqual([]);
  });
});
