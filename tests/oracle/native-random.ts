/** A seeded source of choices: the same seed gives the same cases on every host. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e3779b9) | 0 || 1;
  }

  /** 32 random bits, unsigned (xorshift, period 2^32 - 1). */
  bits(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return Math.imul(state, 0x2545f491) >>> 0;
  }

  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number {
    return Math.floor((this.bits() / 0x1_0000_0000) * limit);
  }

  chance(probability: number): boolean {
    return this.bits() < probability * 0x1_0000_0000;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bits64(): bigint {
    return (BigInt(this.bits()) << 32n) | BigInt(this.bits());
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.bits() >>> 24);
  }

  /** A 64-bit integer of the kind that carries, overflows and borrows. */
  integer(): bigint {
    switch (this.below(8)) {
      case 0:
        return BigInt(this.below(4));
      case 1:
        return BigInt.asUintN(64, -1n - BigInt(this.below(4)));
      case 2:
        return 1n << BigInt(this.below(64));
      case 3:
        return BigInt.asUintN(
          64,
          (1n << BigInt(this.pick([7, 8, 15, 16, 31, 32, 63]))) - 1n + BigInt(this.below(3) - 1),
        );
      case 4:
        return BigInt.asUintN(64, -(1n << BigInt(this.pick([7, 15, 31, 63]))) + BigInt(this.below(3) - 1));
      case 5:
        return BigInt(this.below(256));
      default:
        return this.bits64();
    }
  }

  /** Bits of a single-precision number: zeros, denormals, limits, infinities, NaNs, integers, and numbers of like magnitude. */
  single(): number {
    const sign = this.chance(0.5) ? 0x8000_0000 : 0;
    const fraction = this.bits() & 0x7f_ffff;
    const exponent = (value: number) => (sign | (value << 23) | fraction) >>> 0;
    switch (this.below(12)) {
      case 0:
        return sign >>> 0;
      case 1:
        return (sign | 0x3f80_0000) >>> 0;
      case 2:
        return (sign | 0x7f80_0000) >>> 0;
      case 3:
        return (exponent(255) | 0x40_0000) >>> 0;
      case 4:
        return (sign | 0x7f80_0000 | (fraction & 0x3f_ffff) | 1) >>> 0;
      case 5:
        return exponent(0);
      case 6:
        return (sign | this.pick([1, 0x7f_ffff, 0x80_0000, 0x7f7f_ffff])) >>> 0;
      case 7:
        return exponent(this.pick([1, 2, 63, 64, 65, 190, 191, 253, 254]));
      case 8:
        return exponent(150 + this.below(14));
      case 9:
        return (sign | ((127 + this.below(30)) << 23) | (fraction & 0x7f_8000)) >>> 0;
      case 10:
        return this.bits();
      default:
        return exponent(120 + this.below(14));
    }
  }

  /** Bits of a double-precision number, chosen in the same way. */
  double(): bigint {
    const sign = this.chance(0.5) ? 1n << 63n : 0n;
    const fraction = this.bits64() & 0xf_ffff_ffff_ffffn;
    const exponent = (value: number) => sign | (BigInt(value) << 52n) | fraction;
    switch (this.below(13)) {
      case 0:
        return sign;
      case 1:
        return sign | (0x3ffn << 52n);
      case 2:
        return sign | (0x7ffn << 52n);
      case 3:
        return exponent(0x7ff) | (1n << 51n);
      case 4:
        return sign | (0x7ffn << 52n) | (fraction & 0x7_ffff_ffff_ffffn) | 1n;
      case 5:
        return exponent(0);
      case 6:
        return sign | this.pick([1n, 0xf_ffff_ffff_ffffn, 1n << 52n, 0x7fef_ffff_ffff_ffffn]);
      case 7:
        return exponent(this.pick([1, 2, 511, 512, 1534, 1535, 2045, 2046]));
      case 8:
        return exponent(1023 + 29 + this.below(5)) & ~(fraction & 0xffff_ffffn);
      case 9:
        return exponent(1023 + 60 + this.below(6));
      case 10:
        return exponent(1023 + this.pick([-150, -149, -127, -126, 127, 128]));
      case 11:
        return this.bits64();
      default:
        return exponent(1016 + this.below(14));
    }
  }
}
