import { DW_LLE, DW_OP, DWARF_REGISTERS } from '../../compiler/dwarf/constants.ts';
import { Cursor } from './cursor.ts';
import type { Unit } from './entries.ts';
import type { DwarfSections } from './sections.ts';

/** Where a variable is at one moment: in memory, in a register, or only a known value. */
export type Location =
  | { readonly kind: 'memory'; readonly address: bigint }
  | { readonly kind: 'register'; readonly register: string }
  | { readonly kind: 'value'; readonly value: bigint }
  | { readonly kind: 'unavailable' };

/** What evaluating a location needs of the stopped machine. */
export interface Frame {
  register(name: string): bigint;
  /** Eight bytes of memory, or undefined where nothing is mapped. */
  readMemory(address: bigint): bigint | undefined;
  /** The expression of the function's DW_AT_frame_base. */
  readonly frameBase: Uint8Array | undefined;
}

const unavailable: Location = { kind: 'unavailable' };
const wrap = (value: bigint) => BigInt.asUintN(64, value);

/** The value of DW_OP_fbreg 0: the frame base expression names a register or computes an address. */
function frameBaseOf(frame: Frame): bigint | undefined {
  if (frame.frameBase === undefined) return undefined;
  if (frame.frameBase[0] === DW_OP.call_frame_cfa) return wrap(frame.register('rbp') + 16n);
  const location = evaluateExpression(frame.frameBase, frame);
  if (location.kind === 'register') return frame.register(location.register);
  return location.kind === 'memory' ? location.address : undefined;
}

/** Evaluates a DWARF location expression (DWARF 5, 2.5 and 2.6); an operation outside what compilers of C-like code emit is unavailable. */
export function evaluateExpression(expression: Uint8Array, frame: Frame): Location {
  const cursor = new Cursor(expression);
  const stack: bigint[] = [];
  while (!cursor.atEnd) {
    const opcode = cursor.u8();
    if (opcode >= DW_OP.reg0 && opcode < DW_OP.reg0 + DWARF_REGISTERS.length) {
      return { kind: 'register', register: DWARF_REGISTERS[opcode - DW_OP.reg0] as string };
    }
    if (opcode >= DW_OP.breg0 && opcode < DW_OP.breg0 + DWARF_REGISTERS.length) {
      stack.push(frame.register(DWARF_REGISTERS[opcode - DW_OP.breg0] as string) + cursor.sleb());
      continue;
    }
    if (opcode === DW_OP.stack_value) return { kind: 'value', value: wrap(stack.pop() ?? 0n) };
    const result = applyOperation(opcode, cursor, stack, frame);
    if (result === undefined) return unavailable;
    stack.push(result);
  }
  const address = stack.pop();
  return address === undefined ? unavailable : { kind: 'memory', address: wrap(address) };
}

function applyOperation(opcode: number, cursor: Cursor, stack: bigint[], frame: Frame): bigint | undefined {
  switch (opcode) {
    case DW_OP.addr:
      return cursor.u64();
    case DW_OP.fbreg: {
      const base = frameBaseOf(frame);
      const offset = cursor.sleb();
      return base === undefined ? undefined : base + offset;
    }
    case DW_OP.plus_uconst:
      return (stack.pop() ?? 0n) + cursor.uleb();
    case DW_OP.plus:
      return (stack.pop() ?? 0n) + (stack.pop() ?? 0n);
    case DW_OP.deref:
      return frame.readMemory(wrap(stack.pop() ?? 0n));
    default:
      return undefined;
  }
}

/** The expression of a location list (DWARF 5, 7.7.3) that holds at `address`. */
export function selectFromList(
  sections: DwarfSections,
  unit: Unit,
  list: number,
  unitBase: bigint,
  address: bigint,
): Uint8Array | undefined {
  const cursor = new Cursor(sections.loclists, list);
  let base = unitBase;
  let fallback: Uint8Array | undefined;
  for (let kind = cursor.u8(); kind !== DW_LLE.end_of_list; kind = cursor.u8()) {
    let start = 0n;
    let end = 0n;
    switch (kind) {
      case DW_LLE.base_address:
        base = cursor.u64();
        continue;
      case DW_LLE.offset_pair:
        start = base + cursor.uleb();
        end = base + cursor.uleb();
        break;
      case DW_LLE.start_end:
        start = cursor.u64();
        end = cursor.u64();
        break;
      case DW_LLE.start_length:
        start = cursor.u64();
        end = start + cursor.uleb();
        break;
      case DW_LLE.default_location:
        fallback = cursor.take(cursor.index());
        continue;
      default:
        throw new RangeError(`.debug_loclists: entry kind ${kind} is not read (unit at ${unit.root.offset})`);
    }
    const expression = cursor.take(cursor.index());
    if (address >= start && address < end) return expression;
  }
  return fallback;
}

/** Turns a DW_FORM_loclistx index into an offset of .debug_loclists (DWARF 5, 7.29). */
export function listOffset(sections: DwarfSections, unit: Unit, index: number): number {
  return unit.loclistsBase + new Cursor(sections.loclists, unit.loclistsBase + index * 4).u32();
}
