import { describe, expect, it } from 'vitest';
import type { CpuBus } from '../../src/cpu/bus.ts';
import { Cpu } from '../../src/cpu/cpu.ts';
import { LDTR, TR } from '../../src/cpu/layout.ts';
import { OracleProcessor } from '../../src/cpu/oracle/oracle-processor.ts';
import type { CpuState } from '../../src/cpu/state.ts';
import { ENGINE } from '../engine.ts';
import { Random } from '../oracle/native-random.ts';
import { emptyBus } from './long-mode.ts';

const RAM = 0x40000;
const TABLES = 0x1000;
const GDT = 0x4000;
const IDT = 0x5000;
const TSS = 0x6000;
const HANDLERS = 0x7000;
const STACK = 0x9000;
const CODE = 0x10000;
const CODE_BYTES = 64;
const INSTRUCTIONS = 50;
const SEQUENCES = 1_500;
/** A sequence that has made so many accesses outside RAM is stopped: a repeated instruction would go on through all of the hole. */
const MAX_DEVICE_ACCESSES = 2_000;

/** A way to begin: descriptor of CS, and what decides the mode. */
interface Mode {
  readonly cs: { readonly selector: number; readonly attributes: number };
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

const LONG = { cr0: 0x8005_0033n, cr4: 0x1_0620n, efer: 0xd01n } as const;
const PROTECTED = { cr0: 0x33n, cr4: 0x600n, efer: 0n } as const;
const MODES: Readonly<Record<string, Mode>> = {
  'ring 0 in 64-bit mode': { ...LONG, cs: { selector: 0x08, attributes: 0xa09b } },
  'ring 3 in 64-bit mode': { ...LONG, cs: { selector: 0x1b, attributes: 0xa0fb } },
  'ring 3 in compatibility mode': { ...LONG, cs: { selector: 0x2b, attributes: 0xc0fb } },
  'ring 0 in 32-bit protected mode': { ...PROTECTED, cs: { selector: 0x08, attributes: 0xc09b } },
  'ring 0 in 16-bit protected mode': { ...PROTECTED, cs: { selector: 0x08, attributes: 0x009b } },
  'real mode': { cr0: 0x30n, cr4: 0n, efer: 0n, cs: { selector: CODE >> 4, attributes: 0x009b } },
};

/** What is in RAM before each sequence: identity-mapped tables, descriptors, an IDT whose handlers halt, a TSS. */
function initialRam(long: boolean): Uint8Array {
  const bytes = new Uint8Array(RAM);
  const view = new DataView(bytes.buffer);
  const quadword = (at: number, value: bigint) => view.setBigUint64(at, value, true);
  quadword(TABLES, BigInt(TABLES + 0x1000) | 7n);
  quadword(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 7n);
  for (let index = 0; index < 512; index++) quadword(TABLES + 0x2000 + 8 * index, BigInt(index << 21) | 0x87n);
  const [code, userCode] = long
    ? [0x00af_9b00_0000_ffffn, 0x00af_fb00_0000_ffffn]
    : [0x00cf_9b00_0000_ffffn, 0x00cf_fb00_0000_ffffn];
  const descriptors = [0n, code, 0x00cf_9300_0000_ffffn, userCode, 0x00cf_f300_0000_ffffn, 0x00cf_fb00_0000_ffffn];
  for (const [index, descriptor] of descriptors.entries()) quadword(GDT + 8 * index, descriptor);
  quadword(GDT + 0x30, 0x0000_8b00_0000_0067n | (BigInt(TSS) << 16n));
  for (let vector = 0; vector < 256; vector++) {
    const gate = BigInt(HANDLERS + vector) | (8n << 16n) | (0x8e00n << 32n);
    quadword(IDT + (long ? 16 : 8) * vector, gate);
  }
  quadword(TSS + 4, BigInt(STACK));
  bytes.fill(0xf4, HANDLERS, HANDLERS + 256);
  return bytes;
}

/** Gives some data segments limits near the values of registers, in protected mode types too, and CS one near the code. */
function limitSegments(state: CpuState, isProtected: boolean, random: Random): void {
  const types = [0x93, 0x93, 0x91, 0x97, 0x95, 0x99, 0x9b];
  for (const index of [0, 2, 3, 4, 5]) {
    const segment = state.segments[index]!;
    if (random.chance(0.5)) segment.limit = 0x17ff0 + random.below(0x20000);
    if (!isProtected || random.chance(0.5)) continue;
    segment.attributes =
      (random.chance(0.5) ? 0xc000 : 0) | (index === 2 ? random.pick([0x93, 0x97]) : random.pick(types));
  }
  if (random.chance(0.3)) state.cs.limit = (isProtected ? CODE : 0) + random.below(CODE_BYTES);
}

/** Sets registers for a sequence at CODE. */
function enter(
  state: CpuState,
  { cs, cr0, cr4, efer }: Mode,
  registers: readonly bigint[],
  flags: number,
  random: Random,
): void {
  for (const [index, value] of registers.entries()) state.setGpr(index, value);
  state.set64('cr0', cr0);
  state.set64('cr3', BigInt(TABLES));
  state.set64('cr4', cr4);
  state.set64('efer', efer);
  const isProtected = (cr0 & 1n) !== 0n;
  const ring = isProtected ? cs.selector & 3 : 0;
  for (const segment of state.segments) {
    segment.selector = isProtected ? (ring === 3 ? 0x23 : 0x10) : 0;
    segment.attributes = ring === 3 ? 0xc0f3 : 0xc093;
    segment.limit = isProtected ? 0xffff_ffff : 0xffff;
    segment.base = 0n;
  }
  if (efer === 0n) limitSegments(state, isProtected, random);
  state.cs.selector = cs.selector;
  state.cs.attributes = cs.attributes;
  state.cs.base = isProtected ? 0n : BigInt(CODE);
  state.segments[LDTR]!.attributes = 0x1_0000;
  const task = state.segments[TR]!;
  task.selector = 0x30;
  task.base = BigInt(TSS);
  task.limit = 0x67;
  task.attributes = 0x8b;
  state.set64('gdtrBase', BigInt(GDT));
  state.set('gdtrLimit', 0x3f);
  state.set64('idtrBase', BigInt(isProtected ? IDT : 0));
  state.set('idtrLimit', isProtected ? 0xfff : 0x3ff);
  state.set64('lstar', BigInt(HANDLERS));
  state.rflags = flags;
  state.rip = isProtected ? BigInt(CODE) : 0n;
}

interface Processor {
  readonly state: CpuState;
  readonly system: { reset(): void; refresh(): void };
  instructionCount: number;
  run(until: number): { readonly reason: string };
  invalidateCode(physical: number, bytes: number): void;
  requestStop(): void;
}

/** A bus with nothing on it, which stops the processor when it is asked too often. */
class PatientBus {
  accesses = 0;
  readonly bus: CpuBus = {
    ...emptyBus,
    readPhysical: (address, width) => {
      this.#count();
      return emptyBus.readPhysical(address, width);
    },
    writePhysical: () => this.#count(),
  };
  onTooMany: () => void = () => {};

  #count(): void {
    this.accesses++;
    if (this.accesses > MAX_DEVICE_ACCESSES) this.onTooMany();
  }
}

/** Everything that a program can see, as one line. */
function visible({ state, instructionCount }: Processor, reason: string): string {
  const registers = Array.from({ length: 16 }, (_, index) => state.gpr(index).toString(16)).join(' ');
  const segments = state.segments
    .map(({ selector, base, attributes }) => [selector, base, attributes].join(':'))
    .join(' ');
  const control = (['cr0', 'cr2', 'cr3', 'cr4', 'efer', 'dr6', 'dr7'] as const)
    .map((name) => state.get64(name).toString(16))
    .join(' ');
  let memory = 0;
  for (let word = state.ramAddress >> 2; word < (state.ramAddress + RAM) >> 2; word++)
    memory = (Math.imul(memory, 31) + state.i32[word]!) | 0;
  return [
    reason,
    instructionCount,
    state.rip.toString(16),
    state.rflags.toString(16),
    registers,
    segments,
    control,
    memory,
  ].join('; ');
}

/** Whether a sequence wrote to page tables: what stale translations then say is any processor's choice. */
function changedTables(processor: Processor, ram: Uint8Array): boolean {
  for (let at = TABLES; at < GDT; at++) if (processor.state.guestRam[at] !== ram[at]) return true;
  return false;
}

function runSequence(
  processor: Processor,
  ram: Uint8Array,
  mode: Mode,
  registers: readonly bigint[],
  flags: number,
  random: Random,
): string {
  processor.system.reset();
  processor.state.guestRam.set(ram);
  processor.invalidateCode(0, RAM);
  enter(processor.state, mode, registers, flags, random);
  processor.system.refresh();
  processor.instructionCount = 0;
  const { reason } = processor.run(INSTRUCTIONS);
  return visible(processor, reason);
}

describe('random bytes', () => {
  it.each(Object.keys(MODES))(
    'never make the host throw, and mean the same in both bindings: %s',
    { timeout: 300_000 },
    (name) => {
      const mode = MODES[name]!;
      const random = new Random(name.length);
      const initial = initialRam(mode.efer !== 0n);
      const patient = new PatientBus();
      const options = { memoryBytes: RAM, bus: patient.bus };
      const processors = [new Cpu({ ...ENGINE, ...options }), new OracleProcessor(options)];
      patient.onTooMany = () => {
        for (const processor of processors) processor.requestStop();
      };
      const differences: string[] = [];
      for (let sequence = 0; sequence < SEQUENCES; sequence++) {
        const ram = initial.slice();
        const code = random.bytes(CODE_BYTES);
        if (random.chance(0.5)) code[0] = 0x0f;
        ram.set(code, CODE);
        const registers = Array.from({ length: 16 }, () =>
          random.chance(0.6) ? BigInt(0x20000 + random.below(0x1f000)) : random.integer(),
        );
        registers[4] = BigInt(0x18000 + (random.below(0x4000) & -8));
        const flags = 2 | (random.bits() & 0x3cd5);
        const results = processors.map((processor) => {
          patient.accesses = 0;
          return runSequence(processor, ram, mode, registers, flags, new Random(sequence));
        });
        const comparable = !results.some((result) => result.startsWith('stop')) && !changedTables(processors[1]!, ram);
        if (comparable && results[0] !== results[1]) {
          const bytes = Array.from(code.subarray(0, 24), (byte) => byte.toString(16).padStart(2, '0')).join('');
          differences.push(`sequence ${sequence}, ${bytes}:\n  ${results.join('\n  ')}`);
        }
      }
      expect(differences.slice(0, 5), `${differences.length} differences`).toEqual([]);
    },
  );
});
