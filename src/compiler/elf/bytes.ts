/** Little-endian bytes that grow as they are written. */
export class ByteWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  append(values: ArrayLike<number>): this {
    this.#reserve(values.length);
    this.#bytes.set(values, this.#length);
    this.#length += values.length;
    return this;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value & 0xff).u8((value >> 8) & 0xff);
  }

  u32(value: number): this {
    return this.u16(value & 0xffff).u16(value >>> 16);
  }

  u64(value: bigint): this {
    const bits = BigInt.asUintN(64, value);
    return this.u32(Number(bits & 0xffffffffn)).u32(Number(bits >> 32n));
  }

  /** DWARF unsigned LEB128 (DWARF 5, 7.6) */
  unsignedLeb(value: number | bigint): this {
    let rest = BigInt(value);
    do {
      const byte = Number(rest & 0x7fn);
      rest >>= 7n;
      this.u8(rest === 0n ? byte : byte | 0x80);
    } while (rest !== 0n);
    return this;
  }

  /** DWARF signed LEB128 */
  signedLeb(value: number | bigint): this {
    let rest = BigInt(value);
    for (;;) {
      const byte = Number(rest & 0x7fn);
      rest >>= 7n;
      const done = (rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0);
      this.u8(done ? byte : byte | 0x80);
      if (done) return this;
    }
  }

  /** UTF-8 with a terminating NUL */
  text(value: string): this {
    return this.append(new TextEncoder().encode(value)).u8(0);
  }

  zeros(count: number): this {
    this.#reserve(count);
    this.#bytes.fill(0, this.#length, this.#length + count);
    this.#length += count;
    return this;
  }

  /** Pads with zeros to a multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Overwrites four bytes that were written before. */
  patch32(offset: number, value: number): void {
    for (let index = 0; index < 4; index++) this.#bytes[offset + index] = (value >>> (8 * index)) & 0xff;
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}
