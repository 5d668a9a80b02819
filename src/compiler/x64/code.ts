import { CodeBuffer, EncodingError, encode, type Fixup, type Mode } from './encode.ts';
import type { Operand } from './operands.ts';

interface Jump {
  /** bytes of straight-line code before the jump */
  readonly at: number;
  readonly mnemonic: string;
  readonly label: string;
  long: boolean;
}

export interface FinishedCode {
  readonly bytes: Uint8Array;
  /** against symbols only: labels are settled */
  readonly fixups: readonly Fixup[];
  readonly labels: ReadonlyMap<string, number>;
  /** the offset that each `mark` was at, in order */
  readonly marks: readonly number[];
}

/** Instructions that only exist with an 8-bit displacement. */
const alwaysShort = new Set(['loop', 'jrcxz', 'jecxz']);

/** Assembles instructions in order and settles jumps between labels in their shortest forms. */
export class CodeAssembler {
  readonly #buffer = new CodeBuffer();
  readonly #jumps: Jump[] = [];
  /** label -> straight-line bytes and number of jumps before it */
  readonly #labels = new Map<string, { at: number; jumps: number }>();
  readonly #marks: { at: number; jumps: number }[] = [];

  instruction(mnemonic: string, operands: readonly Operand[], mode: Mode = 64, prefixes: readonly string[] = []): void {
    const [first] = operands;
    if (first?.kind === 'target' && !first.symbol) {
      this.#jumps.push({ at: this.#buffer.length, mnemonic, label: first.label, long: mnemonic === 'call' });
    } else encode(this.#buffer, mnemonic, operands, mode, prefixes);
  }

  /** bytes of straight-line code so far, which is the offset as long as there are no jumps */
  get length(): number {
    return this.#buffer.length;
  }

  get hasJumps(): boolean {
    return this.#jumps.length > 0;
  }

  bytes(values: Iterable<number>): void {
    this.#buffer.bytes.push(...values);
  }

  /** A data field of `size` bytes with a symbol's address. */
  address(symbol: string, addend: bigint, size: 4 | 8): void {
    this.#buffer.fixups.push({
      offset: this.#buffer.length,
      size,
      kind: 'absolute',
      symbol,
      addend,
    });
    this.#buffer.append(0n, size);
  }

  label(name: string): void {
    if (this.#labels.has(name)) throw new EncodingError(`label '${name}' is defined twice`);
    this.#labels.set(name, { at: this.#buffer.length, jumps: this.#jumps.length });
  }

  /** Remembers the current place; `finish` tells its offset. Returns its number. */
  mark(): number {
    return this.#marks.push({ at: this.#buffer.length, jumps: this.#jumps.length }) - 1;
  }

  /** Settles everything; `self` is the symbol of the code's first byte, for addresses of its own labels. */
  finish(self = ''): FinishedCode {
    const before = this.#relax();
    const offsetOf = (place: { at: number; jumps: number }) => place.at + before[place.jumps]!;
    const labels = new Map([...this.#labels].map(([name, place]) => [name, offsetOf(place)] as const));
    const bytes = new Uint8Array(this.#buffer.length + before[this.#jumps.length]!);
    let from = 0;
    let to = 0;
    const copyUntil = (end: number) => {
      bytes.set(this.#buffer.bytes.slice(from, end), to);
      to += end - from;
      from = end;
    };
    for (const jump of this.#jumps) {
      copyUntil(jump.at);
      const code = this.#encodeJump(jump, labels.get(jump.label)! - (to + sizeOf(jump)));
      bytes.set(code, to);
      to += code.length;
    }
    copyUntil(this.#buffer.length);
    const jumpsBefore = counter(this.#jumps.map((jump) => jump.at));
    const fixups = this.#buffer.fixups.map((fixup) => {
      const offset = fixup.offset + before[jumpsBefore(fixup.offset)]!;
      const own = labels.get(fixup.symbol);
      return own === undefined
        ? { ...fixup, offset }
        : { ...fixup, offset, symbol: self, addend: fixup.addend + BigInt(own) };
    });
    return { bytes, fixups, labels, marks: this.#marks.map(offsetOf) };
  }

  /** Lengthens jumps until all reach; returns the bytes of jump code before each jump (and before the end). */
  #relax(): number[] {
    for (;;) {
      const before = [0];
      for (const jump of this.#jumps) before.push(before[before.length - 1]! + sizeOf(jump));
      let changed = false;
      this.#jumps.forEach((jump, index) => {
        const place = this.#labels.get(jump.label);
        if (!place) throw new EncodingError(`label '${jump.label}' is not defined`);
        const distance = place.at + before[place.jumps]! - (jump.at + before[index + 1]!);
        if (jump.long || (distance >= -128 && distance <= 127)) return;
        if (alwaysShort.has(jump.mnemonic)) throw new EncodingError(`'${jump.mnemonic}' cannot reach '${jump.label}'`);
        jump.long = true;
        changed = true;
      });
      if (!changed) return before;
    }
  }

  #encodeJump(jump: Jump, distance: number): number[] {
    const buffer = new CodeBuffer();
    encode(buffer, jump.mnemonic, [{ kind: 'target', label: jump.label, ...(jump.long ? { symbol: true } : {}) }], 64);
    const size = jump.long ? 4 : 1;
    buffer.bytes.length -= size;
    buffer.append(BigInt(distance), size);
    return buffer.bytes;
  }
}

/** How many of the ascending numbers are at most a given one; asked in ascending order. */
function counter(ascending: readonly number[]): (value: number) => number {
  let count = 0;
  return (value) => {
    while (count < ascending.length && ascending[count]! <= value) count++;
    return count;
  };
}

function sizeOf(jump: Jump): number {
  if (!jump.long) return 2;
  return jump.mnemonic === 'jmp' || jump.mnemonic === 'call' ? 5 : 6;
}
