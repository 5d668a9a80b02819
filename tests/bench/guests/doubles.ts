/** Doubles in memory, for guests that compute with SSE2: the dialect itself has integers only. */
import { asm, type i64, naked, type VirtAddr } from '#dialect';

/** Stores numerator / denominator. */
export const storeQuotient = naked(
  (_destination: VirtAddr, _numerator: i64, _denominator: i64): void => asm`
    cvtsi2sd xmm0, rsi
    cvtsi2sd xmm1, rdx
    divsd xmm0, xmm1
    movsd [rdi], xmm0
    ret
  `,
);
