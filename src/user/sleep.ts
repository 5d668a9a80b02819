/** `sleep MILLISECONDS`. */
import { entry, u64 } from '#dialect';
import { argument, argumentCount, setInitialStack } from './runtime/arguments.ts';
import { print } from './runtime/print.ts';
import { exitGroup, sleepFor } from './runtime/system-calls.ts';
import { NOT_A_NUMBER, parseNumber } from './runtime/text.ts';

export { onPanic } from './runtime/print.ts';

const MILLISECOND = 1_000_000n;

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  const duration = argumentCount() > 1 ? parseNumber(argument(1)) : NOT_A_NUMBER;
  if (duration === NOT_A_NUMBER) {
    print`usage: sleep MILLISECONDS\n`;
    exitGroup(2);
  }
  sleepFor(u64(u64(duration) * MILLISECOND));
  exitGroup(0);
});
