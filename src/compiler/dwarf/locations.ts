import { ByteWriter } from '../elf/bytes.ts';
import { registerNames } from '../x64/conventions.ts';
import type { VariableRange } from '../x64/emit.ts';
import { type Operand, rbp } from '../x64/operands.ts';
import { DW_LLE, DW_OP, DWARF_REGISTERS } from './constants.ts';

/** DWARF's number of a machine register. */
export function dwarfRegister(machine: number): number {
  return DWARF_REGISTERS.indexOf(registerNames[machine] as (typeof DWARF_REGISTERS)[number]);
}

/** Slots are found relative to DW_AT_frame_base, which is the register rbp. */
export const frameBase: Uint8Array = Uint8Array.of(DW_OP.reg0 + dwarfRegister(rbp));

export function slotExpression(offset: number): Uint8Array {
  return new ByteWriter().u8(DW_OP.fbreg).signedLeb(offset).bytes();
}

export function addressExpression(address: bigint): Uint8Array {
  return new ByteWriter().u8(DW_OP.addr).u64(address).bytes();
}

export function placeExpression(place: Operand): Uint8Array {
  if (place.kind === 'register') return Uint8Array.of(DW_OP.reg0 + dwarfRegister(place.register));
  if (place.kind === 'memory') return slotExpression(place.displacement);
  const value = place.kind === 'immediate' ? place.value : 0n;
  return new ByteWriter().u8(DW_OP.consts).signedLeb(value).u8(DW_OP.stack_value).bytes();
}

/** .debug_loclists with one unit's lists, each found by its offset in the section. */
export class LocationLists {
  readonly #body = new ByteWriter();
  static readonly headerSize = 12;

  get isEmpty(): boolean {
    return this.#body.length === 0;
  }

  /** Adds a variable's list; `start` is the address of its function. Returns the offset in the section. */
  add(start: bigint, ranges: readonly VariableRange[]): number {
    const offset = LocationLists.headerSize + this.#body.length;
    for (const { from, to, place } of ranges) {
      const expression = placeExpression(place);
      this.#body
        .u8(DW_LLE.start_length)
        .u64(start + BigInt(from))
        .unsignedLeb(to - from);
      this.#body.unsignedLeb(expression.length).append(expression);
    }
    this.#body.u8(DW_LLE.end_of_list);
    return offset;
  }

  bytes(): Uint8Array {
    return listSection(this.#body);
  }
}

/** A .debug_loclists or .debug_rnglists section of one unit without an offset table (DWARF 5, 7.28 and 7.29). */
export function listSection(body: ByteWriter): Uint8Array {
  const out = new ByteWriter()
    .u32(body.length + 8)
    .u16(5)
    .u8(8)
    .u8(0)
    .u32(0);
  return out.append(body.bytes()).bytes();
}

/** Ranges of one variable in ascending order, empty ones left out, equal neighbours united. */
export function tidyRanges(ranges: readonly VariableRange[]): VariableRange[] {
  const sorted = ranges.filter(({ from, to }) => from < to).sort((left, right) => left.from - right.from);
  const result: VariableRange[] = [];
  for (const range of sorted) {
    const last = result[result.length - 1];
    const same = last?.to === range.from && sameBytes(placeExpression(last.place), placeExpression(range.place));
    if (last && same) result[result.length - 1] = { ...last, to: range.to };
    else result.push(range);
  }
  return result;
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
