/** Segment and system descriptors (SDM vol. 3A 3.4.5, 3.5), kept in registers as VMX's access rights are (SDM vol. 3C table 24-2). */

/** Bits of a segment register's attributes: bits 23:8 of the descriptor's high half, shifted down by 8, and UNUSABLE. */
export const Attributes = {
  ACCESSED: 1,
  /** Data: writable. Code: readable. */
  WRITABLE: 2,
  READABLE: 2,
  /** Data: expands down. Code: conforming. */
  EXPAND_DOWN: 4,
  CONFORMING: 4,
  CODE: 8,
  /** S: code or data, not a system descriptor. */
  CODE_OR_DATA: 0x10,
  PRESENT: 0x80,
  LONG: 0x2000,
  /** D or B. */
  DEFAULT_BIG: 0x4000,
  GRANULARITY: 0x8000,
  UNUSABLE: 0x1_0000,
} as const;

/** Types of system descriptors; the 32-bit ones are the 64-bit ones of IA-32e mode. */
export const SystemType = {
  AVAILABLE_TSS_16: 1,
  LDT: 2,
  BUSY_TSS_16: 3,
  CALL_GATE_16: 4,
  TASK_GATE: 5,
  INTERRUPT_GATE_16: 6,
  TRAP_GATE_16: 7,
  AVAILABLE_TSS: 9,
  BUSY_TSS: 0xb,
  CALL_GATE: 0xc,
  INTERRUPT_GATE: 0xe,
  TRAP_GATE: 0xf,
} as const;

export const TABLE_INDICATOR = 4;
/** Selector without its RPL: what error codes carry, and null when it is zero. */
export const SELECTOR_MASK = 0xfffc;

/** An 8-byte descriptor as two u32 halves, with the bits the processor looks at. */
export class Descriptor {
  readonly low: number;
  readonly high: number;

  constructor(low: number, high: number) {
    this.low = low;
    this.high = high;
  }

  /** Bits 23:8 of the high half shifted down, with the limit's bits cleared. */
  get attributes(): number {
    return (this.high >>> 8) & 0xf0ff;
  }

  get type(): number {
    return (this.high >>> 8) & 0xf;
  }

  get dpl(): number {
    return (this.high >>> 13) & 3;
  }

  get present(): boolean {
    return (this.high & 0x8000) !== 0;
  }

  get isSystem(): boolean {
    return (this.high & 0x1000) === 0;
  }

  get isCode(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }

  get isData(): boolean {
    return (this.high & 0x1800) === 0x1000;
  }

  get isConforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }

  get isReadable(): boolean {
    return this.isData || (this.high & 0x1a00) === 0x1a00;
  }

  get isWritable(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }

  get isLong(): boolean {
    return (this.high & 0x20_0000) !== 0;
  }

  get isBig(): boolean {
    return (this.high & 0x40_0000) !== 0;
  }

  /** Base, bits 31:0, unsigned. */
  get base(): number {
    return ((this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff00_0000)) >>> 0;
  }

  /** Limit in bytes after granularity, unsigned. */
  get limit(): number {
    const raw = (this.low & 0xffff) | (this.high & 0xf_0000);
    return (this.high & 0x80_0000) === 0 ? raw : ((raw << 12) | 0xfff) >>> 0;
  }
}
