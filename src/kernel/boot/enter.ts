/** The first code at the kernel's own addresses: a stack, and the hand-over to `kernelMain`. */
import { array, asm, naked, u64 } from '#dialect';
import { kernelMain } from '../main.ts';

export const BOOT_STACK_BYTES = 16384;
/** Later the idle thread's. */
const bootStack = array(u64, BOOT_STACK_BYTES / 8);

/** ESI: protocol. EDI: physical address of the loader's structure. */
export const enterKernel = naked(
  (): void => asm`
    lea rsp, [${bootStack} + ${BOOT_STACK_BYTES}]
    and rsp, -16
    xor ebp, ebp
    mov edi, edi
    xchg rdi, rsi
    call ${kernelMain}
    ud2
  `,
);
