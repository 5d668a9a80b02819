import { ByteWriter } from './bytes.ts';

/** Constants of the ELF64 object file format (System V gABI, chapters 4 and 5). */
export const programType = { load: 1, note: 4, gnuStack: 0x6474e551 } as const;
export const programFlags = { execute: 1, write: 2, read: 4 } as const;
export const sectionType = { null: 0, progbits: 1, symtab: 2, strtab: 3, note: 7, nobits: 8 } as const;
export const sectionFlags = { write: 1, alloc: 2, execute: 4, strings: 0x30 } as const;
export const symbolType = { none: 0, object: 1, function: 2, section: 3, file: 4 } as const;

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** virtual address, 0 for sections that are not loaded */
  readonly address: bigint;
  readonly bytes: Uint8Array;
  /** bytes in memory; `bytes` is empty for nobits */
  readonly size: number;
  readonly alignment: number;
}

/** A run of loaded sections with one set of permissions. */
export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  readonly physicalAddress: bigint;
  /** indexes into the sections, ascending and adjacent in memory */
  readonly sections: readonly number[];
  /** the segment begins with the ELF header and the program headers, `headerBytes` before its first section */
  readonly withHeaders?: boolean;
}

export interface ElfSymbol {
  readonly name: string;
  readonly type: number;
  readonly global: boolean;
  readonly value: bigint;
  readonly size: number;
  /** index of its section, or -1 for an absolute value */
  readonly section: number;
}

export interface ElfImage {
  readonly entry: bigint;
  readonly sections: readonly ElfSection[];
  readonly segments: readonly ElfSegment[];
  readonly symbols: readonly ElfSymbol[];
  /** segments begin in the file at offsets congruent to their addresses modulo this */
  readonly pageSize: number;
}

const headerSize = 64;
const programHeaderSize = 56;

/** Bytes of the ELF header and `segments` program headers at the start of the file. */
export const headerBytes = (segments: number): number => headerSize + programHeaderSize * segments;

const sectionHeaderSize = 64;
const absoluteSection = 0xfff1;

/** The bytes of an ELF64 executable for x86-64. */
export function writeElf(image: ElfImage): Uint8Array {
  const strings = new StringTable();
  const symbolStrings = new StringTable();
  const symbols = writeSymbols(image.symbols, symbolStrings);
  const locals = image.symbols.filter((symbol) => !symbol.global).length + 1;
  const plain = { flags: 0, address: 0n };
  const sections: (ElfSection & { link?: number; info?: number; entrySize?: number })[] = [
    ...image.sections,
    {
      name: '.symtab',
      type: sectionType.symtab,
      ...plain,
      bytes: symbols,
      size: symbols.length,
      alignment: 8,
      link: image.sections.length + 2,
      info: locals,
      entrySize: 24,
    },
  ];
  const symbolNames = symbolStrings.bytes();
  sections.push({
    name: '.strtab',
    type: sectionType.strtab,
    ...plain,
    bytes: symbolNames,
    size: symbolNames.length,
    alignment: 1,
  });
  const nameOffsets = [...sections.map((section) => strings.add(section.name)), strings.add('.shstrtab')];
  const names = strings.bytes();
  sections.push({
    name: '.shstrtab',
    type: sectionType.strtab,
    ...plain,
    bytes: names,
    size: names.length,
    alignment: 1,
  });

  const out = new ByteWriter();
  out.zeros(headerBytes(image.segments.length));
  const offsets = sections.map((section) => placeSection(out, section, image.pageSize));
  out.align(8);
  const sectionTable = out.length;
  out.zeros(sectionHeaderSize);
  sections.forEach((section, index) => {
    out.u32(nameOffsets[index]!).u32(section.type).u64(BigInt(section.flags)).u64(section.address);
    out.u64(BigInt(offsets[index]!)).u64(BigInt(section.size));
    out.u32(section.link ?? 0).u32(section.info ?? 0);
    const entrySize = section.entrySize ?? ((section.flags & sectionFlags.strings) !== 0 ? 1 : 0);
    out.u64(BigInt(section.alignment)).u64(BigInt(entrySize));
  });
  const bytes = out.bytes();
  bytes.set(elfHeader(image, sectionTable, sections.length + 1), 0);
  bytes.set(programHeaders(image, offsets), headerSize);
  return bytes;
}

/** Appends a section's bytes and returns their file offset, congruent to the address for loaded sections. */
function placeSection(out: ByteWriter, section: ElfSection, pageSize: number): number {
  if ((section.flags & sectionFlags.alloc) !== 0) {
    const wanted = Number(section.address % BigInt(pageSize));
    while (out.length % pageSize !== wanted) out.zeros((wanted - (out.length % pageSize) + pageSize) % pageSize);
  } else out.align(section.alignment);
  const offset = out.length;
  out.append(section.bytes);
  return offset;
}

function elfHeader(image: ElfImage, sectionTable: number, sectionCount: number): Uint8Array {
  const out = new ByteWriter();
  out.append([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  out.u16(2).u16(62).u32(1).u64(image.entry);
  out.u64(BigInt(headerSize)).u64(BigInt(sectionTable)).u32(0);
  out.u16(headerSize).u16(programHeaderSize).u16(image.segments.length);
  out
    .u16(sectionHeaderSize)
    .u16(sectionCount)
    .u16(sectionCount - 1);
  return out.bytes();
}

function programHeaders(image: ElfImage, offsets: readonly number[]): Uint8Array {
  const out = new ByteWriter();
  for (const segment of image.segments) {
    const first = image.sections[segment.sections[0] ?? -1];
    const last = image.sections[segment.sections[segment.sections.length - 1] ?? -1];
    const offset = first && !segment.withHeaders ? offsets[segment.sections[0]!]! : 0;
    const start = first ? first.address - BigInt(offsets[segment.sections[0]!]! - offset) : 0n;
    const memorySize = first && last ? last.address + BigInt(last.size) - start : 0n;
    const inFile = segment.sections.filter((index) => image.sections[index]!.type !== sectionType.nobits);
    const lastInFile = image.sections[inFile[inFile.length - 1] ?? -1];
    const fileSize = lastInFile ? lastInFile.address + BigInt(lastInFile.size) - start : 0n;
    const align = segment.type === programType.load ? image.pageSize : (first?.alignment ?? 16);
    out.u32(segment.type).u32(segment.flags);
    out.u64(BigInt(offset)).u64(start).u64(segment.physicalAddress);
    out.u64(fileSize).u64(memorySize).u64(BigInt(align));
  }
  return out.bytes();
}

/** Local symbols come first, as the format demands. */
function writeSymbols(symbols: readonly ElfSymbol[], strings: StringTable): Uint8Array {
  const out = new ByteWriter();
  out.zeros(24);
  const ordered = [...symbols.filter((symbol) => !symbol.global), ...symbols.filter((symbol) => symbol.global)];
  for (const symbol of ordered) {
    out
      .u32(strings.add(symbol.name))
      .u8(((symbol.global ? 1 : 0) << 4) | symbol.type)
      .u8(0);
    out
      .u16(symbol.section < 0 ? absoluteSection : symbol.section + 1)
      .u64(symbol.value)
      .u64(BigInt(symbol.size));
  }
  return out.bytes();
}

/** NUL-terminated strings, each stored once. */
export class StringTable {
  readonly #offsets = new Map<string, number>([['', 0]]);
  readonly #out = new ByteWriter().u8(0);

  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#out.length;
    this.#offsets.set(text, offset);
    this.#out.text(text);
    return offset;
  }

  bytes(): Uint8Array {
    return this.#out.bytes();
  }
}
