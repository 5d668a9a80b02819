import { ImageError } from '../machine-error.ts';
import { ByteReader } from './byte-reader.ts';

// ELF-64 Object File Format and the System V gABI, chapter 4.
const EI_CLASS = 4;
const EI_DATA = 5;
const EI_VERSION = 6;
const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const EV_CURRENT = 1;

const ET_EXEC = 2;
const ET_DYN = 3;

export const EM_386 = 3;
export const EM_X86_64 = 62;

const PT_LOAD = 1;
const PT_NOTE = 4;

const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHN_LORESERVE = 0xff00;

/** A part of the image that goes into memory. Addresses and sizes are bytes. */
export interface ElfSegment {
  readonly virtualAddress: bigint;
  readonly physicalAddress: bigint;
  /** What the file holds of the segment. */
  readonly data: Uint8Array;
  /** The size in memory; what `data` does not cover is zero. */
  readonly memorySize: bigint;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number;
}

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly descriptor: Uint8Array;
}

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly address: bigint;
  readonly size: bigint;
  /** Empty for sections that occupy no file space. */
  readonly data: Uint8Array;
  readonly link: number;
}

export interface ElfSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: bigint;
  /** STT_NOTYPE 0, STT_OBJECT 1, STT_FUNC 2, STT_SECTION 3, STT_FILE 4. */
  readonly type: number;
  /** STB_LOCAL 0, STB_GLOBAL 1, STB_WEAK 2. */
  readonly binding: number;
  /** Index into `sections`, or undefined for absolute, common and undefined symbols. */
  readonly section: number | undefined;
}

export interface ElfFile {
  readonly bits: 32 | 64;
  readonly machine: number;
  readonly entry: bigint;
  /** PT_LOAD segments that occupy memory, in the file's order. */
  readonly segments: readonly ElfSegment[];
  readonly notes: readonly ElfNote[];
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
}

/** Offsets of the fields that differ between the two classes. */
interface Layout {
  readonly bits: 32 | 64;
  readonly headerSize: number;
  readonly address: (reader: ByteReader, offset: number) => bigint;
  readonly header: { entry: number; phoff: number; shoff: number; phentsize: number };
  readonly program: {
    size: number;
    flags: number;
    offset: number;
    vaddr: number;
    paddr: number;
    filesz: number;
    memsz: number;
  };
  readonly section: { size: number; flags: number; addr: number; offset: number; length: number; link: number };
  readonly symbol: { size: number; info: number; shndx: number; value: number; length: number };
}

const LAYOUTS: Readonly<Record<number, Layout>> = {
  [ELFCLASS32]: {
    bits: 32,
    headerSize: 52,
    address: (reader, offset) => BigInt(reader.u32(offset)),
    header: { entry: 24, phoff: 28, shoff: 32, phentsize: 42 },
    program: { size: 32, flags: 24, offset: 4, vaddr: 8, paddr: 12, filesz: 16, memsz: 20 },
    section: { size: 40, flags: 8, addr: 12, offset: 16, length: 20, link: 24 },
    symbol: { size: 16, info: 12, shndx: 14, value: 4, length: 8 },
  },
  [ELFCLASS64]: {
    bits: 64,
    headerSize: 64,
    address: (reader, offset) => reader.u64(offset),
    header: { entry: 24, phoff: 32, shoff: 40, phentsize: 54 },
    program: { size: 56, flags: 4, offset: 8, vaddr: 16, paddr: 24, filesz: 32, memsz: 40 },
    section: { size: 64, flags: 8, addr: 16, offset: 24, length: 32, link: 40 },
    symbol: { size: 24, info: 4, shndx: 6, value: 8, length: 16 },
  },
};

export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads an executable for x86, checking every offset and size it uses.
 * @throws ImageError with one sentence about the first thing that is wrong
 */
export function readElf(bytes: Uint8Array): ElfFile {
  if (!isElf(bytes)) throw new ImageError('the file is not an ELF image: it does not start with the bytes 7f 45 4c 46');
  const reader = new ByteReader(bytes);
  const layout = LAYOUTS[bytes[EI_CLASS] ?? 0];
  if (layout === undefined) throw new ImageError(`the ELF class ${bytes[EI_CLASS]} is neither 32-bit nor 64-bit`);
  if (bytes.length < layout.headerSize) {
    throw new ImageError(`the ELF header is cut off: the file has ${bytes.length} of its ${layout.headerSize} bytes`);
  }
  checkIdentification(reader);
  const sections = readSections(reader, layout);
  const programs = readProgramHeaders(reader, layout);
  return {
    bits: layout.bits,
    machine: reader.u16(18),
    entry: layout.address(reader, layout.header.entry),
    segments: programs.filter(({ type, memorySize }) => type === PT_LOAD && memorySize > 0n),
    notes: programs.filter(({ type }) => type === PT_NOTE).flatMap(({ data }) => readNotes(data)),
    sections,
    symbols: readSymbols(sections, layout),
  };
}

function checkIdentification(reader: ByteReader): void {
  if (reader.u8(EI_DATA) !== ELFDATA2LSB) throw new ImageError('the ELF image is not little-endian');
  if (reader.u8(EI_VERSION) !== EV_CURRENT) throw new ImageError(`the ELF version ${reader.u8(EI_VERSION)} is unknown`);
  const type = reader.u16(16);
  if (type !== ET_EXEC && type !== ET_DYN)
    throw new ImageError(`the ELF image is not an executable: its type is ${type}`);
  const machine = reader.u16(18);
  if (machine !== EM_386 && machine !== EM_X86_64) {
    throw new ImageError(`the ELF image is for machine ${machine}, not for x86 (3) or x86-64 (62)`);
  }
}

type ProgramHeader = ElfSegment & { readonly type: number };

function readProgramHeaders(reader: ByteReader, layout: Layout): ProgramHeader[] {
  const { header, program } = layout;
  const count = reader.u16(header.phentsize + 2);
  const entrySize = reader.u16(header.phentsize);
  if (count > 0 && entrySize !== program.size) {
    throw new ImageError(`the ELF program headers are ${entrySize} bytes each instead of ${program.size}`);
  }
  const table = slice(
    reader.bytes,
    layout.address(reader, header.phoff),
    BigInt(count * entrySize),
    'program header table',
  );
  const entries = new ByteReader(table);
  return Array.from({ length: count }, (_, index) => {
    const at = index * program.size;
    const field = (offset: number) => layout.address(entries, at + offset);
    const type = entries.u32(at);
    const used = type === PT_LOAD || type === PT_NOTE;
    const fileSize = field(program.filesz);
    const memorySize = field(program.memsz);
    if (type === PT_LOAD && fileSize > memorySize) {
      throw new ImageError(
        `the ELF segment ${index} is larger in the file (${fileSize}) than in memory (${memorySize})`,
      );
    }
    return {
      type,
      flags: entries.u32(at + program.flags),
      virtualAddress: field(program.vaddr),
      physicalAddress: field(program.paddr),
      memorySize,
      data: used ? slice(reader.bytes, field(program.offset), fileSize, `segment ${index}`) : new Uint8Array(),
    };
  });
}

/** Notes that are damaged end the list: what follows them cannot be found. */
function readNotes(bytes: Uint8Array): ElfNote[] {
  const reader = new ByteReader(bytes);
  const notes: ElfNote[] = [];
  const align = (size: number) => Math.ceil(size / 4) * 4;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const nameSize = reader.u32(at);
    const descriptorSize = reader.u32(at + 4);
    const descriptorAt = at + 12 + align(nameSize);
    if (descriptorAt + descriptorSize > bytes.length) break;
    notes.push({
      name: new ByteReader(bytes.subarray(at + 12, at + 12 + nameSize)).string(0),
      type: reader.u32(at + 8),
      descriptor: bytes.subarray(descriptorAt, descriptorAt + descriptorSize),
    });
    at = descriptorAt + align(descriptorSize);
  }
  return notes;
}

function readSections(reader: ByteReader, layout: Layout): ElfSection[] {
  const { header, section } = layout;
  const offset = layout.address(reader, header.shoff);
  const count = reader.u16(header.phentsize + 6);
  const entrySize = reader.u16(header.phentsize + 4);
  if (offset === 0n || count === 0) return [];
  if (entrySize !== section.size) {
    throw new ImageError(`the ELF section headers are ${entrySize} bytes each instead of ${section.size}`);
  }
  const entries = new ByteReader(slice(reader.bytes, offset, BigInt(count * entrySize), 'section header table'));
  const sections = Array.from({ length: count }, (_, index) => {
    const at = index * section.size;
    const type = entries.u32(at + 4);
    const size = layout.address(entries, at + section.length);
    const inFile = type !== SHT_NOBITS && type !== 0;
    const start = layout.address(entries, at + section.offset);
    return {
      nameOffset: entries.u32(at),
      name: '',
      type,
      flags: layout.address(entries, at + section.flags),
      address: layout.address(entries, at + section.addr),
      size,
      data: inFile ? slice(reader.bytes, start, size, `section ${index}`) : new Uint8Array(),
      link: entries.u32(at + section.link),
    };
  });
  const names = sections[reader.u16(header.phentsize + 8)]?.data ?? new Uint8Array();
  return sections.map(({ nameOffset, ...rest }) => ({ ...rest, name: new ByteReader(names).string(nameOffset) }));
}

function readSymbols(sections: readonly ElfSection[], layout: Layout): ElfSymbol[] {
  const table = sections.find(({ type }) => type === SHT_SYMTAB);
  if (table === undefined) return [];
  const reader = new ByteReader(table.data);
  const names = new ByteReader(sections[table.link]?.data ?? new Uint8Array());
  const { symbol } = layout;
  return Array.from({ length: Math.floor(table.data.length / symbol.size) }, (_, index) => {
    const at = index * symbol.size;
    const info = reader.u8(at + symbol.info);
    const section = reader.u16(at + symbol.shndx);
    return {
      name: names.string(reader.u32(at)),
      value: layout.address(reader, at + symbol.value),
      size: layout.address(reader, at + symbol.length),
      type: info & 0x0f,
      binding: info >> 4,
      section: section > 0 && section < SHN_LORESERVE ? section : undefined,
    };
  });
}

function slice(bytes: Uint8Array, offset: bigint, size: bigint, what: string): Uint8Array {
  if (offset + size > BigInt(bytes.length)) {
    throw new ImageError(`the ELF ${what} ends at byte ${offset + size}, but the file has only ${bytes.length}`);
  }
  return bytes.subarray(Number(offset), Number(offset + size));
}
