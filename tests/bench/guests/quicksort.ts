import { array, mulLow32, u32 } from '#dialect';

const COUNT = 50_000;
const ROUNDS = 30;
const values = array(u32, COUNT);

function sort(first: u32, last: u32): void {
  let low = first;
  let high = last;
  const pivot = values[u32((first + last) >>> 1)]!;
  for (;;) {
    while (values[low]! < pivot) low = u32(low + 1);
    while (values[high]! > pivot) high = u32(high - 1);
    if (low > high) break;
    const exchanged = values[low]!;
    values[low] = values[high]!;
    values[high] = exchanged;
    low = u32(low + 1);
    if (high === 0) break;
    high = u32(high - 1);
    if (low > high) break;
  }
  if (first < high) sort(first, high);
  if (low < last) sort(low, last);
}

/** Sorts 50,000 pseudo-random numbers, thirty times. */
export function quicksort(): u32 {
  let seed: u32 = 1;
  let checksum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    for (let index: u32 = 0; index < COUNT; index++) {
      seed = u32(mulLow32(seed, 1_664_525) + 1_013_904_223);
      values[index] = seed;
    }
    sort(0, COUNT - 1);
    for (let index: u32 = 1; index < COUNT; index++) {
      if (values[u32(index - 1)]! > values[index]!) return 0;
    }
    checksum = u32(checksum ^ values[COUNT / 2]!);
  }
  return checksum;
}
