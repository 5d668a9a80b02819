/** The program's arguments: what the kernel put on the initial stack (System V AMD64 ABI 3.4.1). */
import { mem, u32, u64, type VirtAddr, virt } from '#dialect';

let stack: u64 = 0n;

/** Called first, with the stack pointer that the program's entry was handed. */
export function setInitialStack(pointer: u64): void {
  stack = pointer;
}

export function argumentCount(): u32 {
  return u32(mem.load64(virt(stack)));
}

/** A zero-terminated argument; number 0 is the program's own name. */
export function argument(index: u32): VirtAddr {
  return virt(mem.load64(virt(stack + 8n + u64(index) * 8n)));
}

/** The null-terminated environment pointers. */
export function environment(): VirtAddr {
  return virt(stack + 16n + u64(argumentCount()) * 8n);
}
