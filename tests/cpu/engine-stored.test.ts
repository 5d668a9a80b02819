import { expect, it } from 'vitest';
import { generateInterpreter } from '../../src/cpu/interpreter/generate.ts';
import { loadInterpreter, storeInterpreter } from '../../src/cpu/interpreter/stored.ts';

it('stores the generated interpreter and loads the very same', () => {
  const stored = storeInterpreter();
  const { table, ...rest } = loadInterpreter(stored)!;
  const { table: generatedTable, ...generated } = generateInterpreter();
  expect(rest).toEqual(generated);
  expect(table.variants.length).toBe(generatedTable.variants.length);
  new WebAssembly.Module(rest.bytes);
});

it('does not load what another version stored, nor anything else', () => {
  const stored = storeInterpreter();
  new Int32Array(stored.buffer)[1]!++;
  expect(loadInterpreter(stored)).toBeUndefined();
  expect(loadInterpreter(new Uint8Array(64))).toBeUndefined();
});
