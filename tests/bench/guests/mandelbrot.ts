import { addressOf, array, asm, naked, type u32, u64, type VirtAddr, virt } from '#dialect';
import { storeQuotient } from './doubles.ts';

const SIZE = 192;
const ITERATIONS = 100;
/** Distance of two points, left edge, lower edge, square of the radius outside of which a point escapes. */
const constants = array(u64, 4);

/**
 * Iterations that all points of a square take to escape, two points at a time in the halves of the registers.
 * RDI: constants, RSI: points on a side, RDX: most iterations.
 */
const iterate = naked(
  (_constants: VirtAddr, _size: u32, _limit: u32): u32 => asm`
    movsd xmm15, [rdi]
    unpcklpd xmm15, xmm15
    movsd xmm14, [rdi + 24]
    unpcklpd xmm14, xmm14
    movsd xmm13, [rdi + 8]
    unpcklpd xmm13, xmm13
    xor eax, eax
    xor r8d, r8d
  row:
    cvtsi2sd xmm1, r8d
    mulsd xmm1, xmm15
    addsd xmm1, [rdi + 16]
    unpcklpd xmm1, xmm1
    xor r9d, r9d
  column:
    cvtsi2sd xmm0, r9d
    lea r10d, [r9 + 1]
    cvtsi2sd xmm2, r10d
    unpcklpd xmm0, xmm2
    mulpd xmm0, xmm15
    addpd xmm0, xmm13
    movapd xmm3, xmm0
    movapd xmm4, xmm1
    mov ecx, edx
  again:
    movapd xmm5, xmm3
    mulpd xmm5, xmm5
    movapd xmm6, xmm4
    mulpd xmm6, xmm6
    movapd xmm7, xmm5
    addpd xmm7, xmm6
    cmppd xmm7, xmm14, 2
    movmskpd r11d, xmm7
    test r11d, r11d
    je escaped
    mov r10d, r11d
    and r10d, 1
    add eax, r10d
    shr r11d, 1
    add eax, r11d
    mulpd xmm4, xmm3
    addpd xmm4, xmm4
    addpd xmm4, xmm1
    subpd xmm5, xmm6
    addpd xmm5, xmm0
    movapd xmm3, xmm5
    sub ecx, 1
    jne again
  escaped:
    add r9d, 2
    cmp r9d, esi
    jb column
    add r8d, 1
    cmp r8d, esi
    jb row
    ret
  `,
);

/** The Mandelbrot set in packed doubles. */
export function mandelbrot(): u32 {
  const start = u64(addressOf(constants));
  storeQuotient(virt(start), 3n, 192n);
  storeQuotient(virt(start + 8n), -9n, 4n);
  storeQuotient(virt(start + 16n), -3n, 2n);
  storeQuotient(virt(start + 24n), 4n, 1n);
  return iterate(virt(start), SIZE, ITERATIONS);
}
