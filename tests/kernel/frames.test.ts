import { beforeEach, describe, expect, it } from 'vitest';
import { Errno, mem, virt } from '../../src/compiler/library/index.ts';
import {
  addUsableRange,
  allocateFrame,
  allocateZeroedFrame,
  frameReferences,
  freeFrameCount,
  openFrames,
  releaseFrame,
  releaseZeroedFrame,
  reserveRange,
  resetFrames,
  shareFrame,
  totalFrameCount,
} from '../../src/kernel/memory/frames.ts';
import { DIRECT_MAP_BASE } from '../../src/kernel/memory/layout.ts';
import { startMachine, unwrap } from './fake-machine.ts';

describe('the frame allocator', () => {
  beforeEach(() => {
    startMachine(1);
  });

  it('hands out every frame once, then says ENOMEM', () => {
    const seen = new Set<bigint>();
    for (let left = freeFrameCount(); left > 0n; left--) seen.add(unwrap(allocateFrame()));
    expect(BigInt(seen.size)).toBe(totalFrameCount() - 1n);
    expect(allocateFrame()).toEqual({ ok: false, error: Errno.ENOMEM });
  });

  it('gives a frame back only when its last owner releases it', () => {
    const frame = unwrap(allocateFrame());
    const free = freeFrameCount();
    shareFrame(frame);
    expect(frameReferences(frame)).toBe(2);
    releaseFrame(frame);
    expect(freeFrameCount()).toBe(free);
    releaseFrame(frame);
    expect(freeFrameCount()).toBe(free + 1n);
    expect(() => releaseFrame(frame)).toThrow('a free frame is released');
  });

  it('zeroes what it is asked to', () => {
    const dirty = unwrap(allocateFrame());
    mem.store64(virt(DIRECT_MAP_BASE + dirty + 8n), 0x1234n);
    releaseFrame(dirty);
    const clean = unwrap(allocateZeroedFrame());
    expect(clean).toBe(dirty);
    expect(mem.load64(virt(DIRECT_MAP_BASE + clean + 8n))).toBe(0n);
  });

  it('hands out frames known to be zero before it zeroes others, and at last to anybody', () => {
    const frame = unwrap(allocateZeroedFrame());
    const free = freeFrameCount();
    releaseZeroedFrame(frame);
    expect(freeFrameCount()).toBe(free + 1n);
    expect(unwrap(allocateZeroedFrame())).toBe(frame);
    releaseZeroedFrame(frame);
    const seen: bigint[] = [];
    while (freeFrameCount() > 0n) seen.push(unwrap(allocateFrame()));
    expect(seen.at(-1)).toBe(frame);
    expect(allocateZeroedFrame()).toEqual({ ok: false, error: Errno.ENOMEM });
  });

  it('never hands out reserved ranges, the first MiB, or parts of frames', () => {
    resetFrames();
    addUsableRange(0n, 0x9_f000n);
    addUsableRange(0x10_0800n, 0x12_0800n);
    reserveRange(0x10_4000n, 0x10_5001n);
    expect(openFrames().ok).toBe(true);
    const seen: bigint[] = [];
    for (let frame = allocateFrame(); frame.ok; frame = allocateFrame()) seen.push(frame.value);
    const wrong = seen.filter(
      (frame) => frame < 0x10_1000n || frame >= 0x12_0000n || frame === 0x10_4000n || frame === 0x10_5000n,
    );
    expect(wrong).toEqual([]);
    // 0x101000..0x11ffff is 31 frames, less two reserved and one for the table.
    expect(seen.length).toBe(28);
  });
});
