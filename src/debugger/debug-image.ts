import type { ElfFile } from '../machine/boot/elf.ts';
import { DebugInfo } from './dwarf/debug-info.ts';
import { LineTable, type SourcePosition } from './dwarf/line-table.ts';
import { dwarfSections } from './dwarf/sections.ts';
import { type NamedAddress, SymbolTable } from './symbols.ts';

const STT_FUNC = 2;
const STT_OBJECT = 1;
const STT_NOTYPE = 0;

function namedAddresses(elf: ElfFile): NamedAddress[] {
  return elf.symbols
    .filter((symbol) => symbol.name !== '' && [STT_FUNC, STT_OBJECT, STT_NOTYPE].includes(symbol.type))
    .filter((symbol) => symbol.section !== undefined)
    .map((symbol) => ({
      name: symbol.name,
      address: symbol.value,
      size: Number(symbol.size),
      isFunction: symbol.type === STT_FUNC,
    }));
}

/** What an ELF image says about itself: symbols, source lines, functions, variables, types. DWARF is read when first asked for. */
export class DebugImage {
  readonly name: string;
  readonly elf: ElfFile;
  readonly symbols: SymbolTable;
  #lines: LineTable | undefined;
  #info: DebugInfo | undefined;

  /** @param name of the file, shown where more than one image is debugged */
  constructor(name: string, elf: ElfFile) {
    this.name = name;
    this.elf = elf;
    this.symbols = new SymbolTable(namedAddresses(elf));
  }

  get lines(): LineTable {
    this.#lines ??= new LineTable(this.#sections());
    return this.#lines;
  }

  get info(): DebugInfo {
    this.#info ??= new DebugInfo(this.#sections());
    return this.#info;
  }

  positionAt(address: bigint): SourcePosition | undefined {
    return this.lines.positionAt(address);
  }

  /** The bytes that the image puts at `address`, or undefined where it puts none. */
  bytesAt(address: bigint, length: number): Uint8Array | undefined {
    for (const segment of this.elf.segments) {
      const offset = address - segment.virtualAddress;
      if (offset >= 0n && offset + BigInt(length) <= BigInt(segment.data.length)) {
        return segment.data.subarray(Number(offset), Number(offset) + length);
      }
    }
    return undefined;
  }

  #sections() {
    return dwarfSections((name) => this.elf.sections.find((section) => section.name === name)?.data);
  }
}
