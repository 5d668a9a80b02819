import { expect, it } from 'vitest';
import { generateInterpreter } from '../../src/cpu/interpreter/generate.ts';
import { loadInterpreter, storeInterpreter } from '../../src/cpu/interpreter/stored.ts';

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint8Array | Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

it('stores the generated interpreter and loads the very same', () => {
  const stored = storeInterpreter();
  const loaded = loadInterpreter(stored)!;
  const generated = generateInterpreter();
  for (const name of ['general', 'base', 'index', 'noFlags', 'fused', 'traits', 'bytes'] as const) {
    expect(Buffer.compare(bytesOf(loaded[name]), bytesOf(generated[name])), name).toBe(0);
  }
  expect(loaded.firstRegionSlot).toBe(generated.firstRegionSlot);
  expect(loaded.table.variants.length).toBe(generated.table.variants.length);
  new WebAssembly.Module(loaded.bytes);
});

it('does not load what another version stored, nor anything else', () => {
  const stored = storeInterpreter();
  stored[4]! ^= 1;
  expect(loadInterpreter(stored)).toBeUndefined();
  expect(loadInterpreter(new Uint8Array(64))).toBeUndefined();
});
