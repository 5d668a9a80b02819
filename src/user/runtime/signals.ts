/** Signal handlers. */
import { addressOf, asm, codeAddress, embed, f64, naked, struct, type u32 } from '#dialect';
import { setSignalAction } from './system-calls.ts';

/** The kernel's struct sigaction (rt_sigaction(2)). */
const SignalAction = struct({ handler: f64, flags: f64, restorer: f64, mask: f64 });
const SA_RESTORER = 0x0400_0000n;

export const Signal = { KILL: 9, USR1: 10, TERM: 15, CONT: 18, STOP: 19 } as const;

export type SignalHandler = (signal: u32) => void;

/** Where a handler returns to: rt_sigreturn. */
const restore = naked(
  (): never => asm`
    mov eax, 15
    syscall
    ud2
  `,
);

const action = embed(SignalAction);

/** Has a signal call `handler`, with the signal itself blocked meanwhile; false when it cannot be handled. */
export function handleSignal(signal: u32, handler: SignalHandler): boolean {
  action.handler = codeAddress(handler);
  action.flags = SA_RESTORER;
  action.restorer = codeAddress(restore);
  action.mask = 0n;
  return setSignalAction(signal, addressOf(action)) === 0n;
}
