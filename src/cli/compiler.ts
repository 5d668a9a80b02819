import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';
import { replaceFile } from './replace-file.ts';

type Compiler = Pick<typeof import('../compiler/compile.ts'), 'compile' | 'formatDiagnostic'>;

export interface LoadedCompiler extends Compiler {
  /** Keeps the bytecode of what has run of the compiler for later processes, unless that is done. */
  keepBytecode(): void;
}

/**
 * The compiler, TypeScript's checker included. The build leaves it as a script beside the program, since V8 lets the
 * bytecode of scripts be kept, not of modules: parsing them takes a tenth of a compile. From the sources it is imported.
 */
export async function loadCompiler(): Promise<LoadedCompiler> {
  loaded ??= await load();
  return loaded;
}

let loaded: LoadedCompiler | undefined;

async function load(): Promise<LoadedCompiler> {
  const file = fileURLToPath(new URL('compiler.js', import.meta.url));
  if (existsSync(file)) return loadScript(file);
  return { ...(await import('../compiler/compile.ts')), keepBytecode: () => {} };
}

function loadScript(file: string): LoadedCompiler {
  const source = readFileSync(file);
  const stored = new StoredBytecode(`${file}.${cachedDataVersionTag()}.bytecode`, source);
  const cachedData = stored.read();
  const script = new Script(source.toString(), { filename: file, ...(cachedData && { cachedData }) });
  let kept = cachedData !== undefined && script.cachedDataRejected === false;
  const { compile, formatDiagnostic } = script.runInThisContext() as Compiler;
  const keepBytecode = (): void => {
    if (!kept) stored.write(script.createCachedData());
    kept = true;
  };
  return { compile, formatDiagnostic, keepBytecode };
}

/** A file with the hash of a script and V8's bytecode for it. Its name says for which version of V8, flags and processor. */
class StoredBytecode {
  readonly #path: string;
  readonly #hash: Buffer;

  constructor(path: string, source: Buffer) {
    this.#path = path;
    this.#hash = createHash('sha1').update(source).digest();
  }

  /** undefined when there is none for this script */
  read(): Buffer | undefined {
    if (!existsSync(this.#path)) return undefined;
    const stored = readFileSync(this.#path);
    const { length } = this.#hash;
    return stored.subarray(0, length).equals(this.#hash) ? stored.subarray(length) : undefined;
  }

  /** Where the package's folder cannot be written, every process does without. */
  write(bytecode: Buffer): void {
    try {
      replaceFile('bytecode', this.#path, Buffer.concat([this.#hash, bytecode]));
    } catch {}
  }
}
