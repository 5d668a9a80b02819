/** How much memory a process may map: by its resource limits, and by the memory there is. */
import { type u32, u64 } from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { AreaFlag, firstAreaAbove, Protection } from '../memory/area.ts';
import { totalFrameCount } from '../memory/frames.ts';
import { greater, lesser, PAGE_SHIFT, pageFloor, USER_END } from '../memory/layout.ts';
import { runningThread } from '../sched/scheduler.ts';
import { Limit, limitOf, UNLIMITED } from './limits.ts';
import type { Process } from './pcb.ts';

/** True when a mapping that can be written could ever have so many bytes of memory (overcommit_memory 0 of proc(5)). */
export function isAffordable(bytes: u64): boolean {
  return bytes >> PAGE_SHIFT <= totalFrameCount();
}

/** True for what RLIMIT_DATA counts: pages of the program's own that it may write, stacks apart. */
export function isData(protection: u32, areaFlags: u32): boolean {
  const isOwn = (areaFlags & (AreaFlag.SHARED | AreaFlag.GROWS_DOWN)) === 0;
  return isOwn && (protection & Protection.WRITE) !== 0;
}

/** Linux takes a soft limit of 0 for the hard one. */
function dataLimit(process: Process): u64 {
  const pair = process.limits[Limit.DATA]!;
  return pair.soft === 0n ? pair.hard : pair.soft;
}

/** True when the running process may have so many more bytes of addresses (RLIMIT_AS), as data or otherwise. */
export function mayExpand(space: AddressSpace, bytes: u64, asData: boolean): boolean {
  const thread = runningThread();
  const process = thread === null ? null : thread.process;
  if (process === null) return true;
  const most = limitOf(process, Limit.AS);
  if (most !== UNLIMITED && u64(mappedBytes(space, 0n, USER_END) + bytes) > pageFloor(most)) return false;
  return !asData || mayBecomeData(space, bytes);
}

/** True when the running process may have so many more bytes of data (RLIMIT_DATA). */
export function mayBecomeData(space: AddressSpace, bytes: u64): boolean {
  const thread = runningThread();
  const process = thread === null ? null : thread.process;
  const most = process === null ? UNLIMITED : dataLimit(process);
  if (most === UNLIMITED) return true;
  let data = bytes;
  let area = space.areas.first;
  while (area !== null) {
    if (isData(area.protection, area.flags)) data = u64(data + (area.end - area.start));
    area = area.next;
  }
  return data <= pageFloor(most);
}

/** Bytes of [start, end) that areas cover. */
export function mappedBytes(space: AddressSpace, start: u64, end: u64): u64 {
  let bytes: u64 = 0n;
  let area = firstAreaAbove(space.areas, start);
  while (area !== null && area.start < end) {
    const low = greater(area.start, start);
    const high = lesser(area.end, end);
    if (low < high) bytes = u64(bytes + (high - low));
    area = area.next;
  }
  return bytes;
}
