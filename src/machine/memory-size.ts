import { MAXIMUM_MEMORY_BYTES } from '../cpu/layout.ts';
import { MachineError } from './machine-error.ts';

const MINIMUM_MEMORY_BYTES = 2 ** 20;
const PAGE = 4096;
const UNITS: Readonly<Record<string, number>> = { '': 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/**
 * @param size bytes as a number, or text as on QEMU's command line: `256M`, `2G`, `4096K`; without a unit, MiB
 * @returns bytes: 1 MiB to 3 GiB, a multiple of 4 KiB
 * @throws MachineError when it is none of these
 */
export function parseMemorySize(size: number | string): number {
  const match = /^(\d+)([KMG]?)(?:i?B)?$/i.exec(String(size).trim());
  const bytes =
    typeof size === 'number' ? size : Number(match?.[1]) * (UNITS[match?.[2]?.toUpperCase() ?? ''] ?? Number.NaN);
  const valid =
    Number.isInteger(bytes) && bytes % PAGE === 0 && bytes >= MINIMUM_MEMORY_BYTES && bytes <= MAXIMUM_MEMORY_BYTES;
  if (!valid) throw new MachineError(`the memory size ${size} is not a multiple of 4 KiB between 1M and 3G`);
  return bytes;
}
