import { u32 } from '#dialect';
import { getpid } from '../../../src/user/runtime/system-calls.ts';

const CALLS = 300_000;

/** Into the kernel and back. */
export function systemCalls(): u32 {
  let sum: u32 = 0;
  for (let call: u32 = 0; call < CALLS; call++) sum = u32(sum + getpid());
  return sum;
}
