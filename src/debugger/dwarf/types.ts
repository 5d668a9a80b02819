import { DW_AT, DW_TAG } from '../../compiler/dwarf/constants.ts';
import type { Entry } from './entries.ts';

export interface Member {
  readonly name: string;
  /** Bytes from the start of the structure. */
  readonly offset: number;
  readonly type: DwarfType;
}

/** A type as a debugger prints it; qualifiers and typedefs are looked through. */
export type DwarfType =
  | { readonly kind: 'base'; readonly name: string; readonly size: number; readonly encoding: number }
  | { readonly kind: 'pointer'; readonly size: number; readonly target: () => DwarfType }
  | {
      readonly kind: 'structure';
      readonly name: string;
      readonly size: number;
      readonly members: () => readonly Member[];
    }
  | { readonly kind: 'array'; readonly element: () => DwarfType; readonly count: number }
  | {
      readonly kind: 'enumeration';
      readonly name: string;
      readonly size: number;
      readonly names: ReadonlyMap<bigint, string>;
    }
  | { readonly kind: 'void' };

const textOf = (entry: Entry, attribute: number) => String(entry.attributes.get(attribute) ?? '');
const numberOf = (entry: Entry, attribute: number, fallback = 0) => Number(entry.attributes.get(attribute) ?? fallback);

/** Turns type entries into DwarfType, each once; structures and pointers resolve lazily because types refer to each other. */
export class TypeReader {
  readonly #entries: ReadonlyMap<number, Entry>;
  readonly #known = new Map<number, DwarfType>();

  constructor(entries: ReadonlyMap<number, Entry>) {
    this.#entries = entries;
  }

  /** The type that `entry` refers to by DW_AT_type. */
  typeOf(entry: Entry): DwarfType {
    const reference = entry.attributes.get(DW_AT.type);
    const target = reference === undefined ? undefined : this.#entries.get(Number(reference));
    return target === undefined ? { kind: 'void' } : this.read(target);
  }

  read(entry: Entry): DwarfType {
    const known = this.#known.get(entry.offset);
    if (known !== undefined) return known;
    const type = this.#build(entry);
    this.#known.set(entry.offset, type);
    return type;
  }

  #build(entry: Entry): DwarfType {
    const name = textOf(entry, DW_AT.name);
    const size = numberOf(entry, DW_AT.byte_size);
    switch (entry.tag) {
      case DW_TAG.base_type:
        return { kind: 'base', name, size, encoding: numberOf(entry, DW_AT.encoding) };
      case DW_TAG.pointer_type:
        return { kind: 'pointer', size: size === 0 ? 8 : size, target: () => this.typeOf(entry) };
      case DW_TAG.structure_type:
        return { kind: 'structure', name, size, members: () => this.#members(entry) };
      case DW_TAG.array_type:
        return { kind: 'array', element: () => this.typeOf(entry), count: this.#count(entry) };
      case DW_TAG.enumeration_type:
        return { kind: 'enumeration', name, size, names: this.#enumerators(entry) };
      case DW_TAG.typedef:
      case DW_TAG.const_type:
      case DW_TAG.volatile_type:
        return this.typeOf(entry);
      default:
        return { kind: 'void' };
    }
  }

  #members(entry: Entry): Member[] {
    return entry.children
      .filter((child) => child.tag === DW_TAG.member)
      .map((child) => ({
        name: textOf(child, DW_AT.name),
        offset: numberOf(child, DW_AT.data_member_location),
        type: this.typeOf(child),
      }));
  }

  #count(entry: Entry): number {
    const range = entry.children.find((child) => child.tag === DW_TAG.subrange_type);
    if (range === undefined) return 0;
    return range.attributes.has(DW_AT.count)
      ? numberOf(range, DW_AT.count)
      : numberOf(range, DW_AT.upper_bound, -1) + 1;
  }

  #enumerators(entry: Entry): Map<bigint, string> {
    const values = entry.children.filter((child) => child.tag === DW_TAG.enumerator);
    return new Map(values.map((v) => [BigInt(numberOf(v, DW_AT.const_value)), textOf(v, DW_AT.name)]));
  }
}

/** The size of a value of the type in bytes. */
export function sizeOf(type: DwarfType): number {
  if (type.kind === 'void') return 0;
  return type.kind === 'array' ? sizeOf(type.element()) * type.count : type.size;
}

/** The name by which a programmer writes the type. */
export function nameOf(type: DwarfType): string {
  switch (type.kind) {
    case 'pointer':
      return `${nameOf(type.target())}*`;
    case 'array':
      return `${nameOf(type.element())}[${type.count}]`;
    case 'void':
      return 'void';
    default:
      return type.name;
  }
}
