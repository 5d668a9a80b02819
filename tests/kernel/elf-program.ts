/** What a test can say about an ELF64 program; everything else is as a linker would have it. */
export interface ProgramShape {
  readonly entry: bigint;
  readonly segments: readonly {
    readonly address: bigint;
    readonly bytes: Uint8Array;
    readonly memorySize?: bigint;
    /** PF_X 1, PF_W 2, PF_R 4; readable and executable when left out. */
    readonly flags?: number;
    readonly type?: number;
  }[];
}

const HEADER = 64;
const PROGRAM_HEADER = 56;
const PAGE = 4096;

/** An ELF64 executable for x86-64 whose segments begin at page boundaries of the file. */
export function program({ entry, segments }: ProgramShape): Uint8Array {
  const image = Buffer.alloc(PAGE * (segments.length + 1));
  image.write('\x7fELF\x02\x01\x01', 'latin1');
  image.writeUInt16LE(2, 16);
  image.writeUInt16LE(62, 18);
  image.writeUInt32LE(1, 20);
  image.writeBigUInt64LE(entry, 24);
  image.writeBigUInt64LE(BigInt(HEADER), 32);
  image.writeUInt16LE(HEADER, 52);
  image.writeUInt16LE(PROGRAM_HEADER, 54);
  image.writeUInt16LE(segments.length, 56);
  for (const [index, segment] of segments.entries()) {
    const at = HEADER + index * PROGRAM_HEADER;
    const offset = PAGE * (index + 1) + Number(segment.address % BigInt(PAGE));
    image.writeUInt32LE(segment.type ?? 1, at);
    image.writeUInt32LE(segment.flags ?? 5, at + 4);
    image.writeBigUInt64LE(BigInt(offset), at + 8);
    image.writeBigUInt64LE(segment.address, at + 16);
    image.writeBigUInt64LE(segment.address, at + 24);
    image.writeBigUInt64LE(BigInt(segment.bytes.length), at + 32);
    image.writeBigUInt64LE(segment.memorySize ?? BigInt(segment.bytes.length), at + 40);
    image.writeBigUInt64LE(BigInt(PAGE), at + 48);
    image.set(segment.bytes, offset);
  }
  return image;
}
