import type { CpuSnapshot } from '../cpu/cpu-snapshot.ts';
import type { ChipsetState } from './chipset.ts';
import type { VirtualClockState } from './clock.ts';
import type { SerialConsoleState } from './serial-console.ts';
import type { Stop } from './stop.ts';

export const SNAPSHOT_VERSION = 1;

const PAGE = 4096;

/** A page of RAM that is not all zero, by its physical address. */
export interface SnapshotPage {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** The whole machine at one instruction boundary. */
export interface MachineSnapshot {
  readonly version: number;
  readonly memoryBytes: number;
  readonly stop: Stop | null;
  readonly clock: VirtualClockState;
  readonly processor: CpuSnapshot;
  readonly chipset: ChipsetState;
  readonly serial: SerialConsoleState;
  readonly pages: readonly SnapshotPage[];
}

/** Copies the pages that are not all zero. Reading a page that was never written costs the host no memory. */
export function capturePages(ram: Uint8Array): SnapshotPage[] {
  const pages: SnapshotPage[] = [];
  for (let address = 0; address < ram.length; address += PAGE) {
    if (isZero(ram, address)) continue;
    pages.push({ address, bytes: ram.slice(address, address + PAGE) });
  }
  return pages;
}

/** Makes RAM equal to a capture, writing only where it differs from zero before or after. */
export function restorePages(ram: Uint8Array, pages: readonly SnapshotPage[]): void {
  for (let address = 0; address < ram.length; address += PAGE) {
    if (!isZero(ram, address)) ram.fill(0, address, address + PAGE);
  }
  for (const { address, bytes } of pages) ram.set(bytes, address);
}

function isZero(ram: Uint8Array, address: number): boolean {
  const words = new Int32Array(ram.buffer, ram.byteOffset + address, PAGE / 4);
  for (let index = 0; index < words.length; index++) if (words[index] !== 0) return false;
  return true;
}
