/** How much memory the machine has, and how much of it is free (sysinfo(2)). */
import { addressOf, embed, u64 } from '#dialect';
import { SystemInformation } from '../../kernel/abi/system-information.ts';
import { sysinfo } from './system-calls.ts';

/** What `readSystemInformation` has read last; zeros before. */
export const systemInformation = embed(SystemInformation);

export function readSystemInformation(): void {
  sysinfo(addressOf(systemInformation));
}

/** Bytes that are free, or kept for the kernel's next threads. */
export function freeMemory(): u64 {
  readSystemInformation();
  return u64(systemInformation.freeMemory + systemInformation.bufferMemory);
}
