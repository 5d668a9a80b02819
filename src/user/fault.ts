/** `fault KIND`: ends by an exception of the processor. */
import { asm, entry, mem, naked, type u64, virt } from '#dialect';
import { argument, argumentCount, setInitialStack } from './runtime/arguments.ts';
import { print } from './runtime/print.ts';
import { exitGroup } from './runtime/system-calls.ts';
import { equals } from './runtime/text.ts';

export { onPanic } from './runtime/print.ts';

const divideByZero = naked(
  (): void => asm`
    xor edx, edx
    xor eax, eax
    xor ecx, ecx
    div ecx
  `,
);
const undefinedInstruction = naked((): void => asm`ud2`);
const privilegedInstruction = naked((): void => asm`hlt`);
const breakpoint = naked((): void => asm`int3`);
/** MOVAPS [RSP - 24], XMM0: an address that is not a multiple of 16. */
const misalignedVector = naked(
  (): void => asm`
    and rsp, -16
    .byte 0x0f, 0x29, 0x44, 0x24, 0xe8
  `,
);

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  if (argumentCount() < 2) {
    print`usage: fault null | kernel | divide | undefined | privileged | breakpoint | misaligned\n`;
    exitGroup(2);
  }
  const kind = argument(1);
  if (equals(kind, 'null')) mem.store8(virt(0n), 1);
  if (equals(kind, 'kernel')) mem.store8(virt(0xffff_ffff_8010_0000n), 1);
  if (equals(kind, 'divide')) divideByZero();
  if (equals(kind, 'undefined')) undefinedInstruction();
  if (equals(kind, 'privileged')) privilegedInstruction();
  if (equals(kind, 'breakpoint')) breakpoint();
  if (equals(kind, 'misaligned')) misalignedVector();
  print`fault: still running\n`;
  exitGroup(1);
});
