import { type Encoding, MAP_COUNT, MODRM_INDICES, parseEncoding } from './encoding.ts';
import type { Feature } from './features.ts';
import { FORMS, type Form } from './forms.ts';

/** Entry of a lookup table or group that selects no form. */
export const NO_FORM = -1;

/** Bits of a form's properties: all that decoding needs to know of it. */
export const Property = {
  ModRM: 1 << 0,
  /** The mod field is ignored and read as 3 (MOV to and from control and debug registers). */
  ModIgnored: 1 << 1,
  RegisterInOpcode: 1 << 2,
  Byte: 1 << 3,
  Default64: 1 << 4,
  Forced64: 1 << 5,
  Lockable: 1 << 6,
  Vvvv: 1 << 7,
  Control: 1 << 8,
  Debug: 1 << 9,
  /** Sized by `y` operands alone: 66 does not make it 16-bit. */
  NotWord: 1 << 10,
  /** The immediate's kind, a value of Immediate, stands from here up. */
  ImmediateShift: 12,
} as const;

/** What follows ModRM and displacement. */
export const Immediate = {
  None: 0,
  /** `Ib`: one byte, zero-extended. */
  Byte: 1,
  /** `sIb` and `Jb`. */
  SignedByte: 2,
  /** `Iw`. */
  Word: 3,
  /** `Iz` and `Jz`. */
  Z: 4,
  /** `Iv`: up to eight bytes. */
  V: 5,
  /** `Iw Ib`. */
  WordByte: 6,
  /** `Ap`: offset, then selector. */
  FarPointer: 7,
  /** `Ob`, `Ov`: an absolute address of the address size. */
  Moffs: 8,
} as const;

const IMMEDIATES: Readonly<Record<string, number>> = {
  '': Immediate.None,
  Ib: Immediate.Byte,
  sIb: Immediate.SignedByte,
  Jb: Immediate.SignedByte,
  Iw: Immediate.Word,
  Iz: Immediate.Z,
  Jz: Immediate.Z,
  Iv: Immediate.V,
  'Iw Ib': Immediate.WordByte,
  Ap: Immediate.FarPointer,
  Ob: Immediate.Moffs,
  Ov: Immediate.Moffs,
};

/** True when every operand that follows the operand size is of type `y`, 32 or 64 bits. */
function isNeverWord({ sized, default64, forced64, operands }: Form): boolean {
  const types = operands.map(({ type }) => type);
  const y = types.some((type) => type === 'y' || type === 'yw');
  return sized && y && !default64 && !forced64 && !types.includes('v');
}

function propertiesOf(form: Form, encoding: Encoding): number {
  const has = (method: string) => form.operands.some((operand) => operand.method === method);
  const immediates = form.operands.filter(({ method }) => ['I', 'sI', 'J', 'A', 'O'].includes(method));
  const immediate = IMMEDIATES[immediates.map(({ text }) => text).join(' ')]!;
  return (
    (encoding.modrm ? Property.ModRM : 0) |
    (has('C') || has('D') ? Property.ModIgnored : 0) |
    (encoding.registerInOpcode ? Property.RegisterInOpcode : 0) |
    (form.byte ? Property.Byte : 0) |
    (form.default64 ? Property.Default64 : 0) |
    (form.forced64 ? Property.Forced64 : 0) |
    (form.lockable ? Property.Lockable : 0) |
    (has('B') ? Property.Vvvv : 0) |
    (has('C') ? Property.Control : 0) |
    (has('D') ? Property.Debug : 0) |
    (isNeverWord(form) ? Property.NotWord : 0) |
    (immediate << Property.ImmediateShift)
  );
}

const ENCODINGS: readonly Encoding[] = FORMS.map(parseEncoding);

/** Property bits by form index. */
export const PROPERTIES: Int32Array = Int32Array.from(FORMS, (form, index) => propertiesOf(form, ENCODINGS[index]!));

/** Index into Lookup.entries. `size` is 0, 1, 2 for 16, 32, 64 bits. */
export function lookupIndex(map: number, prefix: number, size: number, opcode: number): number {
  return ((map * 4 + prefix) * 3 + size) * 256 + opcode;
}

/**
 * The decoder's first step as data: an entry is a form, NO_FORM, or `-2 - g` when ModRM decides within group g, whose
 * MODRM_INDICES entries start at `g * MODRM_INDICES` of `groups`.
 */
export interface Lookup {
  readonly entries: Int16Array;
  readonly groups: Int16Array;
}

/** Builds the lookup for 64-bit mode or for the others, with the rows of the given features and those that need none. */
export function buildLookup(long: boolean, features: ReadonlySet<Feature>): Lookup {
  const entries = new Int16Array(MAP_COUNT * 4 * 3 * 256).fill(NO_FORM);
  const groups: Int16Array[] = [];
  const visible = FORMS.filter(
    ({ feature, invalid64, only64 }) => (long ? !invalid64 : !only64) && (!feature || features.has(feature)),
  ).sort((a, b) => ENCODINGS[a.index]!.rank - ENCODINGS[b.index]!.rank);

  for (const { index } of visible) {
    const { map, prefixes, sizes, opcodes, modrmIndices } = ENCODINGS[index]!;
    for (const prefix of prefixes) {
      for (const size of sizes) {
        for (const opcode of opcodes) {
          const slot = lookupIndex(map, prefix, size, opcode);
          if (!modrmIndices) {
            entries[slot] = index;
            continue;
          }
          if (entries[slot]! > -2) {
            groups.push(new Int16Array(MODRM_INDICES).fill(entries[slot]!));
            entries[slot] = -1 - groups.length;
          }
          const group = groups[-2 - entries[slot]!]!;
          for (const at of modrmIndices) group[at] = index;
        }
      }
    }
  }
  const flat = new Int16Array(groups.length * MODRM_INDICES);
  for (const [index, group] of groups.entries()) flat.set(group, index * MODRM_INDICES);
  return { entries, groups: flat };
}
