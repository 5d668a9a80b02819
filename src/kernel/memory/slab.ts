/**
 * Kernel objects of one size, cut from frames. Each frame begins with a header; a frame whose last object goes is given
 * back, so that what a finished process used is free again to the byte.
 */
import { assert, Errno, err, f32, f64, mem, ok, type Result, struct, u32, u64, type VirtAddr, virt } from '#dialect';
import { allocateFrame, releaseFrame } from './frames.ts';
import { directMap, directMapped, PAGE_OFFSET_MASK, PAGE_SIZE } from './layout.ts';

/** `free` heads the frame's list of free objects, each of which holds the next one's address; `used` counts the others. */
const SlabHeader = struct({ next: f64, previous: f64, free: f64, used: f32, _padding: f32 });

const NONE = 0n;

function headerOf(object: VirtAddr): VirtAddr {
  return virt(object & ~PAGE_OFFSET_MASK);
}

export class ObjectCache {
  /** Bytes between objects: the object's size rounded up to 16. */
  readonly stride: u64;
  /** Objects handed out and not released. */
  allocated: u32 = 0;
  /** Frames with at least one free object. */
  partial: u64 = NONE;

  constructor(objectSize: u32) {
    this.stride = u64((objectSize + 15) & ~15);
  }

  /** Memory for one object, to be constructed by the caller; ENOMEM when no frame is left. */
  allocate(): Result<VirtAddr> {
    if (this.partial === NONE && !this.grow()) return err(Errno.ENOMEM);
    const address = virt(this.partial);
    const slab = SlabHeader.at(address);
    const object = virt(slab.free);
    slab.free = mem.load64(object);
    slab.used = u32(slab.used + 1);
    this.allocated = u32(this.allocated + 1);
    if (slab.free === NONE) this.unlink(address);
    return ok(object);
  }

  /** Takes back an object of this cache. */
  release(object: VirtAddr): void {
    const address = headerOf(object);
    const slab = SlabHeader.at(address);
    assert(slab.used > 0, 'an object is released twice');
    if (slab.free === NONE) this.link(address);
    mem.store64(object, slab.free);
    slab.free = object;
    slab.used = u32(slab.used - 1);
    this.allocated = u32(this.allocated - 1);
    if (slab.used > 0) return;
    this.unlink(address);
    releaseFrame(directMapped(address));
  }

  private grow(): boolean {
    const frame = allocateFrame();
    if (!frame.ok) return false;
    const address = directMap(frame.value);
    const slab = SlabHeader.at(address);
    slab.used = 0;
    slab.free = NONE;
    let object = u64(address + u64(SlabHeader.size));
    while (u64(object + this.stride) <= u64(address + PAGE_SIZE)) {
      mem.store64(virt(object), slab.free);
      slab.free = object;
      object = u64(object + this.stride);
    }
    this.link(address);
    return true;
  }

  private link(address: VirtAddr): void {
    const slab = SlabHeader.at(address);
    slab.next = this.partial;
    slab.previous = NONE;
    if (this.partial !== NONE) SlabHeader.at(virt(this.partial)).previous = address;
    this.partial = address;
  }

  private unlink(address: VirtAddr): void {
    const slab = SlabHeader.at(address);
    if (slab.next !== NONE) SlabHeader.at(virt(slab.next)).previous = slab.previous;
    if (slab.previous !== NONE) SlabHeader.at(virt(slab.previous)).next = slab.next;
    else this.partial = slab.next;
  }
}
