import type { VirtAddr } from './addresses.ts';
import { failure } from './host.ts';
import type { u64 } from './integers.ts';
import { addressOf } from './placement.ts';

/** Code with an entry and exit of its own kind. Only `codeAddress` and assembly can use one. */
export type Handler<F> = (frame: F) => void;

/** An interrupt handler for vectors without an error code: saves all registers, returns with IRETQ. */
export function isr<F>(handler: Handler<F>): Handler<F> {
  return handler;
}

/** An interrupt handler for vectors that push an error code (#DF #TS #NP #SS #GP #PF #AC #CP #VC #SX). */
export function isrWithCode<F>(handler: Handler<F>): Handler<F> {
  return handler;
}

/** A function of assembly only: no prologue, no epilogue, no return of the compiler's making. */
export function naked<F extends (...parameters: never[]) => unknown>(body: F): F {
  return body;
}

/** Where the program starts: no caller, no return. A user program's entry is handed the initial stack pointer. */
export function entry(body: (stack: u64) => void): (stack: u64) => void {
  return body;
}

/** Where a function's code lies. */
// biome-ignore lint/suspicious/noExplicitAny: any function has an address
export function codeAddress(code: (...parameters: any[]) => unknown): VirtAddr {
  return addressOf(code);
}

/** What an assembly template may refer to: constants, integers in registers, functions and objects by symbol. */
export type AssemblyOperand = number | bigint | object;

/** Intel-syntax assembly, one instruction a line. Compiled code only. */
export function asm(_text: TemplateStringsArray, ..._operands: AssemblyOperand[]): never {
  throw failure('assembly is known to compiled code only');
}
