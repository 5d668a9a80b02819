/**
 * Where everything lives in the one WebAssembly.Memory. Host address 0 to 64 KiB stays unused, so that 0 can mean "none".
 * All offsets are bytes; every 64-bit field is 8-byte aligned and every vector register 16-byte aligned.
 */

const CPU_BLOCK = 0x10000;

/** Fields of the CPU block: address and width of each, in bytes. The semantics name state by these keys. */
export const FIELDS = {
  rip: { address: CPU_BLOCK + 0x100, width: 8 },
  /** Lazy status flags: the kind of the last operation (flags.ts) and its two values. */
  flagsKind: { address: CPU_BLOCK + 0x108, width: 4 },
  /** RFLAGS without the six status flags: TF IF DF IOPL NT RF VM AC VIF VIP ID and bit 1, which is always set. */
  systemFlags: { address: CPU_BLOCK + 0x10c, width: 4 },
  flagsA: { address: CPU_BLOCK + 0x110, width: 8 },
  flagsB: { address: CPU_BLOCK + 0x118, width: 8 },
  /** See MODE. */
  mode: { address: CPU_BLOCK + 0x120, width: 4 },
  mxcsr: { address: CPU_BLOCK + 0x124, width: 4 },
  /** Host addresses of the two TLBs that serve the current MMU index. */
  tlbRead: { address: CPU_BLOCK + 0x128, width: 4 },
  tlbWrite: { address: CPU_BLOCK + 0x12c, width: 4 },
  /** Distinguishes address spaces and rings in the jump cache: one of the two below, by the ring. */
  fetchContext: { address: CPU_BLOCK + 0x130, width: 4 },
  /** Nonzero while a MOV SS or STI shadow covers the next instruction: see SHADOW. */
  interruptShadow: { address: CPU_BLOCK + 0x134, width: 4 },
  cr0: { address: CPU_BLOCK + 0x140, width: 8 },
  cr2: { address: CPU_BLOCK + 0x148, width: 8 },
  cr3: { address: CPU_BLOCK + 0x150, width: 8 },
  cr4: { address: CPU_BLOCK + 0x158, width: 8 },
  cr8: { address: CPU_BLOCK + 0x160, width: 8 },
  efer: { address: CPU_BLOCK + 0x168, width: 8 },
  star: { address: CPU_BLOCK + 0x170, width: 8 },
  lstar: { address: CPU_BLOCK + 0x178, width: 8 },
  cstar: { address: CPU_BLOCK + 0x180, width: 8 },
  sfmask: { address: CPU_BLOCK + 0x188, width: 8 },
  kernelGsBase: { address: CPU_BLOCK + 0x190, width: 8 },
  tscAux: { address: CPU_BLOCK + 0x198, width: 8 },
  tscAdjust: { address: CPU_BLOCK + 0x1a0, width: 8 },
  pat: { address: CPU_BLOCK + 0x1a8, width: 8 },
  sysenterCs: { address: CPU_BLOCK + 0x1b0, width: 8 },
  sysenterEsp: { address: CPU_BLOCK + 0x1b8, width: 8 },
  sysenterEip: { address: CPU_BLOCK + 0x1c0, width: 8 },
  miscEnable: { address: CPU_BLOCK + 0x1c8, width: 8 },
  dr0: { address: CPU_BLOCK + 0x1d0, width: 8 },
  dr1: { address: CPU_BLOCK + 0x1d8, width: 8 },
  dr2: { address: CPU_BLOCK + 0x1e0, width: 8 },
  dr3: { address: CPU_BLOCK + 0x1e8, width: 8 },
  dr6: { address: CPU_BLOCK + 0x1f0, width: 8 },
  dr7: { address: CPU_BLOCK + 0x1f8, width: 8 },
  gdtrBase: { address: CPU_BLOCK + 0x200, width: 8 },
  idtrBase: { address: CPU_BLOCK + 0x208, width: 8 },
  gdtrLimit: { address: CPU_BLOCK + 0x210, width: 4 },
  idtrLimit: { address: CPU_BLOCK + 0x214, width: 4 },
  /** x87: control, status (TOP included) and abridged tag words, last opcode, instruction and data pointers. */
  x87Control: { address: CPU_BLOCK + 0x220, width: 4 },
  x87Status: { address: CPU_BLOCK + 0x224, width: 4 },
  x87Tag: { address: CPU_BLOCK + 0x228, width: 4 },
  x87Opcode: { address: CPU_BLOCK + 0x22c, width: 4 },
  x87InstructionPointer: { address: CPU_BLOCK + 0x230, width: 8 },
  x87DataPointer: { address: CPU_BLOCK + 0x238, width: 8 },
  /** The fault that stopped an instruction, to be delivered by the driver. `faultHasErrorCode` is 0 or 1. */
  faultVector: { address: CPU_BLOCK + 0x240, width: 4 },
  faultErrorCode: { address: CPU_BLOCK + 0x244, width: 4 },
  faultHasErrorCode: { address: CPU_BLOCK + 0x248, width: 4 },
  /** Linear address of the access that missed the TLB, and of the fault when the vector is #PF (CR2 is written by delivery). */
  faultAddress: { address: CPU_BLOCK + 0x250, width: 8 },
  /** Why the interpreter came back (interpreter/exits.ts) and at which record. */
  exitReason: { address: CPU_BLOCK + 0x258, width: 4 },
  exitRecord: { address: CPU_BLOCK + 0x25c, width: 4 },
  /** Instructions to charge when a cold handler transfers control through `rip`. */
  leaveCost: { address: CPU_BLOCK + 0x260, width: 4 },
  /** Nonzero while one instruction is being repeated with device access allowed. */
  deviceAccess: { address: CPU_BLOCK + 0x264, width: 4 },
  /** Where the interpreter is when an instruction takes the slow path: ticks left, and the record. */
  calledTicks: { address: CPU_BLOCK + 0x2d0, width: 4 },
  calledRecord: { address: CPU_BLOCK + 0x2d4, width: 4 },
  /** What an instruction under way has made due at the boundary behind it: see ATTENTION. */
  attention: { address: CPU_BLOCK + 0x2d8, width: 4 },
  /** Physical page number of the device that the slow path has just found. */
  devicePage: { address: CPU_BLOCK + 0x2dc, width: 4 },
  /** Instructions by which translated regions may exceed the ticks they are run for. */
  overrun: { address: CPU_BLOCK + 0x2e0, width: 4 },
  /** Set to 1 when ticks run out in a region, or before one that might need more than there are. */
  covered: { address: CPU_BLOCK + 0x2e4, width: 4 },
  /** A value crossing between WebAssembly and TypeScript as two 32-bit halves. */
  transfer: { address: CPU_BLOCK + 0x268, width: 8 },
  /** Host address of guest physical address 0. */
  ramAddress: { address: CPU_BLOCK + 0x270, width: 4 },
  /** STRING_LIMIT, or 1 while every iteration of a repeated string instruction is stepped. */
  stringLimit: { address: CPU_BLOCK + 0x2f8, width: 4 },
  /** 1 from the delivery of an NMI until the next IRET. */
  nmiBlocked: { address: CPU_BLOCK + 0x274, width: 4 },
  /** 1 when an NMI has arrived and has not been delivered. */
  nmiPending: { address: CPU_BLOCK + 0x278, width: 4 },
  /** 1 between HLT and the event that ends it. */
  halted: { address: CPU_BLOCK + 0x27c, width: 4 },
  /** Numbers of what ring 3 and the other rings fetch; each changes whenever its cached translations may have changed. */
  userFetchContext: { address: CPU_BLOCK + 0x284, width: 4 },
  supervisorFetchContext: { address: CPU_BLOCK + 0x288, width: 4 },
  /** 1 while an interrupt waits for RFLAGS.IF; kept by the driver while the interpreter runs. */
  interruptPending: { address: CPU_BLOCK + 0x28c, width: 4 },
  /**
   * Ticks that were left behind the last IRET in the interpreter: RF, if that set it, is over once other ticks are left. Until the driver
   * has looked, systemFlags may still have it.
   */
  resumeTicks: { address: CPU_BLOCK + 0x294, width: 4 },
  /** 1 while the interpreter may deliver page faults itself, and the ticks that were left when it last has. */
  deliversFaults: { address: CPU_BLOCK + 0x2b4, width: 4 },
  faultTicks: { address: CPU_BLOCK + 0x2b8, width: 4 },
  /** RFLAGS bits that are set in what an event being delivered saves: RF or none. */
  eventFlags: { address: CPU_BLOCK + 0x290, width: 4 },
  /**
   * What page walks in WebAssembly (interpreter/tlb-misses.ts) go by: host address of the PML4 table, 0 when they are left to
   * TypeScript; the bits that an entry must not have; WRITABLE when it binds the supervisor too; GLOBAL when that means something.
   */
  walkTable: { address: CPU_BLOCK + 0x298, width: 4 },
  walkReserved: { address: CPU_BLOCK + 0x2a0, width: 8 },
  walkSupervisorWrite: { address: CPU_BLOCK + 0x2a8, width: 4 },
  walkGlobal: { address: CPU_BLOCK + 0x2ac, width: 4 },
  /** Bytes of guest RAM. */
  memoryBytes: { address: CPU_BLOCK + 0x29c, width: 4 },
  /** Linear pages that are watched. */
  watchedPages: { address: CPU_BLOCK + 0x2b0, width: 4 },
  /** How many of the spans of each TLB are in use. */
  spansUsed: { address: CPU_BLOCK + 0x2bc, width: 4 },
  /** DR6 bits of debug traps that the next instruction boundary delivers as one #DB; 0 when there is none. */
  pendingDebug: { address: CPU_BLOCK + 0x280, width: 4 },
} as const;

export type FieldName = keyof typeof FIELDS;

/**
 * A repeated string instruction pauses where rCX is a multiple of this, so that interrupts can arrive within it. Where it pauses, and
 * what that costs, follows from the guest's registers alone: nothing that cuts execution into pieces can change it. A pause takes
 * the virtual time of as many instructions.
 */
export const STRING_LIMIT = 65536;

/** gpr[n] at GPR + 8n, in encoding order RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. */
export const GPR = CPU_BLOCK;
/** Eight bytes that are always zero: the base or index of an address that has none. */
export const ZERO_SLOT = CPU_BLOCK + 0x80;
/** xmm[n] at XMM + 16n. */
export const XMM = CPU_BLOCK + 0x400;
/** x87 register image R0-R7 (physical, not stack order), ten bytes each in 16-byte slots of which the rest is zero. */
export const X87_REGISTERS = CPU_BLOCK + 0x500;
/** As vectors, the slots R0-R7 have the numbers behind those of the XMM registers: mm[n], their low halves, is 16 + n. */
export const MMX_VECTORS = (X87_REGISTERS - XMM) / 16;
/** Sixteen bytes in which the slow path puts split accesses together. */
export const SCRATCH = CPU_BLOCK + 0x6a0;
/**
 * Records (interpreter/records.ts) at fixed places: leave the interpreter; go where `rip` says; take the branch written into it; go where
 * `rip` says, with `resumeTicks`; look up what is at `rip`.
 */
export const EXIT_RECORD = CPU_BLOCK + 0x880;
export const INDIRECT_RECORD = CPU_BLOCK + 0x8c0;
export const BRANCH_RECORD = CPU_BLOCK + 0x900;
export const RESUME_RECORD = CPU_BLOCK + 0x940;
export const LOOKUP_RECORD = CPU_BLOCK + 0x980;

/** The four PDPTE registers of PAE paging, 8 bytes each. */
export const PDPTES = CPU_BLOCK + 0x700;
/** Memory-type range registers: IA32_MTRR_DEF_TYPE, 16 variable and 11 fixed ones, 8 bytes each. */
export const MTRRS = CPU_BLOCK + 0x720;

/** Segment registers in encoding order, then LDTR and TR; each SEGMENT_BYTES long. */
export const SEGMENTS = CPU_BLOCK + 0x580;
export const SEGMENT_BYTES = 32;
export const SEGMENT_BASE = 0;
/** Expanded to bytes, unsigned 32-bit. */
export const SEGMENT_LIMIT = 8;
export const SEGMENT_SELECTOR = 12;
/** Type 3:0, S 4, DPL 6:5, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16 (SDM vol. 3C 24.4.1). */
export const SEGMENT_ATTRIBUTES = 16;

export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;
export const LDTR = 6;
export const TR = 7;
/** Linear address that stands for an access which its segment forbids: not canonical in any mode. */
export const SEGMENT_VIOLATION = 1n << 63n;
/** A segment whose base is always zero: what ES, CS, SS and DS are in 64-bit mode. */
export const FLAT_SEGMENT = 8;

/** Bits of the mode word, derived from the rest of the state by CpuState.updateMode. */
export const MODE = {
  cplMask: 3,
  /** CS.L with EFER.LMA: 64-bit mode. */
  code64: 1 << 2,
  /** CS.D: 32-bit default operand and address size. */
  code32: 1 << 3,
  /** SS.B: 32-bit stack pointer outside 64-bit mode. */
  stack32: 1 << 4,
  protected: 1 << 5,
  paging: 1 << 6,
  longActive: 1 << 7,
  /** CR0.AM, RFLAGS.AC and CPL 3: every access takes the slow path, which checks alignment. */
  alignmentCheck: 1 << 8,
  /** SSE instructions may execute: CR0.EM and TS clear, CR4.OSFXSR set. */
  sse: 1 << 9,
} as const;
/** The mode bits that decide how bytes are decoded. */
export const MODE_DECODE_MASK = MODE.code64 | MODE.code32 | MODE.stack32 | MODE.sse;

/**
 * A fetchContext that no look-up was made in. An instruction leaves it behind when the driver must look at the boundary that follows:
 * its jump, not found in the jump cache, ends the run.
 */
export const NO_FETCH_CONTEXT = -2;

/** Values of attention: nothing, an interrupt and nothing else, something that the driver must look at. */
export const ATTENTION = { none: 0, interrupt: 1, driver: 2 } as const;

/** Values of interruptShadow. */
export const SHADOW = { none: 0, sti: 1, movSs: 2 } as const;

/** MMU indexes: each has its own pair of TLBs, so that a privilege change flushes nothing. */
export const MMU_USER = 0;
/** Supervisor that must not touch user pages (CR4.SMAP set, RFLAGS.AC clear). */
export const MMU_SUPERVISOR = 1;
/** Supervisor that may touch user pages. */
export const MMU_SUPERVISOR_USER_ACCESS = 2;
export const MMU_INDEXES = 3;

/**
 * A TLB entry is { tag i64, addend i32, physical page number i32 }. Entry of a linear address: (address >> 12) & (TLB_ENTRIES - 1).
 * The tag is the linear address of the page, canonical, low 12 bits clear; any other tag never matches a fast probe:
 *   TLB_INVALID   the entry is free,
 *   page | TLB_SLOW_CODE   (write TLB only) a RAM page that may be written but holds code: stores look at the code granules,
 *   page | TLB_SLOW_WATCH  a page with a watchpoint, or anything else that must always take the slow path,
 *   page | TLB_SLOW_DEVICE   no RAM: only the physical page number means something.
 * The addend is (host address of the page - linear address of the page) mod 2^32.
 */
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY_BYTES = 16;
export const TLB_BYTES = TLB_ENTRIES * TLB_ENTRY_BYTES;
export const TLB_TAG = 0;
export const TLB_ADDEND = 8;
export const TLB_PHYSICAL_PAGE = 12;
export const TLB_INVALID = -1n;
export const TLB_SLOW_CODE = 1;
export const TLB_SLOW_WATCH = 2;
export const TLB_SLOW_DEVICE = 4;

const TLB_AREA = 0x20000;
export const tlbReadAddress = (mmuIndex: number): number => TLB_AREA + mmuIndex * 2 * TLB_BYTES;
export const tlbWriteAddress = (mmuIndex: number): number => tlbReadAddress(mmuIndex) + TLB_BYTES;
/** A TLB that stays empty, selected while every access must take the slow path. */
export const TLB_EMPTY = TLB_AREA + MMU_INDEXES * 2 * TLB_BYTES;

/**
 * Spans (system/spans.ts): beside each TLB, at this distance from it, an array of { base i64, length i64, addend i32, missed i64 }. An access of
 * up to 16 bytes whose address is less than `length` behind `base` is at (address + addend) mod 2^32. `missed` is the address of the last
 * access that was not, 0 for none.
 */
export const SPAN_OFFSET = (MMU_INDEXES * 2 + 1) * TLB_BYTES;
export const SPANS = 512;
export const SPAN_BYTES = 32;
export const SPAN_BASE = 0;
export const SPAN_LENGTH = 8;
export const SPAN_ADDEND = 16;
export const SPAN_MISSED = 24;
/** What is missing from `length`, so that accesses that begin within it end within the pages. */
export const SPAN_SLACK = 15;
/** `length` of a span of one page. */
export const SPAN_ONE_PAGE = 4096 - SPAN_SLACK;
/** Behind the spans of a TLB: SPANS_CHANGED once an access has missed its span, SPANS_NONE while no span has a length. */
export const SPAN_STATUS = SPAN_OFFSET + SPANS * SPAN_BYTES;
export const SPANS_NONE = 0;
export const SPANS_CHANGED = 1;

/** Jump cache: { rip i64, record i32, fetchContext i32 }, direct mapped. */
export const JUMP_CACHE = TLB_EMPTY + TLB_BYTES + SPAN_OFFSET;
export const JUMP_CACHE_ENTRIES = 65536;
export const JUMP_CACHE_ENTRY_BYTES = 16;

/**
 * How often translated regions left an instruction to the interpreter, by its record: i32 counters. Record r counts at
 * (r / 64) mod SIDE_EXIT_COUNTERS.
 */
export const SIDE_EXITS = JUMP_CACHE + JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_BYTES;
export const SIDE_EXIT_COUNTERS = 65536;

/** The other ways out of translated regions: { count i32, target i64 }, the target being where a computed jump last went. */
export const EXIT_SITES = SIDE_EXITS + 4 * SIDE_EXIT_COUNTERS;
export const EXIT_SITES_LIMIT = 16384;
export const EXIT_SITE_BYTES = 16;
export const EXIT_SITE_TARGET = 8;

/** How many translated regions there can be; and the ticks that each needs to begin, by its slot, so that it does not use up more. */
export const REGION_SLOTS = 4096;
export const REGION_TICKS = EXIT_SITES + EXIT_SITES_LIMIT * EXIT_SITE_BYTES;

/**
 * What is known of the TLBs' entries (system/tlb.ts). A slot is the number of an entry in all the TLBs one behind the other.
 * TLB_STATUS: a byte for each slot, of TLB_IN_LOCAL_LOG and TLB_IN_GLOBAL_LOG, the logs that name it, and TLB_GLOBAL when its entry
 * is a global one. The logs: an i32 count, and so many i32 numbers of slots that have been filled since the log was last emptied.
 */
export const TLB_SLOTS = MMU_INDEXES * 2 * TLB_ENTRIES;
export const TLB_STATUS = REGION_TICKS + 4 * REGION_SLOTS;
export const TLB_IN_LOCAL_LOG = 1;
export const TLB_IN_GLOBAL_LOG = 2;
export const TLB_GLOBAL = 4;
const TLB_LOG_BYTES = TLB_SLOTS * 4 + 64;
export const TLB_LOCAL_LOG = TLB_STATUS + TLB_SLOTS;
export const TLB_GLOBAL_LOG = TLB_LOCAL_LOG + TLB_LOG_BYTES;
/** Supervisor's fetch context in which code was last looked up, i32, by a hash of the linear page (`hashPage`). */
export const FETCHED_PAGES = TLB_GLOBAL_LOG + TLB_LOG_BYTES;
export const PAGE_HASHES = 65536;
/** Bytes: where live entries may belong to a large page, LARGE_4M by the hash of the 4 MBytes that hold it, LARGE_1G by that of its GByte. */
export const LARGE_PAGES = FETCHED_PAGES + PAGE_HASHES * 4;
export const LARGE_4M = 1;
export const LARGE_1G = 2;
/** Multiplier of the address's upper half in `hashPage`. */
export const PAGE_HASH_FACTOR = 0x9e3779b1 | 0;

/** Pre-decoded op records (interpreter/records.ts), allocated upward and thrown away all at once. */
export const RECORD_ARENA = LARGE_PAGES + PAGE_HASHES;
export const RECORD_ARENA_BYTES = 32 << 20;

/** One 64-bit mask a physical RAM page: bit n is set when decoded code lies in its bytes 64n to 64n + 63. */
export const CODE_GRANULES = RECORD_ARENA + RECORD_ARENA_BYTES;

const WASM_PAGE = 65536;
const PAGE = 4096;

/** Largest RAM: 3 GiB from physical 0, the rest of the 32-bit space being devices. */
export const MAXIMUM_MEMORY_BYTES = 3 * 2 ** 30;

/**
 * @param memoryBytes guest RAM in bytes, a multiple of 4 KiB, at most MAXIMUM_MEMORY_BYTES
 * @returns the host address of physical address 0, and the size of the WebAssembly.Memory in 64 KiB pages
 */
export function placeRam(memoryBytes: number): { ram: number; pages: number } {
  if (memoryBytes <= 0 || memoryBytes % PAGE !== 0 || memoryBytes > MAXIMUM_MEMORY_BYTES) {
    throw new RangeError(`RAM must be a positive multiple of 4 KiB up to 3 GiB, not ${memoryBytes} bytes`);
  }
  const granules = (memoryBytes / PAGE) * 8;
  const ram = Math.ceil((CODE_GRANULES + granules) / WASM_PAGE) * WASM_PAGE;
  return { ram, pages: Math.ceil((ram + memoryBytes) / WASM_PAGE) };
}
