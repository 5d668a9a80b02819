import { u32 } from '#dialect';

const SIZE = 10;
const ALL = (1 << SIZE) - 1;

function place(columns: u32, rising: u32, falling: u32): u32 {
  if (columns === ALL) return 1;
  let solutions: u32 = 0;
  let free = u32(~(columns | rising | falling) & ALL);
  while (free !== 0) {
    const queen = u32(free & (0 - free));
    free = u32(free ^ queen);
    solutions = u32(solutions + place(u32(columns | queen), u32((rising | queen) << 1), u32((falling | queen) >>> 1)));
  }
  return solutions;
}

/** Ways to place ten queens, by bit masks and recursion. */
export function queens(): u32 {
  let sum: u32 = 0;
  for (let round: u32 = 0; round < 20; round++) sum = u32(sum + place(0, 0, 0));
  return sum;
}
