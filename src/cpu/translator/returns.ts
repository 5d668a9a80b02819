/** Which calls a return may belong to. */
import type { Step } from './region-builder.ts';

/** The instruction that comes back from each kind of call. */
export const RETURN_OF: Readonly<Record<string, string>> = { CALL: 'RET', SYSCALL: 'SYSRET' };

/**
 * A return goes behind the calls of the functions whose bodies it ends. Where the function begins elsewhere, nothing is known.
 * @returns by the record of each return, the records behind those calls
 */
export function matchReturns(steps: ReadonlyMap<number, Step>): ReadonlyMap<number, readonly number[]> {
  const bodies = new Map<number, readonly number[]>();
  const found = new Map<number, number[]>();
  for (const { mnemonic, taken, targets, site } of steps.values()) {
    const wanted = RETURN_OF[mnemonic];
    if (wanted === undefined || site === 0) continue;
    for (const callee of taken === 0 ? targets : [taken]) {
      const returns = bodies.get(callee) ?? returnsOf(callee, steps);
      bodies.set(callee, returns);
      for (const record of returns) {
        if (steps.get(record)!.mnemonic === wanted) found.set(record, [...(found.get(record) ?? []), site]);
      }
    }
  }
  return found;
}

/** @returns the returns that control comes to from a function's first record, without those of the functions it calls */
function returnsOf(first: number, steps: ReadonlyMap<number, Step>): number[] {
  const kinds = new Set(Object.values(RETURN_OF));
  const seen = new Set<number>();
  const found: number[] = [];
  const queue = [first];
  for (let record = queue.pop(); record !== undefined; record = queue.pop()) {
    const step = steps.get(record);
    if (step === undefined || seen.has(record)) continue;
    seen.add(record);
    if (kinds.has(step.mnemonic)) found.push(record);
    else if (step.mnemonic in RETURN_OF) queue.push(step.site);
    else queue.push(step.taken, step.next, ...step.targets);
  }
  return found;
}
