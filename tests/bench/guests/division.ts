import { asm, naked, u32, u64 } from '#dialect';

const DIVISIONS = 2_000_000n;

/** Divides numbers of 128 bits by one of 64; the remainder is the next number's upper half. Adds up the quotients. */
const divideOften = naked(
  (_count: u64): u64 => asm`
    mov rcx, 0x9e3779b97f4a7c15
    mov rax, rdi
    xor edx, edx
    xor r8d, r8d
  again:
    div rcx
    add r8, rax
    xor rax, rdi
    sub rdi, 1
    jne again
    mov rax, r8
    ret
  `,
);

/** Little but 128/64-bit divisions. */
export function division(): u32 {
  const sum = divideOften(DIVISIONS);
  return u32(u64(sum >> 32n) ^ sum);
}
