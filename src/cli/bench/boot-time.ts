import { type Duration, runChild } from './child.ts';

/** How long `verdigris boot` of the compiled kernel takes, as a process of its own. */
export interface BootTime {
  readonly firstByte: Duration;
  /** Until init has ended and the machine has powered off. */
  readonly powerOff: Duration;
  readonly peakBytes: number | undefined;
  readonly status: number | null;
}

/** Boots our kernel with its default init once. */
export async function measureBoot(): Promise<BootTime> {
  const { untilOutput, untilEnd, peakBytes, status } = await runChild(['boot']);
  return { firstByte: untilOutput, powerOff: untilEnd, peakBytes, status };
}
