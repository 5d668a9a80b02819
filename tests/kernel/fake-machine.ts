import { plug, unplug } from '../../src/compiler/library/socket.ts';
import { type AddressSpace, createAddressSpace, setKernelRoot } from '../../src/kernel/memory/address-space.ts';
import { addUsableRange, allocateZeroedFrame, openFrames, resetFrames } from '../../src/kernel/memory/frames.ts';
import { DIRECT_MAP_BASE, USER_END } from '../../src/kernel/memory/layout.ts';
import { entryFrame, Page, readEntry } from '../../src/kernel/memory/page-table.ts';
import { resolvePage } from '../../src/kernel/memory/user-pages.ts';

const MIB = 0x10_0000n;

/**
 * Just enough processor for kernel code in Node: control registers, the per-CPU block behind GS, and for user addresses a
 * page walk over the kernel's own tables. A page that is not there is brought in as the page-fault handler would.
 */
export class FakeMachine {
  cr3 = 0n;
  readonly perCpu = new Map<number, bigint>();
  readonly msrs = new Map<number, bigint>();
  readonly executed: string[] = [];
  readonly ports: { port: number; value: number }[] = [];
  serial = '';
  tsc = 0n;
  /** The space whose areas decide about missing user pages. */
  space: AddressSpace | null = null;

  plug(): void {
    plug({
      load: (address, size) => (address < USER_END ? this.#loadUser(address, size) : undefined),
      store: (address, size, value) => address < USER_END && this.#storeUser(address, size, value),
      faults: (address, size, write) => !this.#isReachable(address, size, write),
      privileged: (name, operands) => this.#execute(name, operands),
      readPort: (port) => (port === 0x3fd ? 0x20 : 0xff),
      writePort: (port, _size, value) => {
        if (port === 0x3f8) this.serial += String.fromCharCode(value);
        else this.ports.push({ port, value });
      },
    });
  }

  #translate(address: bigint, write: boolean): bigint | undefined {
    const access = write ? 2 : 1;
    const entry = readEntry(this.cr3 as never, address);
    const isMapped = (entry & Page.PRESENT) !== 0n && (!write || (entry & Page.WRITABLE) !== 0n);
    if (isMapped) return DIRECT_MAP_BASE + entryFrame(entry) + (address & 0xfffn);
    if (this.space === null) return undefined;
    const frame = resolvePage(this.space, address, access);
    return frame.ok ? DIRECT_MAP_BASE + frame.value + (address & 0xfffn) : undefined;
  }

  #isReachable(address: bigint, size: number, write: boolean): boolean {
    if (address >= USER_END) return true;
    for (let at = address; at < address + BigInt(size); at += 1n) {
      if (this.#translate(at, write) === undefined) return false;
    }
    return true;
  }

  #loadUser(address: bigint, size: number): bigint {
    let value = 0n;
    for (let index = size - 1; index >= 0; index--) {
      const place = this.#translate(address + BigInt(index), false);
      if (place === undefined) throw new Error(`page fault reading 0x${address.toString(16)}`);
      value = (value << 8n) | rawLoad(place);
    }
    return value;
  }

  #storeUser(address: bigint, size: number, value: bigint): boolean {
    for (let index = 0; index < size; index++) {
      const place = this.#translate(address + BigInt(index), true);
      if (place === undefined) throw new Error(`page fault writing 0x${address.toString(16)}`);
      rawStore(place, (value >> BigInt(8 * index)) & 0xffn);
    }
    return true;
  }

  #execute(name: string, operands: readonly (number | bigint)[]): number | bigint {
    this.executed.push(name);
    const [first = 0, second = 0] = operands;
    switch (name) {
      case 'readCr3':
        return this.cr3;
      case 'writeCr3':
        this.cr3 = BigInt(first);
        return 0;
      case 'gsLoad64':
        return this.perCpu.get(Number(first)) ?? 0n;
      case 'gsStore64':
        this.perCpu.set(Number(first), BigInt(second));
        return 0;
      case 'rdmsr':
        return this.msrs.get(Number(first)) ?? 0n;
      case 'wrmsr':
        this.msrs.set(Number(first), BigInt(second));
        return 0;
      case 'rdtsc':
        return this.tsc;
      default:
        return 0;
    }
  }
}

import { mem } from '../../src/compiler/library/index.ts';

const rawLoad = (address: bigint): bigint => BigInt(mem.load8(address as never));
const rawStore = (address: bigint, value: bigint): void => mem.store8(address as never, Number(value) as never);

/** A machine with `megabytes` of RAM above the first MiB, its frame allocator open and kernel page tables in place. */
export function startMachine(megabytes = 8): FakeMachine {
  unplug();
  const machine = new FakeMachine();
  machine.plug();
  resetFrames();
  addUsableRange(MIB, MIB + BigInt(megabytes) * MIB);
  if (!openFrames().ok) throw new Error('no room for the frame table');
  const root = allocateZeroedFrame();
  if (!root.ok) throw new Error('no frame for the kernel root');
  setKernelRoot(root.value);
  machine.cr3 = root.value;
  return machine;
}

/** An empty address space, loaded. */
export function loadFreshSpace(machine: FakeMachine): AddressSpace {
  const space = createAddressSpace();
  if (!space.ok) throw new Error('no memory for an address space');
  machine.cr3 = space.value.root;
  machine.space = space.value;
  return space.value;
}

/** The value of a Result that must be one. */
export function unwrap<T>(result: { ok: true; value: T } | { ok: false; error: number }): T {
  if (!result.ok) throw new Error(`error ${result.error}`);
  return result.value;
}
