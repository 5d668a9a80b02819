import { failure } from './host.ts';
import type { u32 } from './integers.ts';

/** Stops the machine (in Node: throws) with a message; the compiled code also hands the handler its file and line. */
export function panic(message: string): never {
  throw failure(message);
}

/** Panics unless the condition holds. */
export function assert(condition: boolean, message = 'assertion failed'): asserts condition {
  if (!condition) panic(message);
}

/** What `panic`, `assert` and failed bounds checks call. Must not return. */
export type PanicHandler = (message: string, file: string, line: u32) => never;

/** Declares the program's panic handler; a program has one at most, and without it a panic is an invalid opcode (UD2). */
export function panicHandler(handler: PanicHandler): PanicHandler {
  return handler;
}
