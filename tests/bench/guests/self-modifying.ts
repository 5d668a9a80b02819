import { asm, mem, naked, u32, u64, type VirtAddr, virt } from '#dialect';
import { mapCodeMemory, unmapMemory } from '../../../src/user/runtime/system-calls.ts';

const ROUNDS = 3_000;
const CALLS = 8;
/** Instructions of a function that is written, each `add eax, imm32`. */
const LENGTH = 24;
const PAGE_BYTES = 4096n;

const call = naked(
  (_code: VirtAddr, _argument: u32): u32 => asm`
    mov eax, esi
    jmp rdi
  `,
);

/** Writes a function that adds numbers made from a seed to EAX. */
function writeFunction(code: VirtAddr, seed: u32): void {
  for (let index: u32 = 0; index < LENGTH; index++) {
    const at = u64(code + u64(index * 5));
    mem.store8(virt(at), 0x05);
    mem.store32(virt(at + 1n), u32(seed + index));
  }
  mem.store8(virt(code + u64(LENGTH * 5)), 0xc3);
}

/** Code that is written, runs a few times, and is changed: by a constant in place, and as a whole. */
export function selfModifying(): u32 {
  const code = virt(u64(mapCodeMemory(PAGE_BYTES)));
  let sum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    if ((round & 3) === 0) writeFunction(code, round);
    else mem.store32(virt(code + 1n), sum);
    for (let count: u32 = 0; count < CALLS; count++) sum = call(code, sum);
  }
  unmapMemory(code, PAGE_BYTES);
  return sum;
}
