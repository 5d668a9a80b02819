import { FLAG, KIND, RFLAGS_FIXED, STATUS_FLAGS, SYSTEM_FLAGS, statusFlags } from './flags.ts';
import {
  CS,
  DS,
  ES,
  FIELDS,
  type FieldName,
  FS,
  GPR,
  GS,
  LDTR,
  MMU_SUPERVISOR,
  MMU_SUPERVISOR_USER_ACCESS,
  MMU_USER,
  MODE,
  MODE_DECODE_MASK,
  placeRam,
  SEGMENT_ATTRIBUTES,
  SEGMENT_BASE,
  SEGMENT_BYTES,
  SEGMENT_LIMIT,
  SEGMENT_SELECTOR,
  SEGMENTS,
  SS,
  TLB_BYTES,
  TLB_EMPTY,
  TR,
  tlbReadAddress,
  tlbWriteAddress,
  XMM,
} from './layout.ts';

const word = (field: FieldName): number => FIELDS[field].address >> 2;
const MODE_WORD = word('mode');
const FLAGS_KIND_WORD = word('flagsKind');
const SYSTEM_FLAGS_WORD = word('systemFlags');
const SHADOW_WORD = word('interruptShadow');
const FETCH_CONTEXT_WORD = word('fetchContext');
const USER_FETCH_CONTEXT_WORD = word('userFetchContext');
const SUPERVISOR_FETCH_CONTEXT_WORD = word('supervisorFetchContext');
const PENDING_DEBUG_WORD = word('pendingDebug');
const NMI_PENDING_WORD = word('nmiPending');
const HALTED_WORD = word('halted');
const CR0_WORD = word('cr0');
const CR4_WORD = word('cr4');
const EFER_WORD = word('efer');
const TLB_READ_WORD = word('tlbRead');
const TLB_WRITE_WORD = word('tlbWrite');
const CS_SELECTOR_WORD = (SEGMENTS + CS * SEGMENT_BYTES + SEGMENT_SELECTOR) >> 2;
const CS_ATTRIBUTES_WORD = (SEGMENTS + CS * SEGMENT_BYTES + SEGMENT_ATTRIBUTES) >> 2;
const SS_ATTRIBUTES_WORD = (SEGMENTS + SS * SEGMENT_BYTES + SEGMENT_ATTRIBUTES) >> 2;

/** The hidden part of one segment register, read and written in place. */
export class Segment {
  readonly #state: CpuState;
  readonly #address: number;

  constructor(state: CpuState, index: number) {
    this.#state = state;
    this.#address = SEGMENTS + index * SEGMENT_BYTES;
  }

  get selector(): number {
    return this.#state.i32[(this.#address + SEGMENT_SELECTOR) >> 2]!;
  }
  set selector(value: number) {
    this.#state.i32[(this.#address + SEGMENT_SELECTOR) >> 2] = value;
  }
  get base(): bigint {
    return this.#state.u64[(this.#address + SEGMENT_BASE) >> 3]!;
  }
  set base(value: bigint) {
    this.#state.u64[(this.#address + SEGMENT_BASE) >> 3] = value;
  }
  /** In bytes, granularity already applied; unsigned 32-bit. */
  get limit(): number {
    return this.#state.u32[(this.#address + SEGMENT_LIMIT) >> 2]!;
  }
  set limit(value: number) {
    this.#state.u32[(this.#address + SEGMENT_LIMIT) >> 2] = value;
  }
  /** Bits as in layout.ts, SEGMENT_ATTRIBUTES. */
  get attributes(): number {
    return this.#state.i32[(this.#address + SEGMENT_ATTRIBUTES) >> 2]!;
  }
  set attributes(value: number) {
    this.#state.i32[(this.#address + SEGMENT_ATTRIBUTES) >> 2] = value;
  }
}

const CR0_PE = 1 << 0;
const CR0_AM = 1 << 18;
const CR0_PG = 1 << 31;
const CR0_EM_TS = (1 << 2) | (1 << 3);
const CR4_OSFXSR = 1 << 9;
const CR4_SMAP = 1 << 21;
const EFER_LMA = 1 << 10;
const SEGMENT_L = 1 << 13;
const SEGMENT_DB = 1 << 14;

/**
 * The architectural state, held in the CPU block of the WebAssembly memory and seen here through typed views. 64-bit values are
 * unsigned bigints. Whoever changes CR0, CR4, EFER, CS, SS or RFLAGS calls updateMode (setting `rflags` does so itself).
 */
export class CpuState {
  readonly memory: WebAssembly.Memory;
  readonly memoryBytes: number;
  /** Host address of guest physical address 0. */
  readonly ramAddress: number;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  /** Guest RAM, physical address 0 first. */
  readonly guestRam: Uint8Array;
  /** While true, every store takes the slow path, where it can be seen. */
  storesObserved = false;
  /** ES CS SS DS FS GS LDTR TR. */
  readonly segments: readonly Segment[];

  /** @param memoryBytes guest RAM in bytes, a multiple of 4 KiB up to 3 GiB */
  constructor(memoryBytes: number) {
    const { ram, pages } = placeRam(memoryBytes);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.memoryBytes = memoryBytes;
    this.ramAddress = ram;
    const buffer = this.memory.buffer;
    this.u8 = new Uint8Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.guestRam = new Uint8Array(buffer, ram, memoryBytes);
    this.segments = [ES, CS, SS, DS, FS, GS, LDTR, TR].map((index) => new Segment(this, index));
    this.u8.fill(0xff, tlbReadAddress(0), TLB_EMPTY + TLB_BYTES);
    this.set('ramAddress', ram);
    this.set('memoryBytes', memoryBytes);
    this.set('userFetchContext', 1);
    this.set('systemFlags', RFLAGS_FIXED);
    this.updateMode();
  }

  get cs(): Segment {
    return this.segments[CS]!;
  }
  get ss(): Segment {
    return this.segments[SS]!;
  }

  // The fields that are looked at between instructions, without going through their names.

  get mode(): number {
    return this.i32[MODE_WORD]!;
  }
  get systemFlags(): number {
    return this.i32[SYSTEM_FLAGS_WORD]!;
  }
  get interruptShadow(): number {
    return this.i32[SHADOW_WORD]!;
  }
  get fetchContext(): number {
    return this.i32[FETCH_CONTEXT_WORD]!;
  }
  get pendingDebug(): number {
    return this.i32[PENDING_DEBUG_WORD]!;
  }
  get nmiPending(): number {
    return this.i32[NMI_PENDING_WORD]!;
  }
  get halted(): number {
    return this.i32[HALTED_WORD]!;
  }

  /** @returns a 32-bit field, signed */
  get(field: FieldName): number {
    return this.i32[FIELDS[field].address >> 2]!;
  }
  set(field: FieldName, value: number): void {
    this.i32[FIELDS[field].address >> 2] = value;
  }
  /** @returns a 64-bit field, unsigned */
  get64(field: FieldName): bigint {
    return this.u64[FIELDS[field].address >> 3]!;
  }
  /** @returns the halves of a 64-bit field, signed */
  get64Low(field: FieldName): number {
    return this.i32[FIELDS[field].address >> 2]!;
  }
  get64High(field: FieldName): number {
    return this.i32[(FIELDS[field].address >> 2) + 1]!;
  }
  set64(field: FieldName, value: bigint): void {
    this.u64[FIELDS[field].address >> 3] = value;
  }

  /** Writes 64 bits at an aligned host address, given as i32 halves. */
  setHalves(address: number, low: number, high: number): void {
    this.i32[address >> 2] = low;
    this.i32[(address >> 2) + 1] = high;
  }
  /** @returns the 64 bits at an aligned host address as a signed number: exact for canonical addresses */
  signed(address: number): number {
    return this.i32[(address >> 2) + 1]! * 2 ** 32 + this.u32[address >> 2]!;
  }

  /** @param index 0 to 15, encoding order */
  gpr(index: number): bigint {
    return this.u64[(GPR >> 3) + index]!;
  }
  /** @param value 64 bits, already extended as the operand size demands */
  setGpr(index: number, value: bigint): void {
    this.u64[(GPR >> 3) + index] = value;
  }
  /** @returns the 16 bytes of XMM register `index`, as a live view */
  xmm(index: number): Uint8Array {
    return this.u8.subarray(XMM + 16 * index, XMM + 16 * index + 16);
  }

  get rip(): bigint {
    return this.get64('rip');
  }
  set rip(value: bigint) {
    this.set64('rip', value);
  }

  get cpl(): number {
    return this.mode & MODE.cplMask;
  }
  get mode64(): boolean {
    return (this.mode & MODE.code64) !== 0;
  }

  /** Works the six status flags out; an engine has something faster. */
  statusFlags: () => number = () => statusFlags(this.get('flagsKind'), this.get64('flagsA'), this.get64('flagsB'));

  get rflags(): number {
    return this.statusFlags() | this.systemFlags;
  }
  /** @param value bits that do not exist are dropped and bit 1 is set; no privilege is looked at */
  set rflags(value: number) {
    this.setStatusFlags(value);
    this.i32[SYSTEM_FLAGS_WORD] = (value & SYSTEM_FLAGS) | RFLAGS_FIXED;
    this.updateMode();
  }
  /** @param value CF PF AF ZF SF OF as they stand in RFLAGS; other bits are ignored */
  setStatusFlags(value: number): void {
    this.i32[FLAGS_KIND_WORD] = KIND.RAW << 2;
    this.setHalves(FIELDS.flagsA.address, value & STATUS_FLAGS, 0);
    this.setHalves(FIELDS.flagsB.address, 0, 0);
  }

  /** Recomputes everything derived from CR0, CR4, EFER, CS, SS and RFLAGS.AC: the mode word and the TLBs in use. */
  updateMode(): void {
    const words = this.i32;
    const cr0 = words[CR0_WORD]!;
    const longActive = (words[EFER_WORD]! & EFER_LMA) !== 0;
    const cpl = cr0 & CR0_PE ? words[CS_SELECTOR_WORD]! & 3 : 0;
    const codeAttributes = words[CS_ATTRIBUTES_WORD]!;
    let mode = cpl;
    if (longActive && codeAttributes & SEGMENT_L) mode |= MODE.code64;
    else {
      if (codeAttributes & SEGMENT_DB) mode |= MODE.code32;
      if (words[SS_ATTRIBUTES_WORD]! & SEGMENT_DB) mode |= MODE.stack32;
    }
    if (cr0 & CR0_PE) mode |= MODE.protected;
    if (cr0 & CR0_PG) mode |= MODE.paging;
    if (longActive) mode |= MODE.longActive;
    if ((cr0 & CR0_EM_TS) === 0 && words[CR4_WORD]! & CR4_OSFXSR) mode |= MODE.sse;
    const alignmentCheck = cpl === 3 && (cr0 & CR0_AM) !== 0 && (this.systemFlags & FLAG.AC) !== 0;
    if (alignmentCheck) mode |= MODE.alignmentCheck;
    if ((mode ^ words[MODE_WORD]!) & MODE_DECODE_MASK) this.forgetFetches();
    words[MODE_WORD] = mode;
    const index = this.mmuIndex(cpl);
    words[TLB_READ_WORD] = alignmentCheck ? TLB_EMPTY : tlbReadAddress(index);
    words[TLB_WRITE_WORD] = alignmentCheck || this.storesObserved ? TLB_EMPTY : tlbWriteAddress(index);
    words[FETCH_CONTEXT_WORD] = words[cpl === 3 ? USER_FETCH_CONTEXT_WORD : SUPERVISOR_FETCH_CONTEXT_WORD]!;
  }

  /** @param cpl of the access, 0 to 3 @returns the MMU index that an access at this privilege uses now */
  mmuIndex(cpl: number): number {
    if (cpl === 3) return MMU_USER;
    const smap = (this.i32[CR4_WORD]! & CR4_SMAP) !== 0 && (this.systemFlags & FLAG.AC) === 0;
    return smap ? MMU_SUPERVISOR : MMU_SUPERVISOR_USER_ACCESS;
  }

  /** Makes the lookups of code in ring 3 stale. */
  forgetUserFetches(): void {
    const words = this.i32;
    words[USER_FETCH_CONTEXT_WORD]! += 2;
    if (this.cpl === 3) words[FETCH_CONTEXT_WORD]! += 2;
  }

  /** Makes every cached lookup of code by linear address stale. Called by whatever flushes any translation. */
  forgetFetches(): void {
    const words = this.i32;
    words[USER_FETCH_CONTEXT_WORD]! += 2;
    words[SUPERVISOR_FETCH_CONTEXT_WORD]! += 2;
    words[FETCH_CONTEXT_WORD]! += 2;
  }
}
