import { mulLow32, u32 } from '#dialect';

const STEPS = 9_000_000;

/** Shifts, multiplications, rotations and a branch that no one can predict. */
export function integerMix(): u32 {
  let state: u32 = 0x1234_5678;
  let sum: u32 = 0;
  for (let step: u32 = 0; step < STEPS; step++) {
    state = u32(state ^ (state << 13));
    state = u32(state ^ (state >>> 17));
    state = u32(state ^ (state << 5));
    const mixed = mulLow32(state, 0x9e37_79b1);
    if ((mixed & 0x8000) === 0) sum = u32(sum + mixed);
    else sum = u32((sum << 7) | (sum >>> 25));
  }
  return sum;
}
