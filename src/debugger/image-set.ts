import type { CpuState } from '../cpu/state.ts';
import type { DebugImage } from './debug-image.ts';
import type { NamedAddress } from './symbols.ts';
import type { MemoryReader } from './value-printer.ts';

/** A name that means no symbol, or several; the message says which. */
export class SymbolError extends Error {}

/** How many bytes around RIP must be those of a program's file before its symbols are believed. */
const comparedBytes = 16;

/**
 * The kernel's image and those of the programs it may run. All programs are linked at the same addresses, so which one runs
 * is found by comparing the code at RIP with each file, and remembered per address space.
 */
export class ImageSet {
  readonly kernel: DebugImage | undefined;
  readonly programs: readonly DebugImage[];
  readonly #read: MemoryReader;
  readonly #byAddressSpace = new Map<bigint, DebugImage>();

  constructor(kernel: DebugImage | undefined, programs: readonly DebugImage[], read: MemoryReader) {
    this.kernel = kernel;
    this.programs = programs;
    this.#read = read;
  }

  /** The image whose code is at `address` in the current address space. */
  at(state: CpuState, address: bigint): DebugImage | undefined {
    if (this.kernel?.symbols.at(address) !== undefined) return this.kernel;
    const space = state.get64('cr3');
    const known = this.#byAddressSpace.get(space);
    if (known !== undefined && this.#matches(known, address)) return known;
    const found = this.programs.find((program) => this.#matches(program, address));
    if (found !== undefined) this.#byAddressSpace.set(space, found);
    return found;
  }

  /** The kernel's image and the programs', in that order. */
  get all(): readonly DebugImage[] {
    return this.kernel === undefined ? this.programs : [this.kernel, ...this.programs];
  }

  /**
   * Finds a symbol by its whole name or by its last part, in the kernel first.
   * @throws SymbolError when there is none, or several
   */
  findSymbol(name: string): NamedAddress {
    for (const image of this.all) {
      const found = image.symbols.find(name);
      if (found !== undefined) return found;
      const several = image.symbols.matching(name).map((symbol) => symbol.name);
      if (several.length > 0) throw new SymbolError(`'${name}' is ambiguous: ${several.join(', ')}`);
    }
    throw new SymbolError(`no image has a symbol '${name}'`);
  }

  #matches(image: DebugImage, address: bigint): boolean {
    const expected = image.bytesAt(address, comparedBytes);
    const actual = expected && this.#read(address, comparedBytes);
    return expected !== undefined && actual !== undefined && expected.every((byte, index) => byte === actual[index]);
  }
}
