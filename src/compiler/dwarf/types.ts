import type { DebugMember, DebugType } from '../ir/module.ts';
import { DW_ATE, DW_TAG } from './constants.ts';
import { Entry } from './entries.ts';
import { fileNumber } from './lines.ts';

const encodings = {
  signed: DW_ATE.signed,
  unsigned: DW_ATE.unsigned,
  boolean: DW_ATE.boolean,
  character: DW_ATE.unsigned_char,
} as const;

/** Entries for the module's types, by the same indexes; they may refer to each other in circles. */
export function typeEntries(types: readonly DebugType[]): Entry[] {
  const entries = types.map((type) => new Entry(tags[type.kind]));
  types.forEach((type, index) => {
    describe(entries[index]!, type, entries);
  });
  return entries;
}

const tags = {
  base: DW_TAG.base_type,
  pointer: DW_TAG.pointer_type,
  typedef: DW_TAG.typedef,
  structure: DW_TAG.structure_type,
  array: DW_TAG.array_type,
  enumeration: DW_TAG.enumeration_type,
  function: DW_TAG.subroutine_type,
} as const;

/** Adds DW_AT_type unless the type is void. */
export function setType(entry: Entry, type: number, entries: readonly Entry[]): Entry {
  const target = entries[type];
  return target ? entry.set('type', { form: 'ref4', entry: target }) : entry;
}

function describe(entry: Entry, type: DebugType, entries: readonly Entry[]): void {
  switch (type.kind) {
    case 'base':
      entry.name(type.name).number('byte_size', type.size).number('encoding', encodings[type.encoding]);
      break;
    case 'pointer':
      setType(entry.number('byte_size', 8), type.to, entries);
      break;
    case 'typedef':
      setType(entry.name(type.name), type.type, entries);
      break;
    case 'structure':
      entry.name(type.name).number('byte_size', type.size);
      if (type.span) {
        entry.number('decl_file', fileNumber(type.span.file)).number('decl_line', type.span.line);
      }
      for (const member of type.members) entry.add(memberEntry(member, entries));
      break;
    case 'array':
      setType(entry, type.element, entries);
      entry.add(new Entry(DW_TAG.subrange_type).number('count', type.count));
      break;
    case 'enumeration':
      setType(entry.name(type.name), type.underlying, entries);
      entry.number('byte_size', underlyingSize(entries[type.underlying]));
      for (const { name, value } of type.values) {
        entry.add(new Entry(DW_TAG.enumerator).name(name).set('const_value', { form: 'sdata', value }));
      }
      break;
    case 'function':
      setType(entry.flag('prototyped'), type.result, entries);
      for (const parameter of type.parameters) {
        entry.add(setType(new Entry(DW_TAG.formal_parameter), parameter, entries));
      }
      break;
  }
}

function underlyingSize(entry: Entry | undefined): number {
  const size = entry?.attributes.find(([name]) => name === 'byte_size')?.[1];
  return size?.form === 'udata' ? Number(size.value) : 4;
}

function memberEntry(member: DebugMember, entries: readonly Entry[]): Entry {
  const entry = setType(new Entry(DW_TAG.member).name(member.name), member.type, entries);
  if (!member.bits) return entry.number('data_member_location', member.offset);
  return entry.number('data_bit_offset', member.bits.offset).number('bit_size', member.bits.width);
}
