import { ByteWriter } from '../elf/bytes.ts';
import { type ElfSection, sectionFlags, sectionType } from '../elf/write.ts';
import type { IrModule } from '../ir/module.ts';
import type { FunctionCode } from '../x64/emit.ts';
import { DW_LANG, DW_TAG } from './constants.ts';
import { Entry, writeEntries } from './entries.ts';
import { writeFrames } from './frames.ts';
import { functionEntry, type Lists, RangeLists } from './functions.ts';
import { fileNumber, writeLines } from './lines.ts';
import { addressExpression, LocationLists } from './locations.ts';
import { createStrings } from './strings.ts';
import { setType, typeEntries } from './types.ts';

export interface PlacedFunction {
  readonly code: FunctionCode;
  readonly address: bigint;
}

/** The DWARF 5 sections of a linked module: one compilation unit for all of its sources. */
export function debugSections(
  module: IrModule,
  functions: readonly FunctionCode[],
  addresses: ReadonlyMap<string, bigint>,
): ElfSection[] {
  const placed = functions
    .map((code) => ({ code, address: addresses.get(code.ir.name)! }))
    .sort((left, right) => (left.address < right.address ? -1 : 1));
  const strings = createStrings();
  const lists: Lists = { locations: new LocationLists(), ranges: new RangeLists() };
  const lines = writeLines(module.files, module.directory, placed, strings);
  const unit = unitEntry(module, placed, addresses, lists);
  const { info, abbreviations } = writeEntries(unit, strings);
  const sections = [
    section('.debug_info', info),
    section('.debug_abbrev', abbreviations),
    section('.debug_line', lines),
    section('.debug_aranges', writeAddressRanges(placed)),
    section('.debug_frame', writeFrames(placed), 8),
    section('.debug_str', strings.names.bytes(), 1, sectionFlags.strings),
    section('.debug_line_str', strings.paths.bytes(), 1, sectionFlags.strings),
  ];
  if (!lists.locations.isEmpty) sections.push(section('.debug_loclists', lists.locations.bytes()));
  if (!lists.ranges.isEmpty) sections.push(section('.debug_rnglists', lists.ranges.bytes()));
  return sections;
}

function section(name: string, bytes: Uint8Array, alignment = 1, flags = 0): ElfSection {
  return { name, type: sectionType.progbits, flags, address: 0n, bytes, size: bytes.length, alignment };
}

function unitEntry(
  module: IrModule,
  placed: readonly PlacedFunction[],
  addresses: ReadonlyMap<string, bigint>,
  lists: Lists,
): Entry {
  const unit = new Entry(DW_TAG.compile_unit)
    .set('producer', { form: 'strp', text: 'Verdigris' })
    .set('language', { form: 'data2', value: DW_LANG.C11 })
    .set('name', { form: 'line_strp', text: module.files[0] ?? module.name })
    .set('comp_dir', { form: 'line_strp', text: module.directory })
    .set('low_pc', { form: 'addr', value: 0n })
    .set('ranges', { form: 'sec_offset', value: lists.ranges.add(functionRanges(placed)) })
    .set('stmt_list', { form: 'sec_offset', value: 0 });
  const types = typeEntries(module.types);
  for (const type of types) unit.add(type);
  for (const { name, debug } of module.data) {
    if (!debug) continue;
    const variable = new Entry(DW_TAG.variable).name(debug.displayName);
    variable.number('decl_file', fileNumber(debug.span.file)).number('decl_line', debug.span.line);
    setType(variable, debug.type, types);
    unit.add(variable.set('location', { form: 'exprloc', bytes: addressExpression(addresses.get(name)!) }));
  }
  for (const fn of placed) unit.add(functionEntry(fn, types, lists));
  return unit;
}

function functionRanges(placed: readonly PlacedFunction[]): { address: bigint; size: number }[] {
  return placed.map(({ code, address }) => ({ address, size: code.bytes.length }));
}

/** .debug_aranges (DWARF 5, 6.1.2) */
function writeAddressRanges(placed: readonly PlacedFunction[]): Uint8Array {
  const out = new ByteWriter().u32(0).u16(2).u32(0).u8(8).u8(0).align(16);
  for (const { address, size } of functionRanges(placed)) out.u64(address).u64(BigInt(size));
  out.u64(0n).u64(0n);
  out.patch32(0, out.length - 4);
  return out.bytes();
}
