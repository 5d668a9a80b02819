import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { offerInterpreter } from '../cpu/interpreter/instance.ts';

/** Gives the processor the interpreter that the build has stored beside the program, if it has: it need not be generated then. */
export function offerStoredInterpreter(): void {
  const file = fileURLToPath(new URL('interpreter.bin', import.meta.url));
  if (existsSync(file)) offerInterpreter(readFileSync(file));
}
