import { packFields } from '../../src/machine/boot/record.ts';

export interface SegmentSpec {
  readonly type?: number;
  readonly physicalAddress: number | bigint;
  readonly virtualAddress?: number | bigint;
  readonly data: Uint8Array;
  readonly memorySize?: number | bigint;
}

export interface ElfSpec {
  readonly bits?: 32 | 64;
  readonly machine?: number;
  readonly type?: number;
  readonly entry?: number | bigint;
  readonly segments: readonly SegmentSpec[];
  /** Where the first segment's bytes start in the file; default directly behind the headers. */
  readonly dataOffset?: number;
}

/** An ELF executable made from its parts, with no sections. */
export function elfImage(spec: ElfSpec): Uint8Array {
  const wide = (spec.bits ?? 64) === 64;
  const word = wide ? 8 : 4;
  const headerSize = wide ? 64 : 52;
  const programSize = wide ? 56 : 32;
  const header = packFields([
    [4, 0x464c_457f],
    [4, wide ? 0x0001_0102 : 0x0001_0101],
    [8, 0],
    [2, spec.type ?? 2],
    [2, spec.machine ?? (wide ? 62 : 3)],
    [4, 1],
    [word, spec.entry ?? 0],
    [word, headerSize],
    [word, 0],
    [4, 0],
    [2, headerSize],
    [2, programSize],
    [2, spec.segments.length],
    [2, 0],
    [2, 0],
    [2, 0],
  ]);
  const dataStart = spec.dataOffset ?? headerSize + programSize * spec.segments.length;
  let offset = dataStart;
  const programs = spec.segments.map((segment) => {
    const { type = 1, physicalAddress, virtualAddress = physicalAddress, data, memorySize = data.length } = segment;
    const at = offset;
    offset += data.length;
    return wide
      ? packFields([
          [4, type],
          [4, 7],
          [8, at],
          [8, virtualAddress],
          [8, physicalAddress],
          [8, data.length],
          [8, memorySize],
          [8, 1],
        ])
      : packFields([
          [4, type],
          [4, at],
          [4, virtualAddress],
          [4, physicalAddress],
          [4, data.length],
          [4, memorySize],
          [4, 7],
          [4, 1],
        ]);
  });
  const bytes = new Uint8Array(offset);
  bytes.set(header);
  for (const [index, program] of programs.entries()) bytes.set(program, headerSize + index * programSize);
  let at = dataStart;
  for (const { data } of spec.segments) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** A PT_NOTE segment with the PVH entry point. */
export function pvhNote(entry: number): SegmentSpec {
  const data = packFields([
    [4, 4],
    [4, 4],
    [4, 18],
    [4, 0x006e_6558],
    [4, entry],
  ]);
  return { type: 4, physicalAddress: 0, data };
}

/** A PVH image whose code runs at 1 MiB. */
export function pvhImage(code: Uint8Array): Uint8Array {
  return elfImage({ entry: 0x10_0000, segments: [{ physicalAddress: 0x10_0000, data: code }, pvhNote(0x10_0000)] });
}

/** A Multiboot 1 header, with address fields when they are given. */
export function multibootHeader(flags: number, addresses: readonly number[] = []): Uint8Array {
  const magic = 0x1bad_b002;
  return packFields([
    [4, magic],
    [4, flags],
    [4, -(magic + flags) >>> 0],
    ...addresses.map((value) => [4, value] as const),
  ]);
}

export function concatenate(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
