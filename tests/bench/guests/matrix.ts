import { array, mulLow32, u32 } from '#dialect';

const SIZE = 96;
const ROUNDS = 15;
const left = array(u32, SIZE * SIZE);
const right = array(u32, SIZE * SIZE);
const product = array(u32, SIZE * SIZE);

function multiply(): void {
  for (let row: u32 = 0; row < SIZE; row++) {
    for (let column: u32 = 0; column < SIZE; column++) {
      let sum: u32 = 0;
      for (let k: u32 = 0; k < SIZE; k++) {
        sum = u32(sum + mulLow32(left[u32(row * SIZE + k)]!, right[u32(k * SIZE + column)]!));
      }
      product[u32(row * SIZE + column)] = sum;
    }
  }
}

/** Products of 96 by 96 integer matrices. */
export function matrix(): u32 {
  for (let index: u32 = 0; index < SIZE * SIZE; index++) {
    left[index] = u32(index * 7 + 1);
    right[index] = u32(index * 13 + 5);
  }
  for (let round: u32 = 0; round < ROUNDS; round++) {
    multiply();
    for (let index: u32 = 0; index < SIZE * SIZE; index++) left[index] = u32(product[index]! ^ round);
  }
  let checksum: u32 = 0;
  for (let index: u32 = 0; index < SIZE * SIZE; index++) checksum = u32(mulLow32(checksum, 31) + left[index]!);
  return checksum;
}
