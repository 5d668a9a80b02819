import type { ImageSet } from './image-set.ts';
import type { DebugTarget } from './target.ts';
import { hexadecimal } from './value-printer.ts';

/** A system call that a user program made, with what it returned once it has. */
export interface SystemCallEntry {
  /** Instructions retired when SYSCALL executed. */
  readonly count: number;
  readonly number: number;
  readonly arguments: readonly bigint[];
  readonly program: string | undefined;
  /** RAX at the return; undefined when the call never came back to where it was made. */
  readonly result: bigint | undefined;
  /** Instructions retired at the return. */
  readonly endCount: number | undefined;
}

interface OpenCall {
  readonly entry: SystemCallEntry;
  readonly returnAddress: bigint;
}

/** Registers of the system-call arguments (System V ABI, AMD64 supplement, A.2.1). */
const ARGUMENT_REGISTERS = [7, 6, 2, 10, 8, 9] as const;
const RAX = 0;
const RCX = 1;
const RSP = 4;
/** How far the machine runs before LSTAR is looked at again, while no kernel has set it. */
const patience = 10_000;

/**
 * Yields every system call of the guest, in order of return, until the machine ends or `until` instructions have retired.
 * Breakpoints on the kernel's entry (MSR LSTAR) and on the return addresses do the work, so code runs at
 * full speed between calls.
 * @returns why it ended
 */
export async function* traceSystemCalls(
  target: DebugTarget,
  images: ImageSet,
  until: number,
): AsyncGenerator<SystemCallEntry, string> {
  const open = new Map<string, OpenCall>();
  const returns = new Map<bigint, number>();
  const { state } = target;
  const keyOf = (address: bigint) => `${state.get64('cr3')}:${state.segments[4]!.base}:${state.gpr(RSP)}:${address}`;

  const enter = () => {
    const returnAddress = state.gpr(RCX);
    const entry: SystemCallEntry = {
      count: target.instructionCount - 1,
      number: Number(BigInt.asIntN(64, state.gpr(RAX))),
      arguments: ARGUMENT_REGISTERS.map((index) => state.gpr(index)),
      program: images.at(state, returnAddress)?.name,
      result: undefined,
      endCount: undefined,
    };
    open.set(keyOf(returnAddress), { entry, returnAddress });
    returns.set(returnAddress, (returns.get(returnAddress) ?? 0) + 1);
    target.setBreakpoint(returnAddress);
  };

  const leave = (): SystemCallEntry | undefined => {
    const call = open.get(keyOf(state.rip));
    if (call === undefined) return undefined;
    open.delete(keyOf(state.rip));
    const others = (returns.get(call.returnAddress) ?? 1) - 1;
    returns.set(call.returnAddress, others);
    if (others === 0) target.clearBreakpoint(call.returnAddress);
    return { ...call.entry, result: state.gpr(RAX), endCount: target.instructionCount };
  };

  let entryPoint = 0n;
  for (;;) {
    if (state.get64('lstar') !== entryPoint) {
      if (entryPoint !== 0n) target.clearBreakpoint(entryPoint);
      entryPoint = state.get64('lstar');
      target.setBreakpoint(entryPoint);
    }
    const bound = entryPoint === 0n ? Math.min(until, target.instructionCount + patience) : until;
    const stop = await target.resume(bound);
    if (stop.kind === 'breakpoint') {
      const isCall = state.rip === entryPoint;
      if (isCall) enter();
      const returned = isCall ? undefined : leave();
      if (returned !== undefined) yield returned;
    } else if (stop.kind !== 'count' || target.instructionCount >= until) {
      for (const { entry } of open.values()) yield entry;
      return stop.text;
    }
  }
}

/** `1234 init: write(0x1, 0x7ffe..., 0x5) = 5`, the name taken from `nameOf` where it knows the number. */
export function formatSystemCall(entry: SystemCallEntry, nameOf: (number: number) => string | undefined): string {
  const name = nameOf(entry.number) ?? `system_call_${entry.number}`;
  const list = entry.arguments.map((value) => hexadecimal(value)).join(', ');
  const result = entry.result === undefined ? '?' : BigInt.asIntN(64, entry.result).toString();
  return `${String(entry.count).padStart(9)} ${entry.program ?? '?'}: ${name}(${list}) = ${result}`;
}
