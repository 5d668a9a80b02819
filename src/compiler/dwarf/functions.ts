import { ByteWriter } from '../elf/bytes.ts';
import type { Position, Scope, Span } from '../ir/module.ts';
import { type NumberedVariable, variablesOf } from '../ir/variables.ts';
import { DW_RLE, DW_TAG } from './constants.ts';
import type { PlacedFunction } from './debug-sections.ts';
import { Entry } from './entries.ts';
import { fileNumber } from './lines.ts';
import {
  frameBase,
  type LocationLists,
  listSection,
  placeExpression,
  slotExpression,
  tidyRanges,
} from './locations.ts';
import { setType } from './types.ts';

/** .debug_rnglists with one unit's lists. */
export class RangeLists {
  readonly #body = new ByteWriter();
  static readonly headerSize = 12;

  get isEmpty(): boolean {
    return this.#body.length === 0;
  }

  /** Returns the list's offset in the section. */
  add(ranges: readonly { readonly address: bigint; readonly size: number }[]): number {
    const offset = RangeLists.headerSize + this.#body.length;
    for (const { address, size } of ranges) this.#body.u8(DW_RLE.start_length).u64(address).unsignedLeb(size);
    this.#body.u8(DW_RLE.end_of_list);
    return offset;
  }

  bytes(): Uint8Array {
    return listSection(this.#body);
  }
}

export interface Lists {
  readonly locations: LocationLists;
  readonly ranges: RangeLists;
}

/** The entry of a function with its parameters, variables and lexical blocks. */
export function functionEntry(placed: PlacedFunction, types: readonly Entry[], lists: Lists): Entry {
  const { code, address } = placed;
  const { ir } = code;
  const entry = new Entry(DW_TAG.subprogram).name(ir.displayName);
  if (ir.exported) entry.flag('external');
  declare(entry, ir.span);
  setType(entry.flag('prototyped'), ir.resultType, types);
  entry.set('low_pc', { form: 'addr', value: address }).set('high_pc', { form: 'data4', value: code.bytes.length });
  if (code.frame.hasPointer) entry.set('frame_base', { form: 'exprloc', bytes: frameBase });
  const describer = new FunctionDescriber(placed, types, lists);
  describer.describe(entry);
  return entry;
}

function declare(entry: Entry, span: Span): void {
  entry.number('decl_file', fileNumber(span.file)).number('decl_line', span.line).number('decl_column', span.column);
}

class FunctionDescriber {
  readonly #placed: PlacedFunction;
  readonly #types: readonly Entry[];
  readonly #lists: Lists;
  readonly #variables: readonly NumberedVariable[];
  #next: number;

  constructor(placed: PlacedFunction, types: readonly Entry[], lists: Lists) {
    this.#placed = placed;
    this.#types = types;
    this.#lists = lists;
    this.#variables = variablesOf(placed.code.ir);
    this.#next = placed.code.ir.parameters.length;
  }

  describe(entry: Entry): void {
    for (let number = 0; number < this.#next; number++) entry.add(this.#variable(number));
    this.#scope(entry, this.#placed.code.ir.scope);
  }

  /** Adds a scope's variables and inner scopes, in the order of `variablesOf`. */
  #scope(entry: Entry, scope: Scope): void {
    for (const _ of scope.variables) entry.add(this.#variable(this.#next++));
    for (const inner of scope.scopes) {
      const ranges = this.#rangesOf(inner);
      if (ranges.length === 0) {
        // No entry may add a list for what is left out: readers complain of lists that nothing refers to.
        this.#next += variableCount(inner);
        continue;
      }
      const block = new Entry(DW_TAG.lexical_block);
      this.#scope(block, inner);
      if (block.children.length === 0) continue;
      this.#setRanges(block, ranges);
      entry.add(block);
    }
  }

  #variable(number: number): Entry {
    const { name, type, span, isParameter, location } = this.#variables[number]!;
    const { code, address } = this.#placed;
    const entry = new Entry(isParameter ? DW_TAG.formal_parameter : DW_TAG.variable).name(name);
    declare(entry, span);
    setType(entry, type, this.#types);
    if (location.kind === 'slot') {
      const offset = code.frame.offsets.get(location.slot);
      if (offset !== undefined) entry.set('location', { form: 'exprloc', bytes: slotExpression(offset) });
      return entry;
    }
    const ranges = tidyRanges(code.variables.filter((range) => range.variable === number));
    const [first] = ranges;
    if (!first) return entry;
    const everywhere = ranges.length === 1 && first.from <= code.bodyOffset && first.to === code.bytes.length;
    if (everywhere) return entry.set('location', { form: 'exprloc', bytes: placeExpression(first.place) });
    return entry.set('location', { form: 'sec_offset', value: this.#lists.locations.add(address, ranges) });
  }

  /** The code of a scope's source range. */
  #rangesOf(scope: Scope): CodeRange[] {
    const { code, address } = this.#placed;
    const ranges: CodeRange[] = [];
    code.lines.forEach(({ offset, span }, index) => {
      const end = code.lines[index + 1]?.offset ?? code.bytes.length;
      if (end === offset || span.file !== code.ir.span.file || !within(span, scope)) return;
      const last = ranges[ranges.length - 1];
      const start = address + BigInt(offset);
      if (last && last.address + BigInt(last.size) === start) last.size += end - offset;
      else ranges.push({ address: start, size: end - offset });
    });
    return ranges;
  }

  #setRanges(block: Entry, ranges: readonly CodeRange[]): void {
    const [first] = ranges;
    if (ranges.length === 1) {
      block
        .set('low_pc', { form: 'addr', value: first!.address })
        .set('high_pc', { form: 'data4', value: first!.size });
    } else block.set('ranges', { form: 'sec_offset', value: this.#lists.ranges.add(ranges) });
  }
}

interface CodeRange {
  readonly address: bigint;
  size: number;
}

/** Variables of a scope and of those within it. */
function variableCount({ variables, scopes }: Scope): number {
  return scopes.reduce((sum, inner) => sum + variableCount(inner), variables.length);
}

function within(span: Span, scope: Scope): boolean {
  return !before(span, scope.start) && !before(scope.end, span);
}

function before(left: Position, right: Position): boolean {
  return left.line < right.line || (left.line === right.line && left.column < right.column);
}
