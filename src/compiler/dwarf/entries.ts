import { ByteWriter } from '../elf/bytes.ts';
import { DW_AT, DW_FORM, type DW_TAG, DW_UT } from './constants.ts';
import type { DebugStrings } from './strings.ts';

type Tag = (typeof DW_TAG)[keyof typeof DW_TAG];
type AttributeName = keyof typeof DW_AT;

export type AttributeValue =
  | { readonly form: 'strp' | 'line_strp'; readonly text: string }
  | { readonly form: 'data1' | 'data2' | 'data4' | 'udata' | 'sdata' | 'sec_offset'; readonly value: number | bigint }
  | { readonly form: 'addr'; readonly value: bigint }
  | { readonly form: 'ref4'; readonly entry: Entry }
  | { readonly form: 'exprloc'; readonly bytes: Uint8Array }
  | { readonly form: 'flag_present' };

/** A debugging information entry: a node of the tree in .debug_info. */
export class Entry {
  readonly tag: Tag;
  readonly attributes: (readonly [AttributeName, AttributeValue])[] = [];
  readonly children: Entry[] = [];

  constructor(tag: Tag) {
    this.tag = tag;
  }

  set(name: AttributeName, value: AttributeValue): this {
    this.attributes.push([name, value]);
    return this;
  }

  name(text: string): this {
    return this.set('name', { form: 'strp', text });
  }

  number(name: AttributeName, value: number | bigint): this {
    return this.set(name, { form: 'udata', value });
  }

  flag(name: AttributeName): this {
    return this.set(name, { form: 'flag_present' });
  }

  add(child: Entry): this {
    this.children.push(child);
    return this;
  }
}

export interface EntrySections {
  /** .debug_info */
  readonly info: Uint8Array;
  /** .debug_abbrev */
  readonly abbreviations: Uint8Array;
}

/** Encodes one compilation unit. */
export function writeEntries(unit: Entry, strings: DebugStrings): EntrySections {
  const writer = new EntryWriter(strings);
  return writer.run(unit);
}

class EntryWriter {
  readonly #info = new ByteWriter();
  readonly #abbreviations = new ByteWriter();
  readonly #numbers = new Map<string, number>();
  readonly #offsets = new Map<Entry, number>();
  readonly #references: { at: number; entry: Entry }[] = [];
  readonly #strings: DebugStrings;

  constructor(strings: DebugStrings) {
    this.#strings = strings;
  }

  run(unit: Entry): EntrySections {
    this.#info.u32(0).u16(5).u8(DW_UT.compile).u8(8).u32(0);
    this.#entry(unit);
    this.#info.patch32(0, this.#info.length - 4);
    for (const { at, entry } of this.#references) this.#info.patch32(at, this.#offsets.get(entry)!);
    this.#abbreviations.u8(0);
    return { info: this.#info.bytes(), abbreviations: this.#abbreviations.bytes() };
  }

  #entry(entry: Entry): void {
    this.#offsets.set(entry, this.#info.length);
    this.#info.unsignedLeb(this.#abbreviation(entry));
    for (const [, value] of entry.attributes) this.#value(value);
    if (entry.children.length === 0) return;
    for (const child of entry.children) this.#entry(child);
    this.#info.u8(0);
  }

  /** The number of the entry's shape, declared at its first use. */
  #abbreviation(entry: Entry): number {
    const children = entry.children.length > 0 ? 1 : 0;
    const shape = entry.attributes.map(([name, value]) => [DW_AT[name], DW_FORM[value.form]] as const);
    const key = `${entry.tag} ${children} ${shape.join(' ')}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(key, number);
    this.#abbreviations.unsignedLeb(number).unsignedLeb(entry.tag).u8(children);
    for (const [name, form] of shape) this.#abbreviations.unsignedLeb(name).unsignedLeb(form);
    this.#abbreviations.u8(0).u8(0);
    return number;
  }

  #value(value: AttributeValue): void {
    const info = this.#info;
    switch (value.form) {
      case 'strp':
        info.u32(this.#strings.names.add(value.text));
        break;
      case 'line_strp':
        info.u32(this.#strings.paths.add(value.text));
        break;
      case 'data1':
        info.u8(Number(value.value));
        break;
      case 'data2':
        info.u16(Number(value.value));
        break;
      case 'data4':
      case 'sec_offset':
        info.u32(Number(value.value));
        break;
      case 'udata':
        info.unsignedLeb(value.value);
        break;
      case 'sdata':
        info.signedLeb(value.value);
        break;
      case 'addr':
        info.u64(value.value);
        break;
      case 'ref4':
        this.#references.push({ at: info.length, entry: value.entry });
        info.u32(0);
        break;
      case 'exprloc':
        info.unsignedLeb(value.bytes.length).append(value.bytes);
        break;
      case 'flag_present':
        break;
    }
  }
}
