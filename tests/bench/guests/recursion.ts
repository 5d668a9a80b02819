import { u32 } from '#dialect';

const ARGUMENT = 33;

function fibonacci(n: u32): u32 {
  return n < 2 ? n : u32(fibonacci(u32(n - 1)) + fibonacci(u32(n - 2)));
}

/** Little but calls and returns. */
export function recursion(): u32 {
  return fibonacci(ARGUMENT);
}
