import type { CpuBus } from '../../cpu/bus.ts';
import { LDTR, TR, X87_REGISTERS, XMM } from '../../cpu/layout.ts';
import type { CpuState } from '../../cpu/state.ts';
import {
  CaseMemory,
  type CaseResult,
  CaseState,
  INPUT_FLAGS,
  type InstructionCase,
  type MemoryPiece,
  type Outcome,
} from './case.ts';
import { LOCAL_SEGMENTS, localDescriptor } from './local-segments.ts';

/** What runs the cases. */
export interface CaseProcessor {
  readonly state: CpuState;
  readonly instructionCount: number;
  /** Recomputes what is derived from control and descriptor registers. */
  readonly system: { refresh(): void };
  run(until: number): { readonly reason: string };
  /** Forgets what it knows of code in these physical bytes. */
  invalidateCode(physical: number, bytes: number): void;
}

export type CaseProcessorFactory = (options: { memoryBytes: number; bus: CpuBus }) => CaseProcessor;

/** Physical addresses. The supervisor sees all of them at SUPERVISOR + physical. */
const Physical = {
  PML4: 0x1000,
  LOW_PDPT: 0x2000,
  LOW_DIRECTORY: 0x3000,
  CODE_TABLE: 0x4000,
  DATA_TABLE: 0x5000,
  HIGH_PDPT: 0x6000,
  HIGH_DIRECTORY: 0x7000,
  HIGH_TABLE: 0x8000,
  CODE: 0x10000,
  DATA: 0x11000,
  STACK_TOP: 0x21000,
  GDT: 0x22000,
  IDT: 0x23000,
  TSS: 0x24000,
  LDT: 0x24800,
  /** A HLT for each vector, then one for SYSCALL. */
  STUBS: 0x25000,
  END: 0x40000,
} as const;

const SUPERVISOR = 0xffff_8000_0000_0000n;
const PAGE = 0x1000;
const SYSCALL_STUB = 256;
const HLT = 0xf4;
const INT3 = 0xcc;

const PageBit = { PRESENT: 1n, WRITABLE: 2n, USER: 4n, ACCESSED: 0x20n, DIRTY: 0x40n, NO_EXECUTE: 1n << 63n } as const;
const TABLE = PageBit.PRESENT | PageBit.WRITABLE | PageBit.USER | PageBit.ACCESSED;

/** Linux's selectors and flat descriptors, so that LAR, LSL, far jumps and segment loads find what they find on a Linux host. */
const Selector = { KERNEL_CODE: 0x10, USER_DATA: 0x2b, USER_CODE: 0x33, TASK: 0x40 } as const;
const DESCRIPTORS: readonly bigint[] = [
  0n,
  0x00cf_9b00_0000_ffffn,
  0x00af_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00cf_fb00_0000_ffffn,
  0x00cf_f300_0000_ffffn,
  0x00af_fb00_0000_ffffn,
  0n,
];

const Rights = { USER_CODE: 0xa0fb, USER_DATA: 0xc0f3, BUSY_TSS: 0x8b, LDT: 0x82, UNUSABLE: 0x1_0000 } as const;
const CR0 = 0x8005_0033n;
/** PAE, OSFXSR, OSXMMEXCPT, FSGSBASE. */
const CR4 = (1n << 5n) | (1n << 9n) | (1n << 10n) | (1n << 16n);
/** SCE, LME, LMA, NXE. */
const EFER = 0xd01n;
const TSS_LIMIT = 0x67;

/** Vectors that INT n may reach from user mode. */
const USER_GATES = [3, 4];
const ERROR_CODE_VECTORS = new Set([8, 10, 11, 12, 13, 14, 17, 21]);
const Vector = { DEBUG: 1, BREAKPOINT: 3, PAGE_FAULT: 14 } as const;

const TRAP_FLAG = 0x100;
const MAX_INSTRUCTIONS = 20_000;
/** Data is looked through for changes in pieces of so many bytes. */
const BLOCK = 256;
const MAX_CHANGES = 16;
const MAX_CHANGE_BYTES = 128;

const NO_DEVICES: CpuBus = {
  readPort: (_port, width) => (width === 4 ? 0xffff_ffff : (1 << (8 * width)) - 1),
  writePort: () => undefined,
  readPhysical: (_address, width) => (width === 8 ? 0xffff_ffff_ffff_ffffn : 2 ** (8 * width) - 1),
  writePhysical: () => undefined,
  readMsr: () => undefined,
  writeMsr: () => false,
  readTaskPriority: () => 0,
  writeTaskPriority: () => undefined,
  pendingInterrupt: () => false,
  acknowledgeInterrupt: () => 0xff,
  timeStampCounter: () => 0,
};

/** Initial bytes of the data pages, as native-oracle.c has them. */
function dataPattern(): Uint8Array {
  const bytes = new Uint8Array(CaseMemory.DATA_SIZE + CaseMemory.READ_ONLY_SIZE);
  return bytes.map((_, index) => (index * 157 + (index >> 8) * 59 + 7) & 0xff);
}

/**
 * A processor in 64-bit user mode around the memory of cases (CaseMemory), with a supervisor that only notes how a case ended: each
 * vector's handler is one HLT.
 */
export class CaseMachine {
  readonly #processor: CaseProcessor;
  readonly #state: CpuState;
  readonly #pattern = dataPattern();
  readonly #expected = this.#pattern.slice(0, CaseMemory.DATA_SIZE);
  readonly #data: Uint8Array;
  readonly #dataWords: Int32Array;
  readonly #expectedWords = new Int32Array(this.#expected.buffer);
  readonly #code: Uint8Array;

  constructor(factory: CaseProcessorFactory) {
    this.#processor = factory({ memoryBytes: Physical.END, bus: NO_DEVICES });
    this.#state = this.#processor.state;
    const { guestRam } = this.#state;
    this.#data = guestRam.subarray(Physical.DATA, Physical.DATA + CaseMemory.DATA_SIZE);
    this.#dataWords = new Int32Array(guestRam.buffer, this.#data.byteOffset, CaseMemory.DATA_SIZE / 4);
    this.#code = guestRam.subarray(Physical.CODE, Physical.CODE + CaseMemory.CODE_SIZE);
    this.#writeTables();
    this.#writeDescriptorTables();
    guestRam.set(this.#pattern, Physical.DATA);
    this.#code.fill(INT3);
    guestRam.fill(HLT, Physical.STUBS, Physical.STUBS + SYSCALL_STUB + 1);
    this.#enterUserMode();
  }

  /** Runs one case; memory and registers are as new for each. */
  run(instructionCase: InstructionCase): CaseResult {
    this.#load(instructionCase);
    const { reason } = this.#processor.run(this.#processor.instructionCount + MAX_INSTRUCTIONS);
    if (reason !== 'halt' && reason !== 'budget') throw new Error(`a case ended with ${reason}`);
    const result = this.#collect(instructionCase, reason === 'halt');
    this.#clean(instructionCase);
    return result;
  }

  #load({ state, code, step, stores }: InstructionCase): void {
    const cpu = this.#state;
    for (let index = 0; index < 16; index++) cpu.setGpr(index, state.registers[index]!);
    cpu.rip = state.rip;
    cpu.u8.set(state.xmm, XMM);
    const top = (state.x87Status >> 11) & 7;
    for (let index = 0; index < 8; index++) {
      cpu.u8.set(state.x87.subarray(10 * index, 10 * index + 10), X87_REGISTERS + 16 * ((top + index) & 7));
    }
    cpu.set('mxcsr', state.mxcsr);
    cpu.set('x87Control', state.x87Control);
    cpu.set('x87Status', state.x87Status);
    cpu.set('x87Tag', state.x87Tag);
    cpu.set('x87Opcode', 0);
    cpu.set64('x87InstructionPointer', 0n);
    cpu.set64('x87DataPointer', 0n);
    cpu.set('halted', 0);
    cpu.set('interruptShadow', 0);
    cpu.set('pendingDebug', 0);
    this.#loadSegments(state);
    cpu.rflags = (state.flags & INPUT_FLAGS) | 0x202 | (step ? TRAP_FLAG : 0);
    for (const { address, bytes } of stores) {
      this.#data.set(bytes, address - CaseMemory.DATA);
      this.#expected.set(bytes, address - CaseMemory.DATA);
    }
    const start = Number(state.rip) - CaseMemory.CODE;
    this.#code.set(code.subarray(0, CaseMemory.CODE_SIZE - start), start);
    this.#processor.invalidateCode(Physical.CODE, CaseMemory.CODE_SIZE);
  }

  #loadSegments(state: CaseState): void {
    const { segments } = this.#state;
    for (let index = 0; index < 6; index++) {
      const segment = segments[index]!;
      segment.selector = 0;
      segment.base = 0n;
      segment.limit = 0;
      segment.attributes = Rights.UNUSABLE;
    }
    const { cs, ss } = this.#state;
    cs.selector = Selector.USER_CODE;
    cs.attributes = Rights.USER_CODE;
    ss.selector = Selector.USER_DATA;
    ss.attributes = Rights.USER_DATA;
    cs.limit = ss.limit = 0xffff_ffff;
    segments[4]!.base = state.fsBase;
    segments[5]!.base = state.gsBase;
  }

  #collect(instructionCase: InstructionCase, halted: boolean): CaseResult {
    const cpu = this.#state;
    const state = new CaseState();
    for (let index = 0; index < 16; index++) state.registers[index] = cpu.gpr(index);
    state.xmm.set(cpu.u8.subarray(XMM, XMM + 256));
    state.mxcsr = cpu.get('mxcsr');
    state.x87Control = cpu.get('x87Control');
    state.x87Status = cpu.get('x87Status');
    state.x87Tag = cpu.get('x87Tag');
    const top = (state.x87Status >> 11) & 7;
    for (let index = 0; index < 8; index++) {
      const start = X87_REGISTERS + 16 * ((top + index) & 7);
      state.x87.set(cpu.u8.subarray(start, start + 10), 10 * index);
    }
    state.fsBase = cpu.segments[4]!.base;
    state.gsBase = cpu.segments[5]!.base;
    const stub = Number(cpu.rip - SUPERVISOR) - 1 - Physical.STUBS;
    const { outcome, errorCode } = halted ? this.#event(state, stub, instructionCase) : this.#running(state);
    const changes = this.#changes();
    return {
      outcome,
      errorCode,
      faultAddress: cpu.get64('cr2'),
      state,
      changes: changes.slice(0, MAX_CHANGES),
      moreChanges: changes.length > MAX_CHANGES,
    };
  }

  /** The case went on until its time was over. */
  #running(state: CaseState): { outcome: Outcome; errorCode: number } {
    state.rip = this.#state.rip;
    state.flags = this.#state.rflags;
    return { outcome: 'to', errorCode: 0 };
  }

  /** Reads what the processor saved on entry to the supervisor at the stub of a vector, and what it means for the case. */
  #event(
    state: CaseState,
    stub: number,
    { state: before, code, step }: InstructionCase,
  ): { outcome: Outcome; errorCode: number } {
    if (stub === SYSCALL_STUB) {
      state.rip = state.registers[1]!;
      state.flags = Number(state.registers[11]!);
      return { outcome: 'sys', errorCode: 0 };
    }
    const { view, ramAddress } = this.#state;
    let at = ramAddress + Number(state.registers[4]! - SUPERVISOR);
    const quadword = () => {
      at += 8;
      return view.getBigUint64(at - 8, true);
    };
    const errorCode = ERROR_CODE_VECTORS.has(stub) ? Number(quadword()) : 0;
    state.rip = quadword();
    quadword();
    state.flags = Number(quadword());
    state.registers[4] = quadword();
    if (stub === Vector.DEBUG && step) return { outcome: 'ok', errorCode: 0 };
    if (stub === Vector.BREAKPOINT) {
      const offset = state.rip - 1n - before.rip;
      if (offset < 0n || offset >= BigInt(code.length)) {
        state.rip -= 1n;
        return { outcome: 'ok', errorCode: 0 };
      }
    }
    return { outcome: stub, errorCode };
  }

  /** Whether any of the BLOCK data bytes at an offset is not as the case began. */
  #blockChanged(block: number): boolean {
    const [data, expected] = [this.#dataWords, this.#expectedWords];
    let difference = 0;
    for (let word = block >> 2; word < (block + BLOCK) >> 2; word += 4) {
      difference |=
        (data[word]! ^ expected[word]!) |
        (data[word + 1]! ^ expected[word + 1]!) |
        (data[word + 2]! ^ expected[word + 2]!) |
        (data[word + 3]! ^ expected[word + 3]!);
    }
    return difference !== 0;
  }

  /** Runs of data bytes that are not as the case began, one more than are reported at most; gives the bytes their pattern back. */
  #changes(): MemoryPiece[] {
    const changes: { address: number; bytes: number[] }[] = [];
    for (let block = 0; block < CaseMemory.DATA_SIZE; block += BLOCK) {
      if (!this.#blockChanged(block)) continue;
      for (let offset = block; offset < block + BLOCK; offset++) {
        if (this.#data[offset] === this.#expected[offset]) continue;
        const last = changes.at(-1);
        const address = CaseMemory.DATA + offset;
        if (last && last.address + last.bytes.length === address && last.bytes.length < MAX_CHANGE_BYTES) {
          last.bytes.push(this.#data[offset]!);
        } else if (changes.length <= MAX_CHANGES) changes.push({ address, bytes: [this.#data[offset]!] });
      }
      this.#data.set(this.#pattern.subarray(block, block + BLOCK), block);
    }
    return changes.map(({ address, bytes }) => ({ address, bytes: Uint8Array.from(bytes) }));
  }

  #clean({ stores }: InstructionCase): void {
    for (const { address, bytes } of stores) {
      const offset = address - CaseMemory.DATA;
      const pattern = this.#pattern.subarray(offset, offset + bytes.length);
      this.#expected.set(pattern, offset);
      this.#data.set(pattern, offset);
    }
    this.#code.fill(INT3);
  }

  #writeTables(): void {
    const { view, ramAddress } = this.#state;
    const entry = (table: number, index: number, value: bigint) =>
      view.setBigUint64(ramAddress + table + 8 * index, value, true);
    const directory = (linear: number) => (linear >> 21) & 0x1ff;
    entry(Physical.PML4, 0, BigInt(Physical.LOW_PDPT) | TABLE);
    entry(Physical.LOW_PDPT, 0, BigInt(Physical.LOW_DIRECTORY) | TABLE);
    entry(Physical.LOW_DIRECTORY, directory(CaseMemory.CODE), BigInt(Physical.CODE_TABLE) | TABLE);
    entry(Physical.LOW_DIRECTORY, directory(CaseMemory.DATA), BigInt(Physical.DATA_TABLE) | TABLE);
    const page = PageBit.PRESENT | PageBit.ACCESSED | PageBit.DIRTY;
    entry(Physical.CODE_TABLE, 0, BigInt(Physical.CODE) | page | PageBit.WRITABLE | PageBit.USER);
    const pages = (CaseMemory.DATA_SIZE + CaseMemory.READ_ONLY_SIZE) / PAGE;
    for (let index = 0; index < pages; index++) {
      const writable = index < CaseMemory.DATA_SIZE / PAGE ? PageBit.WRITABLE : 0n;
      entry(
        Physical.DATA_TABLE,
        index,
        BigInt(Physical.DATA + index * PAGE) | page | writable | PageBit.USER | PageBit.NO_EXECUTE,
      );
    }
    entry(Physical.PML4, 256, BigInt(Physical.HIGH_PDPT) | TABLE);
    entry(Physical.HIGH_PDPT, 0, BigInt(Physical.HIGH_DIRECTORY) | TABLE);
    entry(Physical.HIGH_DIRECTORY, 0, BigInt(Physical.HIGH_TABLE) | TABLE);
    for (let index = 0; index < Physical.END / PAGE; index++) {
      entry(Physical.HIGH_TABLE, index, BigInt(index * PAGE) | page | PageBit.WRITABLE);
    }
  }

  #writeDescriptorTables(): void {
    const { view, ramAddress } = this.#state;
    const quadword = (physical: number, value: bigint) => view.setBigUint64(ramAddress + physical, value, true);
    for (const [index, descriptor] of DESCRIPTORS.entries()) quadword(Physical.GDT + 8 * index, descriptor);
    const tss = SUPERVISOR + BigInt(Physical.TSS);
    quadword(
      Physical.GDT + Selector.TASK,
      BigInt(TSS_LIMIT) |
        ((tss & 0xff_ffffn) << 16n) |
        (BigInt(Rights.BUSY_TSS) << 40n) |
        (((tss >> 24n) & 0xffn) << 56n),
    );
    quadword(Physical.GDT + Selector.TASK + 8, tss >> 32n);
    for (const segment of LOCAL_SEGMENTS)
      quadword(Physical.LDT + (segment.selector & 0xfff8), localDescriptor(segment));
    quadword(Physical.TSS + 4, SUPERVISOR + BigInt(Physical.STACK_TOP));
    view.setUint16(ramAddress + Physical.TSS + 0x66, TSS_LIMIT + 1, true);
    for (let vector = 0; vector < 256; vector++) {
      const stub = SUPERVISOR + BigInt(Physical.STUBS + vector);
      const rights = USER_GATES.includes(vector) ? 0xee00n : 0x8e00n;
      const low =
        (stub & 0xffffn) | (BigInt(Selector.KERNEL_CODE) << 16n) | (rights << 32n) | (((stub >> 16n) & 0xffffn) << 48n);
      quadword(Physical.IDT + 16 * vector, low);
      quadword(Physical.IDT + 16 * vector + 8, stub >> 32n);
    }
  }

  /** Control and descriptor-table registers, which no case can change. */
  #enterUserMode(): void {
    const cpu = this.#state;
    cpu.set64('cr0', CR0);
    cpu.set64('cr3', BigInt(Physical.PML4));
    cpu.set64('cr4', CR4);
    cpu.set64('efer', EFER);
    cpu.set64('lstar', SUPERVISOR + BigInt(Physical.STUBS + SYSCALL_STUB));
    cpu.set64('star', 0x0023_0010_0000_0000n);
    cpu.set64('gdtrBase', SUPERVISOR + BigInt(Physical.GDT));
    cpu.set('gdtrLimit', 0x7f);
    cpu.set64('idtrBase', SUPERVISOR + BigInt(Physical.IDT));
    cpu.set('idtrLimit', 0xfff);
    const task = cpu.segments[TR]!;
    task.selector = Selector.TASK;
    task.base = SUPERVISOR + BigInt(Physical.TSS);
    task.limit = TSS_LIMIT;
    task.attributes = Rights.BUSY_TSS;
    const local = cpu.segments[LDTR]!;
    local.base = SUPERVISOR + BigInt(Physical.LDT);
    local.limit = 8 * (LOCAL_SEGMENTS.length + 1) - 1;
    local.attributes = Rights.LDT;
    this.#loadSegments(new CaseState());
    this.#processor.system.refresh();
  }
}
