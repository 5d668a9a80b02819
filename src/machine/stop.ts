/** Why the machine stopped. */
export type Stop =
  /** The guest wrote `value` to port 0xf4. */
  | { readonly reason: 'debug-exit'; readonly value: number }
  /** The guest powered the machine off; `status` is what it left at port 0xf5. */
  | { readonly reason: 'power-off'; readonly status: number }
  /** The guest asked for a reset. */
  | { readonly reason: 'reset' }
  /** A fault while delivering a double fault. */
  | { readonly reason: 'triple-fault' }
  /** HLT with interrupts off: nothing will wake the processor. */
  | { readonly reason: 'halted' }
  /** HLT with interrupts on, but no timer is set and no input is expected. */
  | { readonly reason: 'idle' }
  /** The instruction limit was reached. */
  | { readonly reason: 'limit' }
  /** The condition the caller waited for came true. */
  | { readonly reason: 'condition' }
  /** The user, or whoever runs the machine, wants no more. */
  | { readonly reason: 'interrupted' }
  | { readonly reason: 'breakpoint'; readonly address: bigint }
  | { readonly reason: 'watchpoint'; readonly address: bigint };

/** Exit statuses of the command line that no guest chooses. */
export const ExitCode = { Limit: 124, MachineError: 125, Crash: 126 } as const;

/** @returns the process exit status that stands for a stop, 0 to 255 */
export function exitCodeOf(stop: Stop): number {
  switch (stop.reason) {
    case 'debug-exit':
      return ((stop.value << 1) | 1) & 0xff;
    case 'power-off':
      return stop.status;
    case 'limit':
      return ExitCode.Limit;
    case 'triple-fault':
    case 'halted':
    case 'idle':
      return ExitCode.Crash;
    default:
      return 0;
  }
}

/** @returns the end of the sentence "the machine ..." */
export function describeStop(stop: Stop): string {
  switch (stop.reason) {
    case 'debug-exit':
      return `wrote ${stop.value} to the debug exit port`;
    case 'power-off':
      return `powered off with status ${stop.status}`;
    case 'reset':
      return 'asked for a reset';
    case 'triple-fault':
      return 'stopped with a triple fault';
    case 'halted':
      return 'halted with interrupts off';
    case 'idle':
      return 'waits for an interrupt that nothing will raise';
    case 'limit':
      return 'reached the instruction limit';
    case 'condition':
      return 'met the condition';
    case 'interrupted':
      return 'was interrupted';
    case 'breakpoint':
      return `reached the breakpoint at 0x${stop.address.toString(16)}`;
    case 'watchpoint':
      return `wrote to the watched address 0x${stop.address.toString(16)}`;
  }
}
