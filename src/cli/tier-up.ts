import { setFlagsFromString } from 'node:v8';

/** V8's `--interrupt-budget`: bytes of bytecode that a function runs before V8 considers optimising it. */
const V8_DEFAULT = 67_584;
const LATE = 450_000;

/**
 * Runs work that uses much code for a short time: V8 would spend a third of the processor time on optimising functions
 * that are done before it pays. V8 looks at this budget on the main thread only, so it may change at any time. A process
 * that was started to compile (bin/compile-process.js) has settings that are better still.
 */
export function withLateTierUp<T>(work: () => T): T {
  if (process.execArgv.some((flag) => flag.startsWith('--max-inlined-bytecode-size'))) return work();
  setFlagsFromString(`--interrupt-budget=${LATE}`);
  try {
    return work();
  } finally {
    setFlagsFromString(`--interrupt-budget=${V8_DEFAULT}`);
  }
}
