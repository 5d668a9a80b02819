/**
 * The op record: one instruction (or a fused pair) decoded for the interpreter, 64 bytes. Records of a run follow each other in
 * memory, so that the next instruction is the next record. Offsets in bytes.
 */
export const RECORD_BYTES = 64;

/** Handler number: below HOT_LIMIT an arm of the interpreter's br_table, else a slot of the function table. */
export const HANDLER = 0;
/** Host addresses of the base and index registers of the memory operand (ZERO_SLOT for none); BASE is the rm register otherwise. */
export const BASE = 4;
export const INDEX = 8;
/** Left shift of the index: bits 5:0, as WebAssembly masks shift counts. The rest is free; see REGION. */
export const SCALE = 12;
/** 64 bits; of a RIP-relative operand the whole linear address. */
export const DISPLACEMENT = 16;
/** 64 bits, truncated to the width its operand is read at; of a direct branch the target's RIP. */
export const IMMEDIATE = 24;
/** Host addresses of the registers named by ModRM.reg and VEX.vvvv. */
export const REG = 32;
export const VVVV = 36;
/** Address of this instruction, 64 bits. */
export const RIP = 40;
/** The record a taken branch goes on with. Elsewhere: the second immediate, or a helper's index. */
export const TARGET = 48;
/** What a taken branch charges: instructions retired since the head of the run, less the target's position in its own. */
export const COST = 52;
/** u16: instructions of this run before this record. */
export const POSITION = 56;
/** u8: bytes of the instruction (of the first, when fused). */
export const LENGTH = 58;
/** u8: see MARK. */
export const MARKS = 59;
/** u16: index into FORMS. */
export const FORM = 60;
/** u8: see ADDRESSING. */
export const ADDRESSING_KIND = 62;
/** u8: segment number of the memory operand, FLAT_SEGMENT when its base is 0 by definition. */
export const SEGMENT = 63;

export const MARK = {
  /** Two instructions in one record. */
  fused: 1,
  /** Status flags in memory are out of date before this record: the instruction before it did not store them. */
  staleFlags: 2,
  /** The instruction goes on in the next page. */
  crossing: 4,
  /** Behind the last instruction of a run. */
  stub: 8,
  /** A breakpoint before the instruction of the next record: executes nothing. */
  breakpoint: 16,
} as const;

/** How the general address computation treats a record's memory operand. */
export const ADDRESSING = { bits64: 0, bits32In64: 1, bits32: 2, bits16: 3 } as const;

/** Longest run, in instructions; positions and the driver's margin rely on it. */
export const RUN_LIMIT = 64;

/** Why `run` returned. The record in exitRecord has not been executed. */
export const EXIT = {
  /** The tick budget is used up. */
  TICKS: 0,
  /** Control goes to `rip`, of which no record is known; ticks are exact, exitRecord means nothing. */
  LOOKUP: 2,
  /** The instruction is a TypeScript function. */
  HELPER: 3,
  /** The fault fields hold an exception of the instruction. */
  FAULT: 4,
  /** The instruction met a device or a watched page and must be repeated alone with `deviceAccess` set. */
  DEVICE: 5,
  /** The record was dropped, as its bytes have changed. */
  RELOOKUP: 6,
  /** The record where the driver asked to stop. */
  STOP: 7,
  /** A repeated string instruction paused between iterations. */
  RESTART: 8,
  BREAKPOINT: 9,
  /** As LOOKUP, but something may be due at this boundary. */
  BOUNDARY: 10,
  /** A triple fault while an event was delivered. */
  SHUTDOWN: 11,
} as const;

/** Handler numbers that have no form. */
export const PSEUDO = {
  /** The head of a translated region (REGION): its function runs, unless fewer ticks are left than it needs (REGION_TICKS). */
  region: 0,
  /** A stub whose RIP is looked up, and its branch patched. */
  link: 1,
  /** A stub in another page, or the end of a run: goes through the jump cache each time. */
  jump: 2,
  /** As `jump` to `rip`, after charging `leaveCost`; INDIRECT_RECORD. */
  indirect: 3,
  /** EXIT_RECORD. */
  exit: 4,
  /** Goes on at TARGET: a run that continues in another. */
  goto: 5,
  helper: 6,
  relookup: 7,
  stop: 8,
  breakpoint: 9,
  /** As `indirect`, noting the ticks that are left; RESUME_RECORD. */
  resume: 10,
  /** Looks `rip` up, which the jump cache does not know; LOOKUP_RECORD. */
  lookup: 11,
} as const;
export const PSEUDO_HANDLERS = 12;

/** What a region's head keeps in the free bits of SCALE: its own handler, and the region's slot in the function table. */
export const REGION = { handlerShift: 6, handlerMask: 0x1fff, slotShift: 19 } as const;
