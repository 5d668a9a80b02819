/** Random numbers. The machine has no source of entropy: they are the same in every run. */
import { u64 } from '#dialect';

/** State of splitmix64, fixed at boot. */
let state: u64 = 0x7665_7264_6967_7269n;

export function random64(): u64 {
  state = u64(state + 0x9e37_79b9_7f4a_7c15n);
  let mixed = state;
  mixed = u64((mixed ^ (mixed >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
  mixed = u64((mixed ^ (mixed >> 27n)) * 0x94d0_49bb_1331_11ebn);
  return u64(mixed ^ (mixed >> 31n));
}
