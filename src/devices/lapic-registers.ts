// Local APIC registers, as offsets from the APIC base (SDM vol. 3A, table 12-1). The x2APIC MSR of a register is
// 0x800 + (offset >> 4).
export const ID = 0x020;
export const VERSION = 0x030;
export const TPR = 0x080;
export const APR = 0x090;
export const PPR = 0x0a0;
export const EOI = 0x0b0;
export const RRD = 0x0c0;
export const LDR = 0x0d0;
export const DFR = 0x0e0;
export const SVR = 0x0f0;
export const ISR = 0x100;
export const TMR = 0x180;
export const IRR = 0x200;
export const ESR = 0x280;
export const ICR_LOW = 0x300;
export const ICR_HIGH = 0x310;
export const LVT_TIMER = 0x320;
export const LVT_THERMAL = 0x330;
export const LVT_PERFORMANCE = 0x340;
export const LVT_LINT0 = 0x350;
export const LVT_LINT1 = 0x360;
export const LVT_ERROR = 0x370;
export const INITIAL_COUNT = 0x380;
export const CURRENT_COUNT = 0x390;
export const DIVIDE_CONFIGURATION = 0x3e0;
export const SELF_IPI = 0x3f0;

/** Bytes of one APIC's MMIO page. */
export const APIC_PAGE_SIZE = 0x1000;

export const IA32_APIC_BASE = 0x1b;
export const IA32_TSC_DEADLINE = 0x6e0;
export const X2APIC_MSR_FIRST = 0x800;
export const X2APIC_MSR_LAST = 0x8ff;

export const APIC_BASE_BSP = 0x100;
export const APIC_BASE_EXTD = 0x400;
export const APIC_BASE_EN = 0x800;
export const DEFAULT_APIC_BASE = 0xfee0_0000;

export const SVR_ENABLE = 0x100;

export const LVT_VECTOR = 0xff;
export const LVT_DELIVERY_MODE_SHIFT = 8;
export const LVT_MASKED = 0x1_0000;
export const LVT_TIMER_MODE_SHIFT = 17;

/** Timer modes, LVT timer register bits 18:17. */
export const TimerMode = { OneShot: 0, Periodic: 1, TscDeadline: 2 } as const;

export const ICR_LOGICAL_DESTINATION = 0x800;
export const ICR_LEVEL_ASSERT = 0x4000;
export const ICR_LEVEL_TRIGGERED = 0x8000;
export const ICR_SHORTHAND_SHIFT = 18;
export const Shorthand = { None: 0, Self: 1, AllIncludingSelf: 2, AllExcludingSelf: 3 } as const;

export const ESR_SEND_ILLEGAL_VECTOR = 0x20;
export const ESR_RECEIVED_ILLEGAL_VECTOR = 0x40;
export const ESR_ILLEGAL_REGISTER_ADDRESS = 0x80;

/** Writable bits of each LVT entry: vector, and delivery mode, polarity, trigger mode, timer mode where they exist. */
export const LVT_WRITABLE: Readonly<Record<number, number>> = {
  [LVT_TIMER]: 0x7_00ff,
  [LVT_THERMAL]: 0x1_07ff,
  [LVT_PERFORMANCE]: 0x1_07ff,
  [LVT_LINT0]: 0x1_a7ff,
  [LVT_LINT1]: 0x1_a7ff,
  [LVT_ERROR]: 0x1_00ff,
};

/** Every register outside the LVT and the three vector registers. */
const REGISTERS = [
  ID,
  VERSION,
  TPR,
  APR,
  PPR,
  EOI,
  LDR,
  DFR,
  SVR,
  ESR,
  ICR_LOW,
  ICR_HIGH,
  INITIAL_COUNT,
  CURRENT_COUNT,
  DIVIDE_CONFIGURATION,
  SELF_IPI,
];

/** Bits that a WRMSR to the x2APIC's ICR may set in its low half; any other raises #GP(0). */
export const X2APIC_ICR_WRITABLE = 0x000c_cfffn;

/** Bits that a WRMSR may set in each writable x2APIC register; any other bit, or register, raises #GP(0). */
export const X2APIC_WRITABLE: Readonly<Record<number, number>> = {
  [TPR]: 0xff,
  [EOI]: 0,
  [SVR]: 0x3ff,
  [ESR]: 0,
  ...Object.fromEntries(Object.entries(LVT_WRITABLE).map(([offset, bits]) => [offset, bits | 0x5000])),
  [INITIAL_COUNT]: 0xffff_ffff,
  [DIVIDE_CONFIGURATION]: 0x0b,
  [SELF_IPI]: 0xff,
};

/** 1 for each 16 bytes of the page that hold a register. */
const PRESENT = Uint8Array.from({ length: APIC_PAGE_SIZE / 16 }, (_, index) => {
  const offset = index * 16;
  return Number((offset >= ISR && offset < ESR) || REGISTERS.includes(offset) || offset in LVT_WRITABLE);
});

/** @param offset a multiple of 16 within the page */
export function isRegister(offset: number): boolean {
  return PRESENT[offset >> 4] === 1;
}

/** False for registers that exist in xAPIC mode only or are write-only (SDM vol. 3A, table 12-6). */
export function hasX2ApicRead(offset: number): boolean {
  return offset !== APR && offset !== DFR && offset !== ICR_HIGH && offset !== EOI && offset !== SELF_IPI;
}

/**
 * State transitions of IA32_APIC_BASE (SDM vol. 3A, figure 12-27).
 * @returns false when writing `next` over `current` must raise #GP(0)
 */
export function mayChangeBase(current: bigint, next: bigint, physicalAddressBits: number): boolean {
  const has = (base: bigint, bit: number) => (base & BigInt(bit)) !== 0n;
  const allowed = ((1n << BigInt(physicalAddressBits)) - 1n) & ~0x2ffn;
  if ((next & ~allowed) !== 0n) return false;
  if (has(next, APIC_BASE_EXTD)) return has(next, APIC_BASE_EN) && has(current, APIC_BASE_EN);
  return !(has(current, APIC_BASE_EXTD) && has(next, APIC_BASE_EN));
}
