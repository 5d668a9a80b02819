/** Prints its arguments, and ends with status 7. */
import { entry, type u32, type u64 } from '#dialect';
import { argument, argumentCount, setInitialStack } from './runtime/arguments.ts';
import { print, printString } from './runtime/print.ts';
import { exitGroup, getpid } from './runtime/system-calls.ts';

export { onPanic } from './runtime/print.ts';

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  print`hello from process ${getpid()}`;
  for (let index: u32 = 1; index < argumentCount(); index++) {
    print` `;
    printString(argument(index));
  }
  print`\n`;
  exitGroup(7);
});
