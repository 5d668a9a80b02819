/** Reads little-endian values and LEB128 numbers from a byte array, moving forward. A read past the end throws RangeError. */
export class Cursor {
  readonly bytes: Uint8Array;
  offset: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.offset >= this.bytes.length;
  }

  u8(): number {
    return this.#view.getUint8(this.offset++);
  }

  i8(): number {
    return this.#view.getInt8(this.offset++);
  }

  u16(): number {
    this.offset += 2;
    return this.#view.getUint16(this.offset - 2, true);
  }

  u24(): number {
    return this.u16() | (this.u8() << 16);
  }

  u32(): number {
    this.offset += 4;
    return this.#view.getUint32(this.offset - 4, true);
  }

  u64(): bigint {
    this.offset += 8;
    return this.#view.getBigUint64(this.offset - 8, true);
  }

  /** An unsigned LEB128 number of up to 64 bits (DWARF 5, 7.6). */
  uleb(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  }

  /** A signed LEB128 number of up to 64 bits (DWARF 5, 7.6). */
  sleb(): bigint {
    let value = 0n;
    for (let shift = 0n; ; ) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << shift) : value);
    }
  }

  /** An unsigned LEB128 number that the format keeps small: an index, a count, a line. */
  index(): number {
    return Number(this.uleb());
  }

  /** The bytes up to a NUL, as text. */
  cstring(): string {
    const end = this.bytes.indexOf(0, this.offset);
    if (end < 0) throw new RangeError('unterminated string');
    const text = new TextDecoder().decode(this.bytes.subarray(this.offset, end));
    this.offset = end + 1;
    return text;
  }

  take(length: number): Uint8Array {
    if (this.offset + length > this.bytes.length) throw new RangeError('block past the end of its section');
    this.offset += length;
    return this.bytes.subarray(this.offset - length, this.offset);
  }
}
