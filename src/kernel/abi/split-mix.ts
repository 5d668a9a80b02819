/** SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): numbers that look random, the same in every run. */
import { u64 } from '#dialect';

const INCREMENT = 0x9e37_79b9_7f4a_7c15n;
const MULTIPLIER_1 = 0xbf58_476d_1ce4_e5b9n;
const MULTIPLIER_2 = 0x94d0_49bb_1331_11ebn;

export class SplitMix64 {
  /** The seed, before the first draw. */
  state: u64 = 0n;

  draw(): u64 {
    this.state = u64(this.state + INCREMENT);
    let mixed = u64(u64(this.state ^ (this.state >> 30n)) * MULTIPLIER_1);
    mixed = u64(u64(mixed ^ (mixed >> 27n)) * MULTIPLIER_2);
    return u64(mixed ^ (mixed >> 31n));
  }
}
