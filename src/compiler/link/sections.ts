import type { DataObject, IrModule } from '../ir/module.ts';
import type { FunctionCode } from '../x64/emit.ts';

/** A field to fill in when addresses are known. */
export interface PendingField {
  /** bytes from the section's start */
  readonly offset: number;
  readonly size: 1 | 4 | 8;
  readonly kind: 'relative' | 'absolute' | 'absoluteSigned';
  readonly symbol: string;
  readonly addend: bigint;
}

export interface PlacedSymbol {
  readonly name: string;
  readonly section: string;
  readonly offset: number;
  readonly size: number;
  readonly kind: 'function' | 'object';
  readonly global: boolean;
}

/** A section while the linker fills it. */
export class SectionBuilder {
  readonly name: string;
  readonly isBss: boolean;
  readonly fields: PendingField[] = [];
  alignment = 16;
  size = 0;
  readonly #parts: { offset: number; bytes: Uint8Array }[] = [];

  constructor(name: string) {
    this.name = name;
    this.isBss = name.endsWith('bss');
  }

  /** Appends at the next multiple of `alignment`; returns the offset. */
  append(bytes: Uint8Array, size: number, alignment: number): number {
    const offset = Math.ceil(this.size / alignment) * alignment;
    this.alignment = Math.max(this.alignment, alignment);
    if (!this.isBss) this.#parts.push({ offset, bytes });
    this.size = offset + size;
    return offset;
  }

  /** The bytes; gaps between functions are int3, other gaps zero. */
  bytes(): Uint8Array {
    if (this.isBss) return new Uint8Array(0);
    const result = new Uint8Array(this.size).fill(this.name.endsWith('text') ? 0xcc : 0);
    for (const { offset, bytes } of this.#parts) result.set(bytes, offset);
    return result;
  }
}

export interface Contents {
  readonly sections: ReadonlyMap<string, SectionBuilder>;
  readonly symbols: readonly PlacedSymbol[];
}

const functionAlignment = 16;
export const exceptionTableSection = '.extable';

/** Distributes functions and data over sections, in the order given. */
export function fillSections(module: IrModule, functions: readonly FunctionCode[]): Contents {
  const sections = new Map<string, SectionBuilder>();
  const symbols: PlacedSymbol[] = [];
  const section = (name: string): SectionBuilder => {
    const known = sections.get(name);
    if (known) return known;
    const created = new SectionBuilder(name);
    sections.set(name, created);
    return created;
  };
  for (const code of functions) placeFunction(section(code.ir.section), code, symbols);
  for (const object of module.data) placeData(section(object.section), object, symbols);
  for (const code of functions) placeTables(section, code, symbols);
  return { sections, symbols };
}

function placeFunction(section: SectionBuilder, code: FunctionCode, symbols: PlacedSymbol[]): void {
  const { bytes, ir, fixups } = code;
  const offset = section.append(bytes, bytes.length, functionAlignment);
  symbols.push({
    name: ir.name,
    section: section.name,
    offset,
    size: bytes.length,
    kind: 'function',
    global: ir.exported,
  });
  for (const { offset: at, size, kind, symbol, addend } of fixups) {
    section.fields.push({ offset: offset + at, size, kind, symbol, addend });
  }
}

function placeData(section: SectionBuilder, object: DataObject, symbols: PlacedSymbol[]): void {
  const offset = section.append(object.bytes, object.size, object.alignment);
  const { name, size } = object;
  symbols.push({ name, section: section.name, offset, size, kind: 'object', global: false });
  for (const { offset: at, symbol, addend, size: width } of object.relocations) {
    section.fields.push({ offset: offset + at, size: width, kind: 'absolute', symbol, addend });
  }
}

/** Jump tables into .rodata, fault addresses and their continuations into the exception table. */
function placeTables(section: (name: string) => SectionBuilder, code: FunctionCode, symbols: PlacedSymbol[]): void {
  const self = code.ir.name;
  const pointers = (into: SectionBuilder, offsets: readonly number[]): number => {
    const size = offsets.length * 8;
    const start = into.append(new Uint8Array(size), size, 8);
    offsets.forEach((offset, index) => {
      const addend = BigInt(offset);
      into.fields.push({ offset: start + index * 8, size: 8, kind: 'absolute', symbol: self, addend });
    });
    return start;
  };
  for (const table of code.jumpTables) {
    const rodata = section('.rodata');
    const offset = pointers(rodata, table.offsets);
    const size = table.offsets.length * 8;
    symbols.push({ name: table.symbol, section: rodata.name, offset, size, kind: 'object', global: false });
  }
  for (const { at, fixup } of code.exceptionTable) pointers(section(exceptionTableSection), [at, fixup]);
}
