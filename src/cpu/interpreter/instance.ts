import { generateInterpreter, type Handlers } from './generate.ts';
import { loadInterpreter } from './stored.ts';

interface CompiledInterpreter {
  readonly handlers: Handlers;
  readonly module: WebAssembly.Module;
}

let compiled: CompiledInterpreter | undefined;

/** The interpreter all processors share: generated at first use unless a stored one has been offered before. */
export function interpreterModule(): CompiledInterpreter {
  compiled ??= compile(generateInterpreter());
  return compiled;
}

/** Saves generating the interpreter. @param stored what `storeInterpreter` made at build time; of another version it is ignored */
export function offerInterpreter(stored: Uint8Array): void {
  if (compiled) return;
  const handlers = loadInterpreter(stored);
  if (handlers) compiled = compile(handlers);
}

function compile(handlers: Handlers): CompiledInterpreter {
  return { handlers, module: new WebAssembly.Module(handlers.bytes) };
}
