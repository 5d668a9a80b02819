import { type CpuBus, GuestException } from '../../src/cpu/bus.ts';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { type CodeSize, Instruction } from '../../src/cpu/decode/instruction.ts';
import { CS, DS, ES, MODE, SS, TR } from '../../src/cpu/layout.ts';
import { CpuState } from '../../src/cpu/state.ts';
import { Cr0, Cr4, Efer } from '../../src/cpu/system/control-bits.ts';
import { SystemUnit } from '../../src/cpu/system/system-unit.ts';

export const Place = {
  PML4: 0x1000,
  PDPT: 0x2000,
  PD: 0x3000,
  PT: 0x4000,
  LDT: 0x7000,
  GDT: 0x8000,
  IDT: 0x9000,
  TSS: 0xa000,
  CODE: 0x10_0000,
  STACK: 0x20_0000,
  RSP0: 0x21_0000,
  RSP1: 0x21_8000,
  IST1: 0x22_0000,
  HANDLERS: 0x30_0000,
  DATA: 0x40_0000,
} as const;

export const Selector = {
  CODE: 0x08,
  DATA: 0x10,
  USER_CODE_32: 0x1b,
  USER_DATA: 0x23,
  USER_CODE: 0x2b,
  TSS: 0x30,
  CONFORMING: 0x40,
  ABSENT_DATA: 0x48,
  CODE_32: 0x50,
  LDT: 0x58,
  GATE: 0x68,
  ABSENT_CODE: 0x78,
  READ_ONLY: 0x80,
  RING1_CODE: 0x88,
  EXECUTE_ONLY: 0x90,
  LONG_AND_BIG: 0x98,
} as const;

/** Attribute bytes of descriptors: P, DPL, S, type; and the flags nibble G, D/B, L, AVL. */
export function segmentDescriptor(access: number, flags: number, base = 0, limit = 0xf_ffff): bigint {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high =
    ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf_0000) | (flags << 20) | (((base >>> 24) & 0xff) << 24);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** A bus that remembers port and device accesses. */
export class RecordingBus implements CpuBus {
  readonly ports: (readonly [direction: 'in' | 'out', port: number, width: number, value?: number])[] = [];
  portValue = 0;
  readonly msrs = new Map<number, bigint>([[0x1b, 0xfee0_0900n]]);
  taskPriority = 0;
  interrupts: number[] = [];
  time = 1000;

  readPort(port: number, width: 1 | 2 | 4): number {
    this.ports.push(['in', port, width]);
    return this.portValue;
  }
  writePort(port: number, width: 1 | 2 | 4, value: number): void {
    this.ports.push(['out', port, width, value]);
  }
  readPhysical(_address: number, width: 1 | 2 | 4 | 8): number | bigint {
    return width === 8 ? 0xffff_ffff_ffff_ffffn : 2 ** (8 * width) - 1;
  }
  writePhysical(): void {}
  readMsr(index: number): bigint | undefined {
    return this.msrs.get(index);
  }
  writeMsr(index: number, value: bigint): boolean {
    if (!this.msrs.has(index)) return false;
    this.msrs.set(index, value);
    return true;
  }
  timeStampCounter(): number {
    return this.time;
  }
  readTaskPriority(): number {
    return this.taskPriority;
  }
  writeTaskPriority(value: number): void {
    this.taskPriority = value;
  }
  pendingInterrupt(): boolean {
    return this.interrupts.length > 0;
  }
  acknowledgeInterrupt(): number {
    return this.interrupts.shift() as number;
  }
}

/** What a faulting instruction raised, in the terms of the manual. */
export interface Raised {
  readonly vector: number;
  readonly errorCode: number | undefined;
}

const decoder = new Decoder();

/** A processor in 64-bit mode with 8 MiB of RAM mapped one to one, descriptor tables, a TSS, and no engine behind it. */
export class SystemFixture {
  readonly bus = new RecordingBus();
  readonly state = new CpuState(8 << 20);
  readonly system = new SystemUnit(this.state, this.bus);
  readonly #instruction = new Instruction();

  constructor() {
    this.#buildTables();
    this.enterRing0();
  }

  #buildTables(): void {
    this.write64(Place.PML4, BigInt(Place.PDPT) | 7n);
    this.write64(Place.PDPT, BigInt(Place.PD) | 7n);
    for (let i = 0; i < 4; i++) this.write64(Place.PD + i * 8, BigInt(i * 0x20_0000) | 0x87n);
    const gdt: [number, bigint][] = [
      [Selector.CODE, segmentDescriptor(0x9a, 0xa)],
      [Selector.DATA, segmentDescriptor(0x92, 0xc)],
      [Selector.USER_CODE_32, segmentDescriptor(0xfa, 0xc)],
      [Selector.USER_DATA, segmentDescriptor(0xf2, 0xc)],
      [Selector.USER_CODE, segmentDescriptor(0xfa, 0xa)],
      [Selector.TSS, segmentDescriptor(0x89, 0, Place.TSS, 0x67)],
      [Selector.CONFORMING, segmentDescriptor(0x9e, 0xa)],
      [Selector.ABSENT_DATA, segmentDescriptor(0x12, 0xc)],
      [Selector.CODE_32, segmentDescriptor(0x9a, 0xc)],
      [Selector.LDT, segmentDescriptor(0x82, 0, Place.LDT, 0xfff)],
      [Selector.GATE, BigInt(Selector.CODE << 16) | (0xec00n << 32n) | BigInt(Place.HANDLERS & 0xffff)],
      [Selector.ABSENT_CODE, segmentDescriptor(0x1a, 0xa)],
      [Selector.READ_ONLY, segmentDescriptor(0x90, 0xc)],
      [Selector.RING1_CODE, segmentDescriptor(0xba, 0xa)],
      [Selector.EXECUTE_ONLY, segmentDescriptor(0x98, 0xc)],
      [Selector.LONG_AND_BIG, segmentDescriptor(0x9a, 0xe)],
    ];
    for (const [selector, value] of gdt) this.write64(Place.GDT + (selector & 0xfff8), value);
    this.write64(
      Place.GDT + Selector.GATE,
      this.read64(Place.GDT + Selector.GATE) | (BigInt(Place.HANDLERS >> 16) << 48n),
    );
    this.write64(Place.TSS + 4, BigInt(Place.RSP0));
    this.write64(Place.TSS + 12, BigInt(Place.RSP1));
    this.write64(Place.TSS + 36, BigInt(Place.IST1));
    for (let vector = 0; vector < 256; vector++) this.gate(vector);
    const { state } = this;
    state.set64('gdtrBase', BigInt(Place.GDT));
    state.set('gdtrLimit', 0xff);
    state.set64('idtrBase', BigInt(Place.IDT));
    state.set('idtrLimit', 0xfff);
    state.set64('cr0', BigInt((Cr0.PG | Cr0.PE | Cr0.ET | Cr0.WP | Cr0.NE) >>> 0));
    state.set64('cr3', BigInt(Place.PML4));
    state.set64('cr4', BigInt(Cr4.PAE | Cr4.OSFXSR | Cr4.OSXMMEXCPT | Cr4.FSGSBASE));
    state.set64('efer', BigInt(Efer.LME | Efer.LMA | Efer.SCE | Efer.NXE));
    state.set64('star', (0x18n << 48n) | (0x08n << 32n));
    state.set64('lstar', BigInt(Place.HANDLERS));
    this.system.segments.fill(TR, Selector.TSS, 0x8b, BigInt(Place.TSS), 0x67);
    this.system.refresh();
  }

  /** A 64-bit gate whose handler is HANDLERS + 16 times the vector. */
  gate(
    vector: number,
    { type = 0x8e, ist = 0, selector = Selector.CODE as number, offset = handler(vector) } = {},
  ): void {
    const low = (offset & 0xffffn) | (BigInt(selector) << 16n);
    const high = BigInt(ist | (type << 8)) | (offset & 0xffff_0000n);
    this.write64(Place.IDT + vector * 16, low | (high << 32n));
    this.write64(Place.IDT + vector * 16 + 8, offset >> 32n);
  }

  enterRing0(): void {
    this.#enter(Selector.CODE, Selector.DATA, 0, 0xa);
  }

  enterRing3(): void {
    this.#enter(Selector.USER_CODE, Selector.USER_DATA, 3, 0xa);
  }

  /** 32-bit code in compatibility mode. */
  enterCompatibility(): void {
    this.#enter(Selector.CODE_32, Selector.DATA, 0, 0xc);
  }

  #enter(code: number, data: number, dpl: number, flags: number): void {
    const { segments } = this.system;
    segments.fill(CS, code, 0x9b | (dpl << 5) | (flags << 12), 0n, 0xffff_ffff);
    for (const index of [SS, DS, ES]) segments.fill(index, data, 0x93 | (dpl << 5) | 0xc000, 0n, 0xffff_ffff);
    this.state.rip = BigInt(Place.CODE);
    this.state.setGpr(4, BigInt(Place.STACK));
    this.state.rflags = 2;
  }

  get codeSize(): CodeSize {
    const mode = this.state.get('mode');
    if ((mode & MODE.code64) !== 0) return 64;
    return (mode & MODE.code32) !== 0 ? 32 : 16;
  }

  /** Executes one instruction placed at RIP. @returns the exception it raised, RIP restored, or undefined */
  execute(...bytes: number[]): Raised | undefined {
    const { state } = this;
    const start = state.rip;
    state.u8.set(bytes, state.ramAddress + Number(start));
    const host = state.ramAddress + Number(start);
    const length = decoder.decode(state.u8, host, bytes.length, this.codeSize, this.#instruction);
    if (length !== bytes.length) throw new Error(`decoder: ${length} for ${bytes.length} bytes`);
    state.rip = start + BigInt(length);
    try {
      this.system.execute(this.#instruction);
      return undefined;
    } catch (exception) {
      if (!(exception instanceof GuestException)) throw exception;
      state.rip = start;
      return raised(exception);
    }
  }

  /** Executes one instruction and delivers what it raises. @returns false after a triple fault */
  step(...bytes: number[]): boolean {
    const { state } = this;
    try {
      this.system.beforeInstruction();
    } catch (exception) {
      return this.system.deliver(exception as GuestException);
    }
    const result = this.execute(...bytes);
    if (result === undefined) {
      this.system.retired();
      return state.get('halted') === 0 && this.system.eventPending ? this.system.takeEvent() : true;
    }
    return this.system.deliver(new GuestException(result.vector, result.errorCode));
  }

  /** The frame that delivery pushed, from the stack pointer up. */
  frame(words: number): bigint[] {
    const top = Number(this.state.gpr(4));
    return Array.from({ length: words }, (_, i) => this.read64(top + i * 8));
  }

  read64(address: number): bigint {
    return this.state.view.getBigUint64(this.state.ramAddress + address, true);
  }
  write64(address: number, value: bigint): void {
    this.state.view.setBigUint64(this.state.ramAddress + address, value, true);
  }
  read32(address: number): number {
    return this.state.view.getUint32(this.state.ramAddress + address, true);
  }
  write32(address: number, value: number): void {
    this.state.view.setUint32(this.state.ramAddress + address, value, true);
  }
}

/** Address of the handler that `SystemFixture.gate` installs. */
export function handler(vector: number): bigint {
  return BigInt(Place.HANDLERS + vector * 16);
}

export function raised({ vector, errorCode }: GuestException): Raised {
  return { vector, errorCode };
}

/** Runs something that may raise. @returns what it raised */
export function exceptionOf(action: () => void): Raised | undefined {
  try {
    action();
    return undefined;
  } catch (exception) {
    if (!(exception instanceof GuestException)) throw exception;
    return raised(exception);
  }
}
