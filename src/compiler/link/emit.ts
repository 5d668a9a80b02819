import { debugSections } from '../dwarf/debug-sections.ts';
import { type ElfSymbol, symbolType, writeElf } from '../elf/write.ts';
import type { IrModule, Span } from '../ir/module.ts';
import { bindVariables } from '../ir/variables.ts';
import { verifyModule } from '../ir/verify.ts';
import { optimizeModule } from '../optimize/optimize.ts';
import { allocate } from '../x64/allocate.ts';
import { emitFunction, type FunctionCode } from '../x64/emit.ts';
import { select } from '../x64/select.ts';
import { type Layout, layoutImage, pageSize } from './image.ts';
import { type Contents, fillSections } from './sections.ts';

export interface EmitOptions {
  /** default true */
  readonly optimize?: boolean;
}

/** Where things ended up in the image. */
export interface ImageMap {
  readonly symbols: ReadonlyMap<string, bigint>;
  readonly functions: readonly {
    readonly name: string;
    readonly address: bigint;
    readonly size: number;
    /** first instruction address of each source place, ascending */
    readonly lines: readonly { readonly address: bigint; readonly span: Span }[];
  }[];
}

export interface Emitted {
  readonly image: Uint8Array;
  readonly map: ImageMap;
}

/**
 * Compiles a module to an ELF64 executable: the same module gives the same bytes.
 * Throws an Error that lists the broken rules when the module does not verify.
 */
export function emit(module: IrModule, options: EmitOptions = {}): Emitted {
  const problems = verifyModule(module);
  if (problems.length > 0) throw new Error(`malformed IR\n${problems.join('\n')}`);
  const sources = options.optimize === false ? module.functions.map(bindVariables) : optimizeModule(module);
  const functions = sources.map((ir): FunctionCode => {
    const { machine, jumpTables } = select(module, ir);
    allocate(machine);
    return emitFunction(ir, machine, jumpTables);
  });
  const contents = fillSections(module, functions);
  const layout = layoutImage(module, contents);
  const image = writeElf({
    entry: layout.addresses.get(module.entries.elf)!,
    sections: [...layout.sections, ...debugSections(module, functions, layout.addresses)],
    segments: layout.segments,
    symbols: symbolsOf(contents, layout),
    pageSize,
  });
  return { image, map: imageMap(functions, layout) };
}

function symbolsOf(contents: Contents, layout: Layout): ElfSymbol[] {
  const placed = contents.symbols.map(
    ({ name, section, size, kind, global }): ElfSymbol => ({
      name,
      type: kind === 'function' ? symbolType.function : symbolType.object,
      global,
      value: layout.addresses.get(name)!,
      size,
      section: layout.sectionIndex.get(section)!,
    }),
  );
  const known = new Set(placed.map((symbol) => symbol.name));
  const linkers = [...layout.addresses]
    .filter(([name]) => !known.has(name))
    .map(([name, value]): ElfSymbol => ({ name, type: symbolType.none, global: true, value, size: 0, section: -1 }));
  return [...placed, ...linkers];
}

function imageMap(functions: readonly FunctionCode[], { addresses }: Layout): ImageMap {
  return {
    symbols: addresses,
    functions: functions.map(({ ir, bytes, lines }) => {
      const address = addresses.get(ir.name)!;
      const places = lines.map(({ offset, span }) => ({ address: address + BigInt(offset), span }));
      return { name: ir.name, address, size: bytes.length, lines: places };
    }),
  };
}
