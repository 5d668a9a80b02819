/** Physical memory that the frame allocator does not manage, mapped into a program. */
import { err, ok, type PhysAddr, phys, type Result, u64 } from '#dialect';
import type { AddressSpace } from './address-space.ts';
import { findFreeRange, linkArea, newArea, Protection } from './area.ts';
import { shareReservedFrame } from './frames.ts';
import { PAGE_OFFSET_MASK, PAGE_SIZE, pageCeiling, pageFloor } from './layout.ts';
import { makeEntry, Page, setEntry } from './page-table.ts';

/** Maps [start, start + length) read-only at an address of the kernel's choice, which is returned. ENOMEM. */
export function mapReserved(space: AddressSpace, start: PhysAddr, length: u64): Result<u64> {
  const first = pageFloor(start);
  const size = u64(pageCeiling(u64(start + length)) - first);
  const base = findFreeRange(space.areas, space.mapTop, size);
  if (!base.ok) return base;
  const area = newArea(base.value, u64(base.value + size), Protection.READ, 0);
  if (!area.ok) return err(area.error);
  linkArea(space.areas, area.value);
  for (let offset: u64 = 0n; offset < size; offset = u64(offset + PAGE_SIZE)) {
    const entry = makeEntry(space.root, u64(base.value + offset), Page.USER);
    if (!entry.ok) return err(entry.error);
    shareReservedFrame(phys(first + offset));
    setEntry(entry.value, u64((first + offset) | Page.PRESENT | Page.USER | Page.NO_EXECUTE));
    space.residentPages = u64(space.residentPages + 1n);
  }
  return ok(u64(base.value + (start & PAGE_OFFSET_MASK)));
}
