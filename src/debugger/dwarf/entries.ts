import { DW_AT, DW_FORM } from '../../compiler/dwarf/constants.ts';
import { Cursor } from './cursor.ts';
import type { DwarfSections } from './sections.ts';

export type AttributeValue = number | bigint | string | boolean | Uint8Array;

/** A debugging information entry (DWARF 5, 2.1) with its attributes decoded by form; references are section offsets. */
export interface Entry {
  /** Offset in .debug_info, by which other entries refer to this one. */
  readonly offset: number;
  readonly tag: number;
  readonly attributes: ReadonlyMap<number, AttributeValue>;
  readonly children: Entry[];
}

/** A compilation unit: its tree of entries, and what its forms are relative to. */
export interface Unit {
  readonly root: Entry;
  readonly loclistsBase: number;
  readonly rnglistsBase: number;
}

interface AttributeSpecification {
  readonly attribute: number;
  readonly form: number;
  readonly implicitConstant: number;
}

interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly AttributeSpecification[];
}

function readAbbreviations(section: Uint8Array, offset: number): Map<number, Abbreviation> {
  const cursor = new Cursor(section, offset);
  const table = new Map<number, Abbreviation>();
  for (let code = cursor.index(); code !== 0; code = cursor.index()) {
    const tag = cursor.index();
    const hasChildren = cursor.u8() !== 0;
    const attributes: AttributeSpecification[] = [];
    for (;;) {
      const attribute = cursor.index();
      const form = cursor.index();
      const implicitConstant = form === DW_FORM.implicit_const ? Number(cursor.sleb()) : 0;
      if (attribute === 0 && form === 0) break;
      attributes.push({ attribute, form, implicitConstant });
    }
    table.set(code, { tag, hasChildren, attributes });
  }
  return table;
}

/** Reads the entries of one unit; `unitOffset` is what unit-relative references are relative to. */
class EntryReader {
  readonly #cursor: Cursor;
  readonly #sections: DwarfSections;
  readonly #abbreviations: ReadonlyMap<number, Abbreviation>;
  readonly #unitOffset: number;

  constructor(cursor: Cursor, sections: DwarfSections, abbreviationOffset: number, unitOffset: number) {
    this.#cursor = cursor;
    this.#sections = sections;
    this.#abbreviations = readAbbreviations(sections.abbrev, abbreviationOffset);
    this.#unitOffset = unitOffset;
  }

  /** The next entry with all below it; undefined for the null entry that ends a list of siblings. */
  read(): Entry | undefined {
    const offset = this.#cursor.offset;
    const code = this.#cursor.index();
    if (code === 0) return undefined;
    const abbreviation = this.#abbreviations.get(code);
    if (abbreviation === undefined) throw new RangeError(`.debug_info: unknown abbreviation ${code}`);
    const attributes = new Map<number, AttributeValue>();
    for (const { attribute, form, implicitConstant } of abbreviation.attributes) {
      attributes.set(attribute, form === DW_FORM.implicit_const ? implicitConstant : this.#value(form));
    }
    const children: Entry[] = [];
    if (abbreviation.hasChildren) {
      for (let child = this.read(); child !== undefined; child = this.read()) children.push(child);
    }
    return { offset, tag: abbreviation.tag, attributes, children };
  }

  #value(form: number): AttributeValue {
    const cursor = this.#cursor;
    switch (form) {
      case DW_FORM.addr:
      case DW_FORM.data8:
        return cursor.u64();
      case DW_FORM.data1:
        return cursor.u8();
      case DW_FORM.data2:
        return cursor.u16();
      case DW_FORM.data4:
      case DW_FORM.sec_offset:
      case DW_FORM.ref_addr:
        return cursor.u32();
      case DW_FORM.data16:
        return cursor.take(16);
      case DW_FORM.sdata:
        return cursor.sleb();
      case DW_FORM.udata:
        return cursor.uleb();
      case DW_FORM.loclistx:
      case DW_FORM.rnglistx:
        return cursor.index();
      case DW_FORM.flag:
        return cursor.u8() !== 0;
      case DW_FORM.flag_present:
        return true;
      case DW_FORM.string:
        return cursor.cstring();
      case DW_FORM.strp:
        return new Cursor(this.#sections.str, cursor.u32()).cstring();
      case DW_FORM.line_strp:
        return new Cursor(this.#sections.lineStr, cursor.u32()).cstring();
      case DW_FORM.block1:
        return cursor.take(cursor.u8());
      case DW_FORM.block2:
        return cursor.take(cursor.u16());
      case DW_FORM.block4:
        return cursor.take(cursor.u32());
      case DW_FORM.block:
      case DW_FORM.exprloc:
        return cursor.take(cursor.index());
      case DW_FORM.ref1:
        return this.#unitOffset + cursor.u8();
      case DW_FORM.ref2:
        return this.#unitOffset + cursor.u16();
      case DW_FORM.ref4:
        return this.#unitOffset + cursor.u32();
      case DW_FORM.ref8:
        return this.#unitOffset + Number(cursor.u64());
      case DW_FORM.ref_udata:
        return this.#unitOffset + cursor.index();
      default:
        throw new RangeError(`.debug_info: form 0x${form.toString(16)} is not read`);
    }
  }
}

/** All compilation units of .debug_info; only DWARF 5 with 32-bit offsets is read. */
export function readUnits(sections: DwarfSections): Unit[] {
  const units: Unit[] = [];
  const cursor = new Cursor(sections.info);
  while (!cursor.atEnd) {
    const unitOffset = cursor.offset;
    const length = cursor.u32();
    const end = cursor.offset + length;
    const version = cursor.u16();
    if (version !== 5) throw new RangeError(`.debug_info: DWARF version ${version}, only 5 is read`);
    cursor.take(2);
    const reader = new EntryReader(cursor, sections, cursor.u32(), unitOffset);
    const root = reader.read();
    if (root !== undefined) {
      const base = (attribute: number) => Number(root.attributes.get(attribute) ?? 0);
      units.push({ root, loclistsBase: base(DW_AT.loclists_base), rnglistsBase: base(DW_AT.rnglists_base) });
    }
    cursor.offset = end;
  }
  return units;
}
