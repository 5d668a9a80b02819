/** The stacks that a TSS outside IA-32e mode names for inner rings (SDM vol. 3A 5.8.5). */

import { TR } from '../layout.ts';
import type { CpuState, Segment } from '../state.ts';
import { Attributes, type Descriptor, SELECTOR_MASK } from './descriptors.ts';
import { invalidTss, stackFault } from './faults.ts';
import type { LinearMemory, Width } from './linear-memory.ts';
import { offsetsAllowed } from './operands.ts';
import { Access } from './page-walk.ts';
import type { Segmentation } from './segments.ts';

/** A stack that is being filled before it is switched to. */
export class InnerStack {
  readonly selector: number;
  readonly descriptor: Descriptor;
  readonly #memory: LinearMemory;
  readonly #access: number;
  readonly #mask: bigint;
  readonly #external: number;
  pointer: bigint;

  /**
   * @param access how the inner ring's data accesses walk the page tables
   * @throws GuestException #TS or #SS
   */
  constructor(
    state: CpuState,
    memory: LinearMemory,
    segments: Segmentation,
    privilege: number,
    access: number,
    external = 0,
  ) {
    const task = state.segments[TR] as Segment;
    const width = (task.attributes & 8) !== 0 ? 4 : 2;
    const offset = (2 * privilege + 1) * width;
    if (offset + width + 1 > task.limit) throw invalidTss((task.selector & SELECTOR_MASK) | external);
    this.pointer = memory.read(task.base + BigInt(offset), width, Access.SYSTEM);
    this.selector = memory.read32(task.base + BigInt(offset + width), 2, Access.SYSTEM);
    if ((this.selector & SELECTOR_MASK) === 0) throw invalidTss(external);
    this.descriptor = segments.stackDescriptor(this.selector, privilege, invalidTss, stackFault, external);
    this.#mask = (this.descriptor.attributes & Attributes.DEFAULT_BIG) !== 0 ? 0xffff_ffffn : 0xffffn;
    this.#memory = memory;
    this.#access = access;
    this.#external = external;
  }

  /** @throws GuestException #SS of the stack's selector beyond its limit, or a page fault */
  push(width: Width & (2 | 4), value: bigint): void {
    const offset = (this.pointer - BigInt(width)) & this.#mask;
    const { base, limit, attributes } = this.descriptor;
    if (!offsetsAllowed(attributes, limit, offset, width)) {
      throw stackFault((this.selector & SELECTOR_MASK) | this.#external);
    }
    this.#memory.write(BigInt.asUintN(32, BigInt(base) + offset), width, value, this.#access);
    this.pointer = (this.pointer & ~this.#mask) | offset;
  }
}
