import { addressOf, array, asm, type i64, mulLow32, naked, u32, u64, type VirtAddr, virt } from '#dialect';
import { storeQuotient } from './doubles.ts';

const STEPS = 60_000n;
const BODIES = 5;
/** A body: position (three doubles and a gap), velocity (three doubles), mass. */
const BODY_BYTES = 64;
const VELOCITY = 32;
const MASS = 56;
const bodies = array(u64, (BODIES * BODY_BYTES) / 8);
/** Length of a step; and what is added to each squared distance, so that no two bodies come too near. */
const constants = array(u64, 2);

/** Newton's law for all pairs, then all positions a step further; RDI: bodies, RSI: steps, RDX: constants. */
const advance = naked(
  (_bodies: VirtAddr, _steps: u64, _constants: VirtAddr): void => asm`
    movsd xmm15, [rdx]
    movsd xmm14, [rdx + 8]
    lea r10, [rdi + ${BODIES * BODY_BYTES}]
  step:
    mov r8, rdi
  first:
    lea r9, [r8 + ${BODY_BYTES}]
    cmp r9, r10
    jae move
  second:
    movsd xmm0, [r8]
    subsd xmm0, [r9]
    movsd xmm1, [r8 + 8]
    subsd xmm1, [r9 + 8]
    movsd xmm2, [r8 + 16]
    subsd xmm2, [r9 + 16]
    movapd xmm3, xmm0
    mulsd xmm3, xmm0
    movapd xmm4, xmm1
    mulsd xmm4, xmm1
    movapd xmm5, xmm2
    mulsd xmm5, xmm2
    addsd xmm3, xmm4
    addsd xmm3, xmm5
    addsd xmm3, xmm14
    sqrtsd xmm4, xmm3
    mulsd xmm4, xmm3
    movapd xmm5, xmm15
    divsd xmm5, xmm4
    movsd xmm6, [r9 + ${MASS}]
    mulsd xmm6, xmm5
    mulsd xmm5, [r8 + ${MASS}]
    movsd xmm7, [r8 + ${VELOCITY}]
    movapd xmm8, xmm0
    mulsd xmm8, xmm6
    subsd xmm7, xmm8
    movsd [r8 + ${VELOCITY}], xmm7
    mulsd xmm0, xmm5
    addsd xmm0, [r9 + ${VELOCITY}]
    movsd [r9 + ${VELOCITY}], xmm0
    movsd xmm7, [r8 + ${VELOCITY + 8}]
    movapd xmm8, xmm1
    mulsd xmm8, xmm6
    subsd xmm7, xmm8
    movsd [r8 + ${VELOCITY + 8}], xmm7
    mulsd xmm1, xmm5
    addsd xmm1, [r9 + ${VELOCITY + 8}]
    movsd [r9 + ${VELOCITY + 8}], xmm1
    movsd xmm7, [r8 + ${VELOCITY + 16}]
    movapd xmm8, xmm2
    mulsd xmm8, xmm6
    subsd xmm7, xmm8
    movsd [r8 + ${VELOCITY + 16}], xmm7
    mulsd xmm2, xmm5
    addsd xmm2, [r9 + ${VELOCITY + 16}]
    movsd [r9 + ${VELOCITY + 16}], xmm2
    add r9, ${BODY_BYTES}
    cmp r9, r10
    jb second
    add r8, ${BODY_BYTES}
    jmp first
  move:
    mov r8, rdi
  next:
    movsd xmm0, [r8 + ${VELOCITY}]
    mulsd xmm0, xmm15
    addsd xmm0, [r8]
    movsd [r8], xmm0
    movsd xmm0, [r8 + ${VELOCITY + 8}]
    mulsd xmm0, xmm15
    addsd xmm0, [r8 + 8]
    movsd [r8 + 8], xmm0
    movsd xmm0, [r8 + ${VELOCITY + 16}]
    mulsd xmm0, xmm15
    addsd xmm0, [r8 + 16]
    movsd [r8 + 16], xmm0
    add r8, ${BODY_BYTES}
    cmp r8, r10
    jb next
    sub rsi, 1
    jne step
    ret
  `,
);

/** Positions and the mass in thousandths; all start on the x axis, each faster than the one farther out. */
function place(body: u32, x: i64, velocity: i64, height: i64, mass: i64): void {
  const at = u64(addressOf(bodies) + u64(body * BODY_BYTES));
  storeQuotient(virt(at), x, 1000n);
  storeQuotient(virt(at + 8n), 0n, 1n);
  storeQuotient(virt(at + 16n), height, 1000n);
  storeQuotient(virt(at + u64(VELOCITY)), 0n, 1n);
  storeQuotient(virt(at + u64(VELOCITY + 8)), velocity, 1000n);
  storeQuotient(virt(at + u64(VELOCITY + 16)), 0n, 1n);
  storeQuotient(virt(at + u64(MASS)), mass, 1000n);
}

/** A sun and four planets. */
export function nBody(): u32 {
  place(0, 0n, 0n, 0n, 40_000n);
  place(1, 5_200n, 2_760n, 120n, 38n);
  place(2, -9_500n, -2_030n, 200n, 11n);
  place(3, 14_100n, 1_660n, -310n, 2n);
  place(4, -21_700n, -1_350n, 90n, 2n);
  storeQuotient(addressOf(constants), 1n, 100n);
  storeQuotient(virt(addressOf(constants) + 8n), 1n, 1000n);
  advance(addressOf(bodies), STEPS, addressOf(constants));
  let checksum: u32 = 0;
  for (const word of bodies) checksum = u32(mulLow32(checksum, 31) ^ u32(u64(word >> 32n) ^ word));
  return checksum;
}
