import { ImageError } from '../machine-error.ts';

/** A range of guest physical memory that something occupies. `end` is exclusive. */
export interface Extent {
  readonly start: number;
  readonly end: number;
  readonly what: string;
}

const PAGE = 4096;

/** Where firmware leaves its tables for the kernel: conventional memory below the EBDA. */
export const BOOT_INFORMATION_START = 0x9_0000;
export const BOOT_INFORMATION_END = 0x9_fc00;

/**
 * Guest RAM while it is loaded: keeps account of what lies where, and refuses what does not fit or would overlap.
 * Nothing is written but the bytes given, so that untouched memory costs the host nothing.
 */
export class GuestMemory {
  readonly bytes: Uint8Array;
  readonly #extents: Extent[] = [];

  /** @param bytes guest RAM from physical address 0, all zero */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get extents(): readonly Extent[] {
    return this.#extents;
  }

  /** The first page boundary behind everything at or above 1 MiB. */
  get firstFreePage(): number {
    const end = Math.max(0x10_0000, ...this.#extents.map((extent) => extent.end));
    return Math.ceil(end / PAGE) * PAGE;
  }

  /**
   * Puts bytes at a physical address; the rest of `size` stays zero.
   * @throws ImageError when the range leaves RAM or overlaps another
   */
  place(address: bigint, data: Uint8Array, size: bigint, what: string): void {
    const end = address + size;
    if (end > BigInt(this.bytes.length)) {
      throw new ImageError(
        `${what} needs memory up to ${hex(end)}, but the machine has ${hex(BigInt(this.bytes.length))} (${megabytes(this.bytes.length)})`,
      );
    }
    const extent = { start: Number(address), end: Number(end), what };
    const other = this.#extents.find((placed) => extent.start < placed.end && placed.start < extent.end);
    if (other !== undefined) throw new ImageError(`${what} at ${hex(address)} overlaps ${other.what}`);
    this.#extents.push(extent);
    this.bytes.set(data, extent.start);
  }

  isFree(start: number, end: number): boolean {
    return end <= this.bytes.length && !this.#extents.some((placed) => start < placed.end && placed.start < end);
  }
}

/**
 * Lays small structures out one behind the other, in low memory where firmware would leave them, or behind the image
 * when the image itself lies there.
 */
export class BootInformation {
  readonly #memory: GuestMemory;
  #next: number;
  readonly #limit: number;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
    const low = memory.isFree(BOOT_INFORMATION_START, BOOT_INFORMATION_END);
    this.#next = low ? BOOT_INFORMATION_START : memory.firstFreePage;
    this.#limit = low ? BOOT_INFORMATION_END : memory.bytes.length;
  }

  /** @returns the physical address of the bytes, aligned to 8 */
  add(data: Uint8Array, what: string): number {
    const address = this.#next;
    if (address + data.length > this.#limit) throw new ImageError(`${what} of ${data.length} bytes is too long`);
    this.#memory.place(BigInt(address), data, BigInt(data.length), what);
    this.#next = Math.ceil((address + data.length) / 8) * 8;
    return address;
  }

  /** @returns the physical address of a zero-terminated string */
  addString(text: string, what: string): number {
    return this.add(new TextEncoder().encode(`${text}\0`), what);
  }
}

export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}
