/** Guest memory as the instructions and event deliveries written in TypeScript see it. */

import { type CpuBus, GuestException } from '../bus.ts';
import { CODE_GRANULES } from '../layout.ts';
import type { CpuState } from '../state.ts';
import { generalProtection } from './faults.ts';
import { Access } from './page-walk.ts';
import { Fill, type Tlb } from './tlb.ts';
import { Vector } from './vectors.ts';

const PAGE = 4096;

export type Width = 1 | 2 | 4 | 8;

/**
 * Reads and writes by linear address with an explicit privilege: `Access.SYSTEM` alone is a supervisor access that SMAP keeps
 * away from user pages, as descriptor-table and TSS accesses are. A page fault throws before anything is written.
 */
export class LinearMemory {
  /** Called after a write to RAM that decoded code lies in. */
  onCodeWrite: (physical: number, bytes: number) => void = () => {};

  /** Called after a write that went through, for traces and watchpoints. */
  onWrite: ((address: bigint, bytes: number) => void) | undefined;

  /** What `readHalves` read, bits 31:0 and 63:32 as i32. */
  low = 0;
  high = 0;

  readonly #state: CpuState;
  readonly #tlb: Tlb;
  readonly #bus: CpuBus;

  constructor(state: CpuState, tlb: Tlb, bus: CpuBus) {
    this.#state = state;
    this.#tlb = tlb;
    this.#bus = bus;
  }

  /** @returns the value, zero-extended @throws GuestException #PF */
  read(address: bigint, width: Width, access: number): bigint {
    const physical = this.translate(address, access);
    if (!crosses(address, width)) return this.#readPhysical(physical, width);
    const split = PAGE - Number(address & 0xfffn);
    const second = this.translate(address + BigInt(split), access);
    let value = 0n;
    for (let i = width - 1; i >= 0; i--) {
      value = (value << 8n) | this.#readPhysical(i < split ? physical + i : second + i - split, 1);
    }
    return value;
  }

  /** The same for values of at most 32 bits. */
  read32(address: bigint, width: 1 | 2 | 4, access: number): number {
    return Number(this.read(address, width, access));
  }

  /** @param value only its low `width` bytes count @throws GuestException #PF */
  write(address: bigint, width: Width, value: bigint, access: number): void {
    this.#write(address, width, value, access);
    this.onWrite?.(address, width);
  }

  #write(address: bigint, width: Width, value: bigint, access: number): void {
    const physical = this.translate(address, access | Access.WRITE);
    if (!crosses(address, width)) {
      this.#writePhysical(physical, width, value);
      return;
    }
    const split = PAGE - Number(address & 0xfffn);
    const second = this.translate(address + BigInt(split), access | Access.WRITE);
    for (let i = 0; i < width; i++) {
      this.#writePhysical(i < split ? physical + i : second + i - split, 1, value >> BigInt(8 * i));
    }
  }

  /**
   * Reads 64 bits at an address given as a signed number, into `low` and `high`: what event delivery reads and writes is aligned, and
   * goes without bigints.
   * @throws GuestException #PF
   */
  readHalves(address: number, access: number): void {
    const word = this.#wordOf(address, access);
    if (word >= 0) {
      this.low = this.#state.i32[word] as number;
      this.high = this.#state.i32[word + 1] as number;
      return;
    }
    const value = this.read(BigInt.asUintN(64, BigInt(address)), 8, access);
    this.low = Number(value & 0xffff_ffffn) | 0;
    this.high = Number(value >> 32n) | 0;
  }

  /** The counterpart of `readHalves`. */
  writeHalves(address: number, low: number, high: number, access: number): void {
    const word = this.onWrite === undefined ? this.#wordOf(address, access | Access.WRITE) : -1;
    if (word < 0) {
      const value = (BigInt(high) << 32n) | BigInt(low >>> 0);
      this.write(BigInt.asUintN(64, BigInt(address)), 8, BigInt.asUintN(64, value), access);
      return;
    }
    this.#state.i32[word] = low;
    this.#state.i32[word + 1] = high;
    this.#reportCodeWrite(word * 4 - this.#state.ramAddress, 8);
  }

  /** @returns the index in `i32` of 64 bits of RAM that lie in one page at a multiple of 4, else -1 */
  #wordOf(address: number, access: number): number {
    const low = address | 0;
    if ((low & 3) !== 0 || (low & (PAGE - 1)) > PAGE - 8) return -1;
    const physical = this.#locate(low, Math.floor(address / 2 ** 32), access);
    return physical + 8 > this.#state.memoryBytes ? -1 : (this.#state.ramAddress + physical) / 4;
  }

  /** @param length at most one page @throws GuestException #PF */
  readBytes(address: bigint, length: number, access: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.readInto(bytes, address, access);
    return bytes;
  }

  /** Fills at most a page. @throws GuestException #PF before the first byte is read */
  readInto(bytes: Uint8Array, address: bigint, access: number): void {
    const { length } = bytes;
    this.#eachPart(address, length, access, (physical, start, end) => {
      if (physical + end - start <= this.#state.memoryBytes) {
        bytes.set(this.#state.guestRam.subarray(physical, physical + end - start), start);
        return;
      }
      for (let i = start; i < end; i++) bytes[i] = Number(this.#readPhysical(physical + i - start, 1));
    });
  }

  /** @param bytes at most one page @throws GuestException #PF before the first byte is written */
  writeBytes(address: bigint, bytes: Uint8Array, access: number): void {
    this.#eachPart(address, bytes.length, access | Access.WRITE, (physical, start, end) => {
      if (physical + end - start <= this.#state.memoryBytes) {
        this.#state.guestRam.set(bytes.subarray(start, end), physical);
        this.#reportCodeWrite(physical, end - start);
        return;
      }
      for (let i = start; i < end; i++) this.#writePhysical(physical + i - start, 1, BigInt(bytes[i] as number));
    });
    this.onWrite?.(address, bytes.length);
  }

  /** Splits a range of at most a page where it crosses one, after both parts have been translated. */
  #eachPart(
    address: bigint,
    length: number,
    access: number,
    act: (physical: number, start: number, end: number) => void,
  ): void {
    const first = this.translate(address, access);
    if (!crosses(address, length)) {
      act(first, 0, length);
      return;
    }
    const split = PAGE - Number(address & 0xfffn);
    const second = this.translate(address + BigInt(split), access);
    act(first, 0, split);
    act(second, split, length);
  }

  /** Raises the fault that an access to at most a page would, without making it. */
  check(address: bigint, length: number, access: number): void {
    this.translate(address, access);
    if (crosses(address, length)) this.translate((address + BigInt(length - 1)) & ~0xfffn, access);
  }

  /** @returns the physical address @throws GuestException #PF, or #GP(0) for an address that is not canonical */
  translate(address: bigint, access: number): number {
    return this.#locate(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)), access);
  }

  #locate(low: number, high: number, access: number): number {
    const known = this.#tlb.probe(low, high, access);
    if (known >= 0) return known;
    const result = this.#tlb.fill(low, high, access);
    if (result === Fill.PAGE_FAULT) {
      const address = BigInt.asUintN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
      throw new GuestException(Vector.PAGE_FAULT, this.#tlb.errorCode, address);
    }
    if (result === Fill.NON_CANONICAL) throw generalProtection();
    return this.#tlb.physical;
  }

  #readPhysical(physical: number, width: Width): bigint {
    if (physical + width > this.#state.memoryBytes) return BigInt(this.#bus.readPhysical(physical, width));
    const [view, host] = [this.#state.view, this.#state.ramAddress + physical];
    switch (width) {
      case 1:
        return BigInt(view.getUint8(host));
      case 2:
        return BigInt(view.getUint16(host, true));
      case 4:
        return BigInt(view.getUint32(host, true));
      case 8:
        return view.getBigUint64(host, true);
    }
  }

  #writePhysical(physical: number, width: Width, value: bigint): void {
    if (physical + width > this.#state.memoryBytes) {
      const truncated = BigInt.asUintN(8 * width, value);
      this.#bus.writePhysical(physical, width, width === 8 ? truncated : Number(truncated));
      return;
    }
    const [view, host] = [this.#state.view, this.#state.ramAddress + physical];
    const low = Number(BigInt.asUintN(32, value));
    if (width === 1) view.setUint8(host, low);
    else if (width === 2) view.setUint16(host, low, true);
    else if (width === 4) view.setUint32(host, low, true);
    else view.setBigUint64(host, value, true);
    this.#reportCodeWrite(physical, width);
  }

  #reportCodeWrite(physical: number, bytes: number): void {
    const word = (CODE_GRANULES >>> 2) + Math.floor(physical / PAGE) * 2;
    const words = this.#state.i32;
    if (((words[word] as number) | (words[word + 1] as number)) !== 0) this.onCodeWrite(physical, bytes);
  }
}

function crosses(address: bigint, length: number): boolean {
  return Number(address & 0xfffn) + length > PAGE;
}
