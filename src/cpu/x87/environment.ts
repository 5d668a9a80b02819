/** Control word, exception flags and rounding of the x87 FPU (SDM vol. 1 8.1.5, 8.4, 8.5). */

import { BIAS, bitLength, type Extended, exact, infinity, MAXIMUM_EXPONENT, zero } from './extended.ts';

/** Exception flags of the status word; the masks of the control word have the same positions. */
export const Exception = {
  INVALID: 1 << 0,
  DENORMAL: 1 << 1,
  ZERO_DIVIDE: 1 << 2,
  OVERFLOW: 1 << 3,
  UNDERFLOW: 1 << 4,
  PRECISION: 1 << 5,
  STACK: 1 << 6,
} as const;

export const Rounding = { NEAREST: 0, DOWN: 1, UP: 2, TOWARD_ZERO: 3 } as const;

/** What unmasked overflow and underflow take from or add to the exponent of a result that stays in a register. */
const BIAS_ADJUST = 24576;

/** A format that results are rounded to: precision in bits, and unbiased exponents of the normal range. */
export interface Format {
  readonly precision: number;
  readonly minimum: number;
  readonly maximum: number;
}

export const SINGLE: Format = { precision: 24, minimum: -126, maximum: 127 };
export const DOUBLE: Format = { precision: 53, minimum: -1022, maximum: 1023 };
const EXTENDED_RANGE = { minimum: 1 - BIAS, maximum: MAXIMUM_EXPONENT - 1 - BIAS };

/** Precision control, bits 9:8 of the control word; 01 is reserved and rounds to 64 bits. */
const PRECISIONS = [24, 64, 53, 64] as const;

/** An integer number of units of 2 to `scale`, and what rounding to it did. */
interface Rounded {
  readonly units: bigint;
  readonly inexact: boolean;
  readonly up: boolean;
}

/** One instruction's view of the control word, and the exceptions it has met. */
export class Environment {
  readonly masks: number;
  readonly rounding: number;
  /** Precision of the instructions that obey precision control. */
  readonly precision: number;
  /** `Exception` bits. */
  flags = 0;
  /** C1 after an inexact result: whether its magnitude was rounded up. */
  roundedUp = false;

  constructor(control: number) {
    this.masks = control & 0x3f;
    this.rounding = (control >> 10) & 3;
    this.precision = PRECISIONS[(control >> 8) & 3] as number;
  }

  raise(flags: number): void {
    this.flags |= flags;
  }

  masked(flag: number): boolean {
    return (this.masks & flag) !== 0;
  }

  /** Rounds a magnitude of `significand` times 2 to `scale` to a multiple of 2 to `unit`. */
  roundAt(negative: boolean, significand: bigint, scale: number, unit: number): Rounded {
    if (scale >= unit) return { units: significand << BigInt(scale - unit), inexact: false, up: false };
    // Beyond two guard bits only "something is there" matters, however small it is.
    const drop = Math.min(unit - scale, bitLength(significand) + 2);
    const units = significand >> BigInt(drop);
    const rest = significand & ((1n << BigInt(drop)) - 1n);
    if (rest === 0n) return { units, inexact: false, up: false };
    const up = this.#roundsUp(negative, units, rest, 1n << BigInt(drop - 1));
    return { units: up ? units + 1n : units, inexact: true, up };
  }

  #roundsUp(negative: boolean, units: bigint, rest: bigint, half: bigint): boolean {
    switch (this.rounding) {
      case Rounding.NEAREST:
        return rest > half || (rest === half && (units & 1n) === 1n);
      case Rounding.DOWN:
        return negative;
      case Rounding.UP:
        return !negative;
      default:
        return false;
    }
  }

  /**
   * Rounds to a register, with overflow, underflow and precision exceptions.
   * @param significand an exact magnitude, or one whose lowest bit stands for anything smaller
   */
  toExtended(negative: boolean, significand: bigint, scale: number, precision: number = this.precision): Extended {
    return this.#round(negative, significand, scale, { precision, ...EXTENDED_RANGE }, true) as Extended;
  }

  /**
   * Rounds to a format in memory.
   * @returns the rounded value, or undefined when an unmasked exception keeps it from being stored
   */
  toFormat(negative: boolean, significand: bigint, scale: number, format: Format): Extended | undefined {
    return this.#round(negative, significand, scale, format, false);
  }

  #round(
    negative: boolean,
    significand: bigint,
    scale: number,
    format: Format,
    register: boolean,
  ): Extended | undefined {
    if (significand === 0n) return zero(negative);
    const { precision } = format;
    const unit = scale + bitLength(significand) - precision;
    const free = this.roundAt(negative, significand, scale, unit);
    const exponent = unit + bitLength(free.units) - 1;
    if (exponent > format.maximum) return this.#overflow(negative, free, unit, format, register);
    if (exponent >= format.minimum) return this.#accept(negative, free, unit);
    if (!this.masked(Exception.UNDERFLOW)) {
      this.raise(Exception.UNDERFLOW);
      return register ? this.#accept(negative, free, unit + BIAS_ADJUST) : undefined;
    }
    const tiny = this.roundAt(negative, significand, scale, format.minimum - precision + 1);
    if (tiny.inexact) this.raise(Exception.UNDERFLOW);
    return this.#accept(negative, tiny, format.minimum - precision + 1);
  }

  #accept(negative: boolean, { units, inexact, up }: Rounded, unit: number): Extended {
    if (inexact) {
      this.raise(Exception.PRECISION);
      this.roundedUp = up;
    }
    const exponent = unit + bitLength(units) - 1;
    if (exponent > EXTENDED_RANGE.maximum) {
      this.raise(Exception.PRECISION);
      this.roundedUp = true;
      return infinity(negative);
    }
    if (exponent < EXTENDED_RANGE.minimum - 63) this.raise(Exception.PRECISION);
    return exact(negative, units, unit);
  }

  #overflow(negative: boolean, free: Rounded, unit: number, format: Format, register: boolean): Extended | undefined {
    this.raise(Exception.OVERFLOW);
    if (!this.masked(Exception.OVERFLOW)) {
      return register ? this.#accept(negative, free, unit - BIAS_ADJUST) : undefined;
    }
    this.raise(Exception.PRECISION);
    const away = negative ? Rounding.DOWN : Rounding.UP;
    this.roundedUp = this.rounding === Rounding.NEAREST || this.rounding === away;
    if (this.roundedUp) return infinity(negative);
    const largest = (1n << BigInt(format.precision)) - 1n;
    return exact(negative, largest, format.maximum - format.precision + 1);
  }

  /** Rounds the magnitude of a finite value to an integer, without range check. */
  toInteger(value: Extended, rounding: number = this.rounding): bigint {
    const scale = Math.max(value.exponent, 1) - BIAS - 63;
    const env = rounding === this.rounding ? this : new Environment(rounding << 10);
    const { units, inexact, up } = env.roundAt(value.negative, value.significand, scale, 0);
    if (inexact) {
      this.raise(Exception.PRECISION);
      this.roundedUp = up;
    }
    return value.negative ? -units : units;
  }
}
