/** DR0 to DR7: instruction, data and I/O breakpoints, general detect, and the bits of DR6 (SDM vol. 3B chapter 17). */

import { GuestException } from '../bus.ts';
import { FLAG } from '../flags.ts';
import type { CpuState } from '../state.ts';
import { Cr4 } from './control-bits.ts';
import { generalProtection, undefinedOpcode } from './faults.ts';
import { linearPage, type Tlb } from './tlb.ts';
import { Vector } from './vectors.ts';

export const Dr6 = {
  /** B0 to B3. */
  BREAKPOINTS: 0xf,
  BD: 1 << 13,
  BS: 1 << 14,
  BT: 1 << 15,
  /** Bits that read as one whatever is written (RTM among them: no transaction was running). */
  FIXED: 0xffff_0ff0n,
  WRITABLE: 0xe00fn,
} as const;

export const Dr7 = {
  GD: 1 << 13,
  FIXED: 0x400n,
  /** Local and global enables, LE, GE, GD, and the four condition and length fields. */
  WRITABLE: 0xffff_23ffn,
} as const;

const Condition = { EXECUTE: 0, WRITE: 1, IO: 2, READ_WRITE: 3 } as const;
const LENGTHS = [1, 2, 8, 4] as const;
const ADDRESS_FIELDS = ['dr0', 'dr1', 'dr2', 'dr3'] as const;

interface Breakpoint {
  /** Its bit in DR6. */
  readonly bit: number;
  readonly condition: number;
  readonly address: bigint;
  readonly length: number;
}

export class DebugRegisters {
  readonly #state: CpuState;
  readonly #tlb: Tlb;
  #instruction: readonly Breakpoint[] = [];
  #data: readonly Breakpoint[] = [];
  #io: readonly Breakpoint[] = [];
  #watched: readonly number[] = [];

  constructor(state: CpuState, tlb: Tlb) {
    this.#state = state;
    this.#tlb = tlb;
  }

  /** Whether instruction breakpoints are enabled: each instruction has to ask `atInstruction` first. */
  get instructionsActive(): boolean {
    return this.#instruction.length > 0;
  }

  /** Whether data breakpoints are enabled: slow-path accesses have to report to `dataAccess`. */
  get dataActive(): boolean {
    return this.#data.length > 0;
  }

  /** Takes over DR0-DR3, DR7 and CR4.DE after any change. */
  configure(): void {
    const dr7 = this.#state.get('dr7');
    const enabled = [0, 1, 2, 3]
      .filter((n) => ((dr7 >> (2 * n)) & 3) !== 0)
      .map((n): Breakpoint => {
        const length = LENGTHS[(dr7 >> (18 + 4 * n)) & 3] as number;
        const address = this.#state.get64(ADDRESS_FIELDS[n] as 'dr0') & -BigInt(length);
        return { bit: 1 << n, condition: (dr7 >> (16 + 4 * n)) & 3, address: BigInt.asUintN(64, address), length };
      });
    const extensions = (this.#state.get('cr4') & Cr4.DE) !== 0;
    this.#instruction = enabled.filter(({ condition }) => condition === Condition.EXECUTE);
    this.#data = enabled.filter(({ condition }) => condition === Condition.WRITE || condition === Condition.READ_WRITE);
    this.#io = extensions ? enabled.filter(({ condition }) => condition === Condition.IO) : [];
    for (const page of this.#watched) this.#tlb.unwatch(page);
    this.#watched = this.#data.map(({ address }) =>
      linearPage(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n))),
    );
    for (const page of this.#watched) this.#tlb.watch(page);
  }

  /**
   * Raises #DB, a fault, when an instruction breakpoint matches.
   * @param address linear address of the instruction about to execute
   */
  atInstruction(address: bigint): void {
    if ((this.#state.get('systemFlags') & FLAG.RF) !== 0) return;
    const hits = this.#hits(this.#instruction, (breakpoint) => breakpoint.address === address);
    if (hits === 0) return;
    this.record(hits);
    throw new GuestException(Vector.DEBUG);
  }

  /** Remembers the data breakpoints that an access meets; the #DB comes after the instruction. */
  dataAccess(address: bigint, bytes: number, write: boolean): void {
    this.#pend(
      this.#hits(this.#data, (breakpoint) => {
        if (!write && breakpoint.condition === Condition.WRITE) return false;
        return address < breakpoint.address + BigInt(breakpoint.length) && address + BigInt(bytes) > breakpoint.address;
      }),
    );
  }

  /** The same for a port, with CR4.DE set. */
  portAccess(port: number, bytes: number): void {
    this.#pend(
      this.#hits(this.#io, ({ address, length }) => port < Number(address) + length && port + bytes > Number(address)),
    );
  }

  #hits(breakpoints: readonly Breakpoint[], matches: (breakpoint: Breakpoint) => boolean): number {
    return breakpoints.filter(matches).reduce((bits, { bit }) => bits | bit, 0);
  }

  #pend(bits: number): void {
    if (bits !== 0) this.#state.set('pendingDebug', this.#state.get('pendingDebug') | bits);
  }

  /** Enters conditions in DR6. B0-B3 describe the newest exception only; BD and BS stay until software clears them. */
  record(bits: number): void {
    const old = this.#state.get64('dr6') | Dr6.FIXED;
    const kept = (bits & Dr6.BREAKPOINTS) === 0 ? old : old & ~BigInt(Dr6.BREAKPOINTS);
    this.#state.set64('dr6', kept | BigInt(bits));
  }

  /** MOV from DRn. */
  read(index: number): bigint {
    const n = this.#select(index);
    if (n < 4) return this.#state.get64(ADDRESS_FIELDS[n] as 'dr0');
    return this.#state.get64(n === 6 ? 'dr6' : 'dr7');
  }

  /** MOV to DRn. In 64-bit mode the upper halves of DR6 and DR7 must be clear. */
  write(index: number, value: bigint): void {
    const n = this.#select(index);
    if (n < 4) this.#state.set64(ADDRESS_FIELDS[n] as 'dr0', value);
    else if (value >> 32n !== 0n) throw generalProtection();
    else if (n === 6) this.#state.set64('dr6', (value & Dr6.WRITABLE) | Dr6.FIXED);
    else this.#state.set64('dr7', (value & Dr7.WRITABLE) | Dr7.FIXED);
    this.configure();
  }

  /** Applies the DR4 and DR5 aliases and general detect. @returns 0-3, 6 or 7 */
  #select(index: number): number {
    let n = index;
    if (n > 7) throw undefinedOpcode();
    if (n === 4 || n === 5) {
      if ((this.#state.get('cr4') & Cr4.DE) !== 0) throw undefinedOpcode();
      n += 2;
    }
    if ((this.#state.get('dr7') & Dr7.GD) !== 0) {
      this.record(Dr6.BD);
      throw new GuestException(Vector.DEBUG);
    }
    return n;
  }
}
