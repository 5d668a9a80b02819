const PAGE_WORDS = 1024;

/**
 * A 64-bit hash of words fed one after the other: two 32-bit multiply-xorshift lanes. Fast rather than strong; equal
 * states have equal hashes on every host.
 */
export class StateHash {
  #low = 0x9e37_79b9;
  #high = 0x85eb_ca6b;

  word(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0xcc9e_2d51);
    this.#low ^= this.#low >>> 15;
    this.#high = Math.imul(this.#high ^ value, 0x1b87_3593) + this.#low;
    this.#high ^= this.#high >>> 13;
  }

  text(value: string): void {
    for (let index = 0; index < value.length; index++) this.word(value.charCodeAt(index));
    this.word(-1);
  }

  /** Hashes memory page by page, skipping pages that are all zero: they cost one look and touch nothing. */
  memory(bytes: Uint8Array): void {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    for (let start = 0; start < words.length; start += PAGE_WORDS) {
      const end = Math.min(start + PAGE_WORDS, words.length);
      let seen = 0;
      for (let index = start; index < end; index++) seen |= words[index]!;
      if (seen === 0) continue;
      this.word(start);
      for (let index = start; index < end; index++) this.word(words[index]!);
    }
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    const digits = (value: number) => (value >>> 0).toString(16).padStart(8, '0');
    return digits(this.#high) + digits(this.#low);
  }
}

/** A record as text with its keys in order, so that equal records have equal texts. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return `${item}n`;
    if (ArrayBuffer.isView(item)) return Array.from(item as Uint8Array);
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
