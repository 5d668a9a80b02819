/**
 * SYSCALL, SYSRET, IRETQ, STAC, CLAC and the delivery of events in the semantics against their TypeScript functions: while stores are
 * observed, the semantics leave every one of them to its function.
 */
import { describe, expect, it } from 'vitest';
import type { CpuBus } from '../../src/cpu/bus.ts';
import type { Cpu, CpuOptions } from '../../src/cpu/cpu.ts';
import { CS, SS, TR } from '../../src/cpu/layout.ts';
import { Access } from '../../src/cpu/system/page-walk.ts';
import { CODE, emptyBus, enterLongMode, longModeCpu } from './long-mode.ts';
import { Random } from './random-programs.ts';

/** Random states an instruction. Each is new code to the translator, which takes a while. */
const INTERPRETED = 500;
const TRANSLATED = 80;
/** Descriptor tables, stacks and the TSS, in a page that only the supervisor may touch. */
const SYSTEM = 0x40_0000;
const [GDT, IDT, TSS, STACK, KERNEL_STACK] = [
  SYSTEM,
  SYSTEM + 0x1000,
  SYSTEM + 0x3000,
  SYSTEM + 0x5000,
  SYSTEM + 0x8000,
];
const PAGE_DIRECTORY_ENTRY = 0x3000 + 8 * (SYSTEM >> 21);
const HANDLER = CODE + 0x800;
const INTERRUPT = 0x40;
/** Where control is to go on: an endless loop, for as many instructions as make the engines go on at full speed. */
const TARGET = CODE + 0x400;
const LOOP = [0xeb, 0xfe];
const RUN = 1000;
const KERNEL_CODE = { selector: 0x08, attributes: 0xa09b };
const USER_CODE = { selector: 0x23, attributes: 0xa0fb };

/** A jump, so that what follows is reached by a link and translated at once. */
const JUMP = [0xeb, 0x00];
const INSTRUCTIONS: Readonly<Record<string, readonly number[]>> = {
  SYSCALL: [0x0f, 0x05],
  SYSRET: [0x48, 0x0f, 0x07],
  SYSRET32: [0x0f, 0x07],
  IRETQ: [0x48, 0xcf],
  IRET: [0xcf],
  STAC: [0x0f, 0x01, 0xcb],
  CLAC: [0x0f, 0x01, 0xca],
};
/** An exception without an error code, one with it, and an interrupt before a NOP. */
const EVENTS: Readonly<Record<string, readonly number[]>> = {
  '#UD': [0x0f, 0x0b],
  '#PF': [0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0x40],
  interrupt: [0x90],
};
const EVERYTHING = { ...INSTRUCTIONS, ...EVENTS };

/** Descriptors by selector: kernel's and user's code and data, then such as must be refused, changed or treated apart. */
const DESCRIPTORS = [
  ...[0n, 0x00af9b000000ffffn, 0x00cf93000000ffffn, 0x00cff3000000ffffn, 0x00affb000000ffffn, 0x00affa000000ffffn],
  ...[0x00cff2000000ffffn, 0x00af9f000000ffffn, 0x00cffb000000ffffn, 0x00af7b000000ffffn, 0x12cff312345678ffn],
  ...[0x00cff1000000ffffn, 0x00008b000000ffffn, 0x00effb000000ffffn, 0x00affb000000ffffn, 0x00cf73000000ffffn],
];
const FLAG_BITS = [0, 2, 4, 6, 7, 9, 9, 9, 10, 11, 12, 13, 18, 19, 20, 21];
const RARE_FLAG_BITS = [8, 14, 16, 17];
const NOT_CANONICAL = 0x8000_0000_0000n;

class Subject {
  readonly cpu: Cpu;
  isPending = false;

  constructor(options: Pick<CpuOptions, 'engine' | 'translator'>, isObserved: boolean) {
    const bus: CpuBus = { ...emptyBus, pendingInterrupt: () => this.isPending, acknowledgeInterrupt: () => INTERRUPT };
    this.cpu = longModeCpu([], bus, 8 << 20, options);
    if (isObserved) this.cpu.onStore = () => {};
  }
}

function randomFlags(random: Random): number {
  let flags = 2;
  for (const bit of FLAG_BITS) if (random.chance(1, 3)) flags |= 1 << bit;
  for (const bit of RARE_FLAG_BITS) if (random.chance(1, 25)) flags |= 1 << bit;
  if (random.chance(3, 4)) flags &= ~(1 << 18);
  return flags;
}

function randomSelector(random: Random): number {
  if (random.chance(1, 12)) return random.below(4);
  const selector = random.chance(3, 4) ? random.pick([0x08, 0x10, 0x1b, 0x23]) : random.below(18) * 8;
  return random.chance(1, 12) ? selector | random.below(8) : selector;
}

/** A frame for IRETQ that is mostly good: the kernel's selectors or the user's. */
function writeFrame(words: DataView, random: Random, flags: number): void {
  const [code, data] = random.pick([
    [0x08, random.pick([0x10, 0])],
    [0x23, 0x1b],
    [random.pick([0x23, 0x2b]), random.pick([0x1b, 0x33])],
    [randomSelector(random), randomSelector(random)],
  ] as const);
  const target = random.chance(1, 20) ? NOT_CANONICAL : BigInt(TARGET);
  const frame = [target, BigInt(code), BigInt(flags) | (0xabn << 40n), BigInt(STACK - 0x100), BigInt(data)];
  frame.forEach((value, slot) => {
    words.setBigUint64(STACK + 8 * slot, value, true);
  });
}

/** The gate of every vector: mostly an interrupt gate to the kernel's code. @param isOdd whether it may be anything */
function writeGates(words: DataView, random: Random, isOdd: boolean): void {
  const selector = isOdd ? randomSelector(random) : 8;
  const type = isOdd ? random.pick([0x8e, 0x8f, 0xee, 0x0e, 0x8c, 0x85, 0x9e]) : 0x8e;
  const stack = isOdd ? random.below(3) : 0;
  const low = (BigInt(HANDLER) & 0xffffn) | (BigInt(selector) << 16n);
  const high = BigInt((type << 8) | stack) | ((BigInt(HANDLER) >> 16n) << 16n);
  const upper = isOdd && random.chance(1, 10) ? 0x8000n : 0n;
  for (let vector = 0; vector < 256; vector++) {
    words.setBigUint64(IDT + 16 * vector, low | (high << 32n), true);
    words.setBigUint64(IDT + 16 * vector + 8, upper, true);
  }
}

function writeTables(words: DataView): void {
  DESCRIPTORS.forEach((descriptor, index) => {
    words.setBigUint64(GDT + 8 * index, descriptor, true);
  });
  words.setBigUint64(TSS + 4, BigInt(KERNEL_STACK), true);
  words.setBigUint64(TSS + 0x24, BigInt(KERNEL_STACK - 0x800), true);
}

/** Runs the target's loop in a ring, so that it is found there without a look-up. */
function warmUp(cpu: Cpu, code: typeof USER_CODE): void {
  const { state } = cpu;
  Object.assign(state.cs, code);
  state.updateMode();
  state.rip = BigInt(TARGET);
  cpu.run(cpu.instructionCount + 2);
  Object.assign(state.cs, KERNEL_CODE);
  state.updateMode();
  state.rip = BigInt(CODE);
}

/** As if the supervisor had used its tables and stacks before. */
function fillTlb({ system }: Cpu): void {
  for (let page = SYSTEM; page < SYSTEM + 0x9000; page += 0x1000) {
    for (const access of [Access.SYSTEM, Access.USER_PAGES_ALLOWED]) system.tlb.fill(page, 0, access | Access.WRITE);
  }
}

/** The same random state of a processor about to execute the instruction. */
function prepare({ cpu }: Subject, name: string, seed: number): void {
  const random = new Random(seed);
  const { state } = cpu;
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  state.guestRam.fill(0, SYSTEM, SYSTEM + 0x9000);
  enterLongMode(cpu, [...JUMP, ...EVERYTHING[name]!]);
  words.setBigUint64(PAGE_DIRECTORY_ENTRY, BigInt(SYSTEM) | 0x83n, true);
  state.guestRam[HANDLER] = 0xf4;
  state.guestRam.set(LOOP, TARGET);
  writeTables(words);
  writeGates(words, random, name in EVENTS && random.chance(1, 2));
  state.set64('gdtrBase', BigInt(GDT));
  state.set('gdtrLimit', random.chance(1, 10) ? 0x20 : 0x7f);
  state.set64('idtrBase', BigInt(IDT));
  state.set('idtrLimit', random.chance(1, 20) ? 0x1f : 0xfff);
  Object.assign(state.segments[TR]!, {
    selector: 0x60,
    base: BigInt(TSS),
    limit: random.chance(1, 20) ? 8 : 0x67,
    attributes: 0x8b,
  });
  if (random.chance(1, 2)) state.set64('cr4', state.get64('cr4') | (1n << 21n));
  if (random.chance(1, 4)) state.set64('cr0', state.get64('cr0') | (1n << 18n));
  state.set64('efer', random.chance(1, 15) ? 0xd00n : 0xd01n);
  state.set64('star', (BigInt(random.pick([8, 9, 0xfff7])) << 32n) | (BigInt(random.pick([0x13, 0x10])) << 48n));
  state.set64('lstar', BigInt(TARGET));
  state.set64('sfmask', BigInt(randomFlags(random) ^ (random.chance(1, 2) ? -1 : 0)) & 0xffff_ffffn);
  cpu.refresh();
  warmUp(cpu, random.pick([USER_CODE, KERNEL_CODE]));
  if (random.chance(3, 4)) fillTlb(cpu);
  for (const segment of [0, 3, 4, 5]) {
    const null_ = { selector: random.below(4), attributes: 0x1_0000, limit: 0, base: 0n };
    const flat = (selector: number, attributes: number) => ({ selector, attributes, limit: 0xffff_ffff, base: 0n });
    const parts = random.pick([
      null_,
      { ...null_, selector: 0 },
      flat(0x1b, 0xc0f3),
      flat(0x1b, 0xc0f3),
      flat(0x10, 0xc093),
    ]);
    Object.assign(state.segments[segment]!, parts);
  }
  if (random.chance(1, 3) || name === 'SYSCALL') {
    Object.assign(state.segments[CS]!, USER_CODE);
    Object.assign(state.segments[SS]!, { selector: 0x1b, attributes: 0xc0f3 });
  }
  writeFrame(words, random, randomFlags(random));
  for (let register = 0; register < 16; register++) state.setGpr(register, BigInt(random.below(2 ** 32)) << 16n);
  state.setGpr(1, random.chance(1, 10) ? NOT_CANONICAL : BigInt(TARGET));
  state.setGpr(11, BigInt(randomFlags(random)));
  state.setGpr(
    4,
    name in EVENTS && random.chance(1, 8) ? BigInt(random.pick([8, 0x5000_0000])) : BigInt(STACK + random.below(9)),
  );
  state.set('nmiBlocked', random.chance(1, 8) ? 1 : 0);
  state.set('nmiPending', random.chance(1, 16) ? 1 : 0);
  state.rflags = randomFlags(random) & (random.chance(3, 4) ? ~(1 << 9) : -1) & ~(1 << 17);
}

/** Everything that may differ, and what is derived against how it is derived. */
function outcomeOf({ cpu }: Subject): string {
  const { state } = cpu;
  const derived = () => [state.mode, state.get('tlbRead'), state.fetchContext].join();
  const before = derived();
  state.updateMode();
  const text = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value);
  const memory = Buffer.from(state.guestRam.subarray(SYSTEM, SYSTEM + 0x9000))
    .toString('hex')
    .replace(/(00)+/g, '.');
  return `${before === derived()} ${JSON.stringify(cpu.save(), text)} ${memory}`;
}

/** @returns the first seed whose outcomes differ, with the outcomes */
function difference(name: string, cases: number, options: Pick<CpuOptions, 'engine' | 'translator'>): unknown {
  const subjects = [new Subject({ engine: 'interpreter' }, true), new Subject(options, false)] as const;
  for (let seed = 1; seed <= cases; seed++) {
    const exits = subjects.map((subject) => {
      subject.isPending = seed % 3 === 0;
      prepare(subject, name, seed);
      subject.cpu.instructionCount = 0;
      const { reason } = subject.cpu.run(RUN);
      return `${reason} ${outcomeOf(subject)}`;
    });
    if (exits[0] !== exits[1]) return { seed, exits };
  }
  return undefined;
}

describe('changes of privilege and events do in WebAssembly what they do in TypeScript', () => {
  for (const name of Object.keys(EVERYTHING)) {
    it(`${name}, interpreted`, () => expect(difference(name, INTERPRETED, { engine: 'interpreter' })).toBeUndefined());
    it(`${name}, translated`, () => expect(difference(name, TRANSLATED, { engine: 'translator' })).toBeUndefined());
  }
});
