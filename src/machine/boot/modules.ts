import { ImageError } from '../machine-error.ts';
import type { GuestMemory } from './guest-memory.ts';

const MODULE = 'a module';
const PAGE = 4096;

/**
 * Puts a module at the top of RAM, where QEMU puts them: page-aligned, below those that are there already.
 * @param highest the highest address that its last byte may have
 * @returns its physical address
 */
export function placeAtTop(memory: GuestMemory, data: Uint8Array, highest = Number.MAX_SAFE_INTEGER): number {
  const others = memory.extents.filter(({ what }) => what === MODULE).map(({ start }) => start);
  const limit = Math.min(memory.bytes.length, highest + 1, ...others);
  const address = Math.floor((limit - data.length) / PAGE) * PAGE;
  if (address < 0) throw new ImageError(`${MODULE} of ${data.length} bytes does not fit into memory`);
  memory.place(BigInt(address), data, BigInt(data.length), MODULE);
  return address;
}
