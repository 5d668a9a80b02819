import { DW_AT, DW_TAG } from '../../compiler/dwarf/constants.ts';
import { type AttributeValue, type Entry, readUnits, type Unit } from './entries.ts';
import { evaluateExpression, type Frame, type Location, listOffset, selectFromList } from './locations.ts';
import type { DwarfSections } from './sections.ts';
import { type DwarfType, TypeReader } from './types.ts';

/** A parameter, local or module-level variable. */
export interface Variable {
  readonly name: string;
  readonly isParameter: boolean;
  readonly type: DwarfType;
  /** Where the variable is when the machine is stopped at `address` with the given frame. */
  locate(address: bigint, frame: Frame): Location;
}

/** A function with code of its own; `end` is the first address past it. */
export interface FunctionInfo {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
  readonly line: number;
  readonly frameBase: Uint8Array | undefined;
  readonly variables: readonly Variable[];
}

const NAMED_TYPES: readonly number[] = [DW_TAG.structure_type, DW_TAG.enumeration_type];

/** What .debug_info says of functions, variables and types. */
export class DebugInfo {
  readonly functions: readonly FunctionInfo[];
  /** Module-level variables by name; modules may each have one of the same name. */
  readonly globals: ReadonlyMap<string, readonly Variable[]>;
  readonly #sections: DwarfSections;
  readonly #entries = new Map<number, Entry>();
  readonly #types: TypeReader;
  readonly #namedTypes = new Map<string, DwarfType>();

  constructor(sections: DwarfSections) {
    this.#sections = sections;
    const units = readUnits(sections);
    for (const unit of units) this.#index(unit.root);
    this.#types = new TypeReader(this.#entries);
    const functions: FunctionInfo[] = [];
    const globals = new Map<string, Variable[]>();
    for (const unit of units) this.#readUnit(unit, functions, globals);
    this.functions = functions.sort((a, b) => (a.start < b.start ? -1 : 1));
    this.globals = globals;
  }

  /** The structure, class or enumeration of that name. */
  typeNamed(name: string): DwarfType | undefined {
    return this.#namedTypes.get(name);
  }

  functionAt(address: bigint): FunctionInfo | undefined {
    return this.functions.find((each) => address >= each.start && address < each.end);
  }

  #index(entry: Entry): void {
    this.#entries.set(entry.offset, entry);
    for (const child of entry.children) this.#index(child);
  }

  #readUnit(unit: Unit, functions: FunctionInfo[], globals: Map<string, Variable[]>): void {
    const base = BigInt(asNumeric(unit.root.attributes.get(DW_AT.low_pc)));
    for (const entry of unit.root.children) {
      if (entry.tag === DW_TAG.subprogram) {
        const read = this.#readFunction(entry, unit, base);
        if (read !== undefined) functions.push(read);
      } else if (entry.tag === DW_TAG.variable && entry.attributes.has(DW_AT.location)) {
        const variable = this.#variable(entry, unit, base);
        globals.set(variable.name, [...(globals.get(variable.name) ?? []), variable]);
      } else if (NAMED_TYPES.includes(entry.tag) && entry.attributes.has(DW_AT.name)) {
        this.#namedTypes.set(String(entry.attributes.get(DW_AT.name)), this.#types.read(entry));
      }
    }
  }

  #readFunction(entry: Entry, unit: Unit, base: bigint): FunctionInfo | undefined {
    const low = entry.attributes.get(DW_AT.low_pc);
    const high = entry.attributes.get(DW_AT.high_pc);
    if (low === undefined || high === undefined) return undefined;
    const start = BigInt(asNumeric(low));
    const frameBase = entry.attributes.get(DW_AT.frame_base);
    return {
      name: String(this.#attribute(entry, DW_AT.name) ?? ''),
      start,
      end: start + BigInt(asNumeric(high)),
      line: Number(this.#attribute(entry, DW_AT.decl_line) ?? 0),
      frameBase: frameBase instanceof Uint8Array ? frameBase : undefined,
      variables: this.#variablesBelow(entry, unit, base),
    };
  }

  #variablesBelow(entry: Entry, unit: Unit, base: bigint): Variable[] {
    return entry.children.flatMap((child) => {
      if (child.tag === DW_TAG.lexical_block) return this.#variablesBelow(child, unit, base);
      const isVariable = child.tag === DW_TAG.formal_parameter || child.tag === DW_TAG.variable;
      return isVariable ? [this.#variable(child, unit, base)] : [];
    });
  }

  #variable(entry: Entry, unit: Unit, base: bigint): Variable {
    const location = entry.attributes.get(DW_AT.location);
    const constant = entry.attributes.get(DW_AT.const_value);
    const typed = entry.attributes.has(DW_AT.type) ? entry : (this.#origin(entry) ?? entry);
    return {
      name: String(this.#attribute(entry, DW_AT.name) ?? ''),
      isParameter: entry.tag === DW_TAG.formal_parameter,
      type: this.#types.typeOf(typed),
      locate: (address, frame) => {
        if (typeof constant === 'number' || typeof constant === 'bigint')
          return { kind: 'value', value: BigInt(constant) };
        const expression = this.#expressionAt(location, unit, base, address);
        return expression === undefined ? { kind: 'unavailable' } : evaluateExpression(expression, frame);
      },
    };
  }

  /** A location attribute is an expression, or a list of them by address range. */
  #expressionAt(
    location: AttributeValue | undefined,
    unit: Unit,
    base: bigint,
    address: bigint,
  ): Uint8Array | undefined {
    if (location instanceof Uint8Array) return location;
    if (typeof location !== 'number') return undefined;
    const isIndex = unit.loclistsBase !== 0 && location < unit.loclistsBase;
    const list = isIndex ? listOffset(this.#sections, unit, location) : location;
    return selectFromList(this.#sections, unit, list, base, address);
  }

  #origin(entry: Entry): Entry | undefined {
    const reference = entry.attributes.get(DW_AT.abstract_origin) ?? entry.attributes.get(DW_AT.specification);
    return reference === undefined ? undefined : this.#entries.get(Number(reference));
  }

  /** An attribute of the entry, or of the entry whose concrete instance it is. */
  #attribute(entry: Entry, attribute: number): AttributeValue | undefined {
    const own = entry.attributes.get(attribute);
    if (own !== undefined) return own;
    const origin = this.#origin(entry);
    return origin === undefined ? undefined : this.#attribute(origin, attribute);
  }
}

function asNumeric(value: AttributeValue | undefined): number | bigint {
  return typeof value === 'number' || typeof value === 'bigint' ? value : 0;
}
