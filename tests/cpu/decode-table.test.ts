import { describe, expect, it } from 'vitest';
import { type Encoding, MODRM_INDICES, parseEncoding } from '../../src/cpu/decode/encoding.ts';
import { FEATURES, IMPLEMENTED_FEATURES } from '../../src/cpu/decode/features.ts';
import { FORMS, type Form } from '../../src/cpu/decode/forms.ts';
import { semanticsOf } from '../../src/cpu/semantics/index.ts';
import { systemInstructions } from '../../src/cpu/system/instructions/table.ts';

const intersects = (a: readonly number[], b: readonly number[]) => a.some((value) => b.includes(value));
const everyModrm = Array.from({ length: MODRM_INDICES }, (_, index) => index);

/** Whether some instruction would be selected by both encodings, with none hiding the other. */
function compete(a: Encoding, b: Encoding): boolean {
  return (
    a.map === b.map &&
    a.rank === b.rank &&
    intersects(a.opcodes, b.opcodes) &&
    intersects(a.prefixes, b.prefixes) &&
    intersects(a.sizes, b.sizes) &&
    intersects(a.modrmIndices ?? everyModrm, b.modrmIndices ?? everyModrm)
  );
}

/** Whether two rows exist in a mode together. */
const meet = (a: Form, b: Form) => !(a.invalid64 && b.only64) && !(a.only64 && b.invalid64);

describe('the opcode table', () => {
  it('has no two rows for the same bytes', () => {
    const encodings = FORMS.map(parseEncoding);
    const pairs = FORMS.flatMap((form, index) =>
      FORMS.slice(index + 1)
        .filter((other) => meet(form, other) && compete(encodings[index]!, encodings[other.index]!))
        .map((other) => `${form.encoding} ${form.name}, ${other.encoding} ${other.name}`),
    );
    expect(pairs).toEqual([]);
  });

  it('has a meaning for every row whose feature is implemented', () => {
    const without = FORMS.filter(
      (form) =>
        (!form.feature || IMPLEMENTED_FEATURES.has(form.feature)) &&
        !semanticsOf(form) &&
        !systemInstructions.has(form.name) &&
        !systemInstructions.has(form.mnemonic),
    );
    expect(without.map(({ encoding, name }) => `${encoding} ${name}`)).toEqual([]);
  });

  it('has rows for every feature', () => {
    expect(FEATURES.filter((feature) => !FORMS.some((form) => form.feature === feature))).toEqual([]);
  });
});
