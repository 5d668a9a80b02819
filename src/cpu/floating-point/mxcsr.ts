/** Fields of MXCSR, SDM vol. 1 figure 10-3. Exception flags are bits 0 to 5, their masks the same bits 7 higher. */
export const InvalidFlag = 1 << 0;
export const DenormalFlag = 1 << 1;
export const ZeroDivideFlag = 1 << 2;
export const OverflowFlag = 1 << 3;
export const UnderflowFlag = 1 << 4;
export const PrecisionFlag = 1 << 5;
export const DenormalsAreZero = 1 << 6;
export const FlushToZero = 1 << 15;
export const MaskShift = 7;
export const RoundingShift = 13;
/** Bits that LDMXCSR and FXRSTOR accept; any other raises #GP(0). FXSAVE reports it as MXCSR_MASK. */
export const MxcsrMask = 0xffff;
export const MxcsrReset = 0x1f80;

/** RC, SDM vol. 1 table 4-8. */
export const RoundNearest = 0;
export const RoundDown = 1;
export const RoundUp = 2;
export const RoundTowardZero = 3;
export type Rounding = 0 | 1 | 2 | 3;

const precomputationFlags = InvalidFlag | DenormalFlag | ZeroDivideFlag;

/** The control fields of one MXCSR value, and the flags that an instruction raises while it computes. */
export class FloatStatus {
  readonly rounding: Rounding;
  readonly denormalsAreZero: boolean;
  readonly flushToZero: boolean;
  /** Exception masks, aligned with the flags: a set bit is a masked exception. */
  readonly masks: number;
  /** Exceptions met since construction, whether masked or not. */
  flags = 0;

  constructor(mxcsr: number) {
    this.rounding = ((mxcsr >> RoundingShift) & 3) as Rounding;
    this.denormalsAreZero = (mxcsr & DenormalsAreZero) !== 0;
    this.masks = (mxcsr >> MaskShift) & 0x3f;
    this.flushToZero = (mxcsr & FlushToZero) !== 0 && (this.masks & UnderflowFlag) !== 0;
  }

  raise(flags: number): void {
    this.flags |= flags;
  }

  get unmasked(): number {
    return this.flags & ~this.masks;
  }

  /**
   * The flags to set in MXCSR. An unmasked exception found before computation (invalid, denormal, divide) stops the whole
   * instruction, so that no element reports overflow, underflow or precision (SDM vol. 1 11.5.4).
   */
  get reported(): number {
    return (this.unmasked & precomputationFlags) !== 0 ? this.flags & precomputationFlags : this.flags;
  }
}
