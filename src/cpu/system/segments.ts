/** Loading of segment registers with the checks of the manual (SDM vol. 3A chapter 5; vol. 2B MOV). */

import type { GuestException } from '../bus.ts';
import { CS, ES, FIELDS, FS, GS, LDTR, MODE, SEGMENT_BASE, SEGMENT_BYTES, SEGMENTS, SS } from '../layout.ts';
import type { CpuState, Segment } from '../state.ts';
import { Attributes, Descriptor, SELECTOR_MASK, TABLE_INDICATOR } from './descriptors.ts';
import { generalProtection, segmentNotPresent, stackFault } from './faults.ts';
import type { LinearMemory } from './linear-memory.ts';
import { Access } from './page-walk.ts';

/** Gives the exception its error code: the selector without RPL, or with EXT while an event is delivered. */
export type SelectorFault = (errorCode: number) => GuestException;

const GDTR_LIMIT_WORD = FIELDS.gdtrLimit.address >> 2;
const LOCAL_TABLE_BASE = SEGMENTS + LDTR * SEGMENT_BYTES + SEGMENT_BASE;

export class Segmentation {
  readonly #state: CpuState;
  readonly #memory: LinearMemory;

  constructor(state: CpuState, memory: LinearMemory) {
    this.#state = state;
    this.#memory = memory;
  }

  /**
   * Linear address of a selector's descriptor.
   * @param bytes 8, or 16 for system descriptors in IA-32e mode
   * @returns undefined when the descriptor lies outside its table
   */
  address(selector: number, bytes = 8): bigint | undefined {
    const offset = selector & 0xfff8;
    if ((selector & TABLE_INDICATOR) === 0) {
      if (offset + bytes - 1 > this.#state.get('gdtrLimit')) return undefined;
      return this.#state.get64('gdtrBase') + BigInt(offset);
    }
    if (offset + bytes - 1 > this.#localLimit()) return undefined;
    return (this.#state.segments[LDTR] as Segment).base + BigInt(offset);
  }

  /** @returns undefined when the selector points outside its table */
  find(selector: number): Descriptor | undefined {
    const isLocal = (selector & TABLE_INDICATOR) !== 0;
    const limit = isLocal ? this.#localLimit() : this.#state.i32[GDTR_LIMIT_WORD]!;
    const offset = selector & 0xfff8;
    if (offset + 7 > limit) return undefined;
    const table = this.#state.signed(isLocal ? LOCAL_TABLE_BASE : FIELDS.gdtrBase.address);
    this.#memory.readHalves(table + offset, Access.SYSTEM);
    return new Descriptor(this.#memory.low >>> 0, this.#memory.high >>> 0);
  }

  /** -1 when there is no local descriptor table. */
  #localLimit(): number {
    const { attributes, limit } = this.#state.segments[LDTR] as Segment;
    return (attributes & Attributes.UNUSABLE) === 0 ? limit : -1;
  }

  /** Reads a descriptor that must exist. @throws `fault` of the selector otherwise */
  read(selector: number, fault: SelectorFault = generalProtection, external = 0): Descriptor {
    const descriptor = this.find(selector);
    if (descriptor === undefined) throw fault((selector & SELECTOR_MASK) | external);
    return descriptor;
  }

  /** Sets the accessed bit of a code or data descriptor in its table, if it is clear. */
  markAccessed(selector: number, descriptor: Descriptor): void {
    if ((descriptor.type & Attributes.ACCESSED) !== 0) return;
    const address = (this.address(selector) as bigint) + 5n;
    const byte = BigInt((descriptor.high >>> 8) & 0xff) | 1n;
    this.#memory.write(BigInt.asUintN(64, address), 1, byte, Access.SYSTEM);
  }

  /** MOV, POP, LDS and their kin: loads ES, SS, DS, FS or GS. */
  load(index: number, selector: number): void {
    if ((this.#state.get('mode') & MODE.protected) === 0) this.loadRealMode(index, selector);
    else if (index === SS) this.#loadStack(selector);
    else this.#loadData(index, selector);
  }

  #loadStack(selector: number): void {
    const cpl = this.#state.cpl;
    if ((selector & SELECTOR_MASK) === 0) {
      if (!this.#state.mode64 || cpl === 3 || (selector & 3) !== cpl) throw generalProtection();
      this.loadNull(SS, selector);
      return;
    }
    this.install(SS, selector, this.stackDescriptor(selector, cpl, generalProtection, stackFault));
  }

  /** Checks a selector for SS at a privilege level. @param fault for all but a segment that is not present */
  stackDescriptor(
    selector: number,
    privilege: number,
    fault: SelectorFault,
    notPresent: SelectorFault,
    external = 0,
  ): Descriptor {
    const code = (selector & SELECTOR_MASK) | external;
    const descriptor = this.read(selector, fault, external);
    if ((selector & 3) !== privilege || !descriptor.isWritable || descriptor.dpl !== privilege) throw fault(code);
    if (!descriptor.present) throw notPresent(code);
    return descriptor;
  }

  #loadData(index: number, selector: number): void {
    if ((selector & SELECTOR_MASK) === 0) {
      this.loadNull(index, selector);
      return;
    }
    const descriptor = this.read(selector);
    const code = selector & SELECTOR_MASK;
    if (descriptor.isSystem || !descriptor.isReadable) throw generalProtection(code);
    const privilege = Math.max(this.#state.cpl, selector & 3);
    if (!descriptor.isConforming && privilege > descriptor.dpl) throw generalProtection(code);
    if (!descriptor.present) throw segmentNotPresent(code);
    this.install(index, selector, descriptor);
  }

  /** Loads a checked descriptor and marks it accessed. The caller runs `CpuState.updateMode` after CS or SS. */
  install(index: number, selector: number, descriptor: Descriptor): void {
    this.markAccessed(selector, descriptor);
    this.fill(index, selector, descriptor.attributes | Attributes.ACCESSED, BigInt(descriptor.base), descriptor.limit);
  }

  /** Writes all four parts of a segment register. */
  fill(index: number, selector: number, attributes: number, base: bigint, limit: number): void {
    const segment = this.#state.segments[index] as Segment;
    segment.selector = selector;
    segment.attributes = attributes;
    segment.base = base;
    segment.limit = limit;
    if (index === SS || index === CS) this.#state.updateMode();
  }

  /** A null selector leaves the register unusable, with base 0. The DPL of a null SS is its RPL. */
  loadNull(index: number, selector: number): void {
    this.fill(index, selector, Attributes.UNUSABLE | ((selector & 3) << 5), 0n, 0);
  }

  /** Real-address mode: base is 16 times the selector; limit and attributes stay as they are. */
  loadRealMode(index: number, selector: number): void {
    const segment = this.#state.segments[index] as Segment;
    segment.selector = selector;
    segment.base = BigInt(selector * 16);
  }

  /** On a return to an outer ring, registers that the outer ring could not have loaded become null. */
  dropInaccessible(privilege: number): void {
    for (let index = ES; index <= GS; index++) {
      if (index === CS || index === SS) continue;
      const { selector, attributes } = this.#state.segments[index] as Segment;
      if ((index === FS || index === GS) && (selector & SELECTOR_MASK) === 0) continue;
      const conforming =
        (attributes & (Attributes.CODE | Attributes.CONFORMING)) === (Attributes.CODE | Attributes.CONFORMING);
      if (!conforming && ((attributes >> 5) & 3) < privilege) this.loadNull(index, 0);
    }
  }
}
