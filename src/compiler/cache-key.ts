import { joined, LIBRARY, STANDARD_LIBRARY } from './frontend/paths.ts';
import type { SourceHost } from './frontend/program.ts';

/** What decides a compile's result. */
export interface KeyRequest {
  readonly entry: string;
  readonly kind: 'kernel' | 'user';
  readonly host: SourceHost;
  /** Whatever identifies the compiler itself, such as a hash of its own code. */
  readonly compiler: string;
}

/**
 * A key that changes whenever the image could: over the text of every source that the entry reaches, the library
 * included, and the compiler. It needs no parser, so that an unchanged program costs milliseconds.
 */
export function cacheKey({ entry, kind, host, compiler }: KeyRequest): string {
  const hash = new Hash();
  hash.add(compiler);
  hash.add(`${kind} ${entry}`);
  for (const [path, text] of reachable(entry, host)) {
    hash.add(path);
    hash.add(text);
  }
  return hash.hex();
}

/** Every source that the entry reaches, in path order. */
export function reachable(entry: string, host: SourceHost): [path: string, text: string][] {
  const texts = new Map<string, string>();
  const pending = [entry, LIBRARY, STANDARD_LIBRARY];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (texts.has(path)) continue;
    const text = host.readFile(path);
    if (text === undefined) continue;
    texts.set(path, text);
    for (const [, specifier = ''] of text.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)) {
      if (specifier.startsWith('.')) pending.push(joined(path, specifier));
    }
  }
  return [...texts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Two 32-bit FNV-1a lanes of different bases, and the length: enough to tell sources apart, not to resist attack. */
class Hash {
  #low = 0x811c9dc5;
  #high = 0x01234567;
  #length = 0;

  add(text: string): void {
    for (let index = 0; index < text.length; index++) this.#code(text.charCodeAt(index));
    this.#code(0x1_0000);
  }

  #code(code: number): void {
    this.#low = Math.imul(this.#low ^ code, 0x01000193);
    this.#high = Math.imul(this.#high ^ (code + this.#low), 0x5bd1e995);
    this.#high ^= this.#high >>> 15;
    this.#length++;
  }

  hex(): string {
    return [this.#low, this.#high, this.#length].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }
}
