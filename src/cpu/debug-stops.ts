import type { CpuState } from './state.ts';
import type { LinearMemory } from './system/linear-memory.ts';
import { linearPage, type Tlb } from './system/tlb.ts';

interface Watchpoint {
  readonly address: bigint;
  readonly bytes: number;
}

const PAGE = 4096n;

/** A linear address as a signed number: exact, since addresses are canonical. */
export const toSigned = (linear: bigint): number => Number(BigInt.asIntN(64, linear));

/** What a debugger has asked to stop at and to be told. */
export class DebugStops {
  /** Told of each store after its instruction: linear address and bytes. */
  onStore: ((linear: bigint, size: number) => void) | undefined;
  /** Address of the watchpoint that was written since this was last cleared. */
  hit: bigint | undefined;

  readonly #state: CpuState;
  readonly #tlb: Tlb;
  readonly #memory: LinearMemory;
  readonly #watchpoints: Watchpoint[] = [];
  readonly #stores: { linear: bigint; size: number }[] = [];

  constructor(state: CpuState, tlb: Tlb, memory: LinearMemory) {
    this.#state = state;
    this.#tlb = tlb;
    this.#memory = memory;
  }

  observe(onStore: ((linear: bigint, size: number) => void) | undefined): void {
    this.onStore = onStore;
    this.#state.storesObserved = onStore !== undefined;
    this.#state.updateMode();
    this.#observeMemory();
  }

  #observeMemory(): void {
    const isActive = this.#watchpoints.length > 0 || this.onStore !== undefined;
    this.#memory.onWrite = isActive ? (linear, bytes) => this.stored(linear, bytes) : undefined;
  }

  add(address: bigint, bytes: number): void {
    this.#watchpoints.push({ address, bytes });
    for (const page of pagesOf(address, bytes)) this.#tlb.watch(page);
    this.#observeMemory();
  }

  remove(address: bigint): void {
    const index = this.#watchpoints.findIndex((watchpoint) => watchpoint.address === address);
    if (index < 0) return;
    const [{ bytes }] = this.#watchpoints.splice(index, 1) as [Watchpoint];
    for (const page of pagesOf(address, bytes)) this.#tlb.unwatch(page);
    this.#observeMemory();
  }

  stored(linear: bigint, size: number): void {
    if (this.onStore) this.#stores.push({ linear, size });
    const end = linear + BigInt(size);
    const hit = this.#watchpoints.find(({ address, bytes }) => address < end && linear < address + BigInt(bytes));
    if (hit) this.hit = hit.address;
  }

  /** The instruction that was under way did not complete. */
  discard(): void {
    this.#stores.length = 0;
    this.hit = undefined;
  }

  report(): void {
    if (this.#stores.length === 0) return;
    for (const { linear, size } of this.#stores.splice(0)) this.onStore?.(linear, size);
  }
}

function pagesOf(address: bigint, bytes: number): number[] {
  const pages: number[] = [];
  for (let at = address / PAGE; at <= (address + BigInt(bytes - 1)) / PAGE; at++) {
    const linear = at * PAGE;
    pages.push(linearPage(Number(BigInt.asIntN(32, linear)), Number(BigInt.asIntN(32, linear >> 32n))));
  }
  return pages;
}
