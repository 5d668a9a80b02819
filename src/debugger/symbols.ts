/** A named address of an image: a function or an object. */
export interface NamedAddress {
  readonly name: string;
  readonly address: bigint;
  /** Bytes; 0 where the image does not say. */
  readonly size: number;
  readonly isFunction: boolean;
}

export interface SymbolicAddress {
  readonly symbol: NamedAddress;
  readonly offset: number;
}

/** How far past a symbol of unknown size an address may lie and still be named after it. */
const unknownSizeReach = 0x1000n;

/** Looks symbols up by name and by address. */
export class SymbolTable {
  readonly #byAddress: readonly NamedAddress[];
  readonly #byName = new Map<string, NamedAddress>();

  constructor(symbols: Iterable<NamedAddress>) {
    this.#byAddress = [...symbols].sort((a, b) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : a.size - b.size,
    );
    for (const symbol of this.#byAddress) this.#byName.set(symbol.name, symbol);
  }

  get names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** The symbol of that name, or the only one whose name ends in it behind a dot: `fork` finds `syscall.process-calls.fork`. */
  find(name: string): NamedAddress | undefined {
    const exact = this.#byName.get(name);
    if (exact !== undefined) return exact;
    const matches = this.matching(name);
    return matches.length === 1 ? matches[0] : undefined;
  }

  /** All symbols whose name is `name` or ends in it behind a dot. */
  matching(name: string): NamedAddress[] {
    return [...this.#byName.values()].filter((symbol) => symbol.name === name || symbol.name.endsWith(`.${name}`));
  }

  /** The symbol that contains `address`, the innermost where several do. */
  at(address: bigint): SymbolicAddress | undefined {
    let low = 0;
    let high = this.#byAddress.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#byAddress[middle] as NamedAddress).address <= address) low = middle + 1;
      else high = middle;
    }
    for (let index = low - 1; index >= 0 && index >= low - 8; index--) {
      const symbol = this.#byAddress[index] as NamedAddress;
      const distance = address - symbol.address;
      const reach = symbol.size === 0 ? unknownSizeReach : BigInt(symbol.size);
      if (distance < reach) return { symbol, offset: Number(distance) };
    }
    return undefined;
  }

  /** `name+0xoffset`, `name` at its start, or undefined outside all symbols. */
  describe(address: bigint): string | undefined {
    const found = this.at(address);
    if (found === undefined) return undefined;
    return found.offset === 0 ? found.symbol.name : `${found.symbol.name}+0x${found.offset.toString(16)}`;
  }
}
