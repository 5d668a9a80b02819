/** The generated interpreter as one block of bytes: generating it takes far longer than loading it. */
import { generateInterpreter, type Handlers } from './generate.ts';
import { VariantTable } from './variants.ts';

const MAGIC = 0x56455244;

/** The tables of Handlers, in the order in which they are stored. */
const TABLES = ['general', 'base', 'index', 'noFlags', 'fused'] as const;

/** @returns the generated interpreter, for `loadInterpreter` of the very same version of the program */
export function storeInterpreter(): Uint8Array<ArrayBuffer> {
  const handlers = generateInterpreter();
  const variants = handlers.table.variants.length;
  const tables = TABLES.map((name) => handlers[name]);
  const words = [MAGIC, variants, handlers.firstRegionSlot, ...tables.map(({ length }) => length)];
  const parts = [Int32Array.from(words), ...tables].map(({ buffer }) => new Uint8Array(buffer));
  const all = [...parts, handlers.traits, handlers.bytes];
  const stored = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    stored.set(part, at);
    at += part.length;
  }
  return stored;
}

/** @returns undefined when the bytes are not an interpreter for these opcode tables */
export function loadInterpreter(stored: Uint8Array): Handlers | undefined {
  const bytes = stored.slice();
  const head = new Int32Array(bytes.buffer, 0, 3 + TABLES.length);
  const table = new VariantTable();
  const [magic, variants, firstRegionSlot, ...lengths] = head;
  if (magic !== MAGIC || variants !== table.variants.length) return undefined;
  let at = head.byteLength;
  const next = (length: number): Int32Array<ArrayBuffer> => {
    const words = new Int32Array(bytes.buffer, at, length);
    at += words.byteLength;
    return words;
  };
  const [general, base, index, noFlags, fused] = lengths.map(next) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const traits = bytes.subarray(at, at + variants);
  const module = bytes.subarray(at + variants);
  return {
    table,
    general,
    base,
    index,
    noFlags,
    fused,
    traits,
    firstRegionSlot: firstRegionSlot!,
    attend: firstRegionSlot! - 1,
    bytes: module,
  };
}
