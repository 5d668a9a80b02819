import type { Thread } from '../../src/kernel/process/thread.ts';
import { frameBelow, TrapFrame } from '../../src/kernel/processor/trap-frame.ts';
import { dispatchSystemCall } from '../../src/kernel/syscall/dispatch.ts';

/** Makes the system call of a thread, which must be the running one. @returns RAX as a signed number */
export function systemCall(thread: Thread, number: number, ...parameters: readonly (number | bigint)[]): bigint {
  const frame = frameBelow(thread.kernelStack);
  const registers = TrapFrame.at(frame);
  const [a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0] = parameters;
  registers.code = BigInt(number);
  registers.rdi = BigInt.asUintN(64, BigInt(a0));
  registers.rsi = BigInt.asUintN(64, BigInt(a1));
  registers.rdx = BigInt.asUintN(64, BigInt(a2));
  registers.r10 = BigInt.asUintN(64, BigInt(a3));
  registers.r8 = BigInt.asUintN(64, BigInt(a4));
  registers.r9 = BigInt.asUintN(64, BigInt(a5));
  dispatchSystemCall(frame);
  return BigInt.asIntN(64, TrapFrame.at(frame).rax);
}
