/** Which vector registers are known to hold no denormals, along a region's control flow: operands that need no look. */
import type { NoDenormals, Node, RegisterReference, Statement, ValueType } from '../semantics/nodes.ts';
import type { ControlFlow } from './control-flow.ts';
import { type Block, type RegionInstruction, successorsOf } from './region.ts';
import type { RegisterResolver } from './register-use.ts';

/** Parts of a vector without denormals, as bits: two for the doubles, the lower first, and four above them for the singles. */
type Parts = number;

const DOUBLE = 1;
const SINGLE = 1 << 2;
const DOUBLES: Parts = 0b11;
const SINGLES: Parts = 0b111100;
const ALL = DOUBLES | SINGLES;

/** By vector register. */
type Registers = Int32Array;

const REGISTERS = 32;

/** Parts that a value of a type has, in lane 0. */
const partsOf: Record<ValueType, Parts> = { i32: 0, i64: 0, f32: SINGLE, f64: DOUBLE, v128: ALL };

/** Parts that a scalar in a lane replaces. */
function partsUnder(type: ValueType, lane: number): Parts {
  if (type === 'v128') return ALL;
  if (type === 'i32' || type === 'f32') return (SINGLE << lane) | (DOUBLE << (lane >> 1));
  return (DOUBLE << lane) | ((SINGLE * 0b11) << (2 * lane));
}

function establishedBy({ width, local }: NoDenormals): Parts {
  if (local.type === 'v128') return width === 64 ? DOUBLES : SINGLES;
  return width === 64 ? DOUBLE : SINGLE;
}

/** Follows what is known of denormals through a region. MXCSR stays as it is meanwhile. */
export class DenormalsFlow {
  /** For each instruction of each block: the bound values of its program that hold none, so that no statement need establish it. */
  readonly known: readonly (readonly ReadonlySet<number>[])[];

  constructor(blocks: readonly Block[], flow: ControlFlow, resolver: RegisterResolver) {
    const atEntry: (Registers | undefined)[] = blocks.map(() => undefined);
    atEntry[0] = new Int32Array(REGISTERS);
    const known: ReadonlySet<number>[][] = blocks.map(() => []);
    for (let changed = true; changed; ) {
      changed = false;
      for (const number of flow.order) {
        const registers = atEntry[number]!.slice();
        known[number] = blocks[number]!.instructions.map(
          (instruction) => new Effect(instruction, resolver, registers).known,
        );
        for (const next of successorsOf(blocks[number]!)) {
          const before = atEntry[next];
          const merged = before === undefined ? registers.slice() : before.map((parts, at) => parts & registers[at]!);
          if (before?.every((parts, at) => parts === merged[at])) continue;
          atEntry[next] = merged;
          changed = true;
        }
      }
    }
    this.known = known;
  }
}

/** What one instruction does to the registers, and what it need not establish. */
class Effect {
  readonly known = new Set<number>();
  readonly #record: number;
  readonly #resolver: RegisterResolver;
  readonly #registers: Registers;
  readonly #values = new Map<number, Parts>();
  /** Registers that hold bound values in their lowest parts, by local. */
  readonly #sources = new Map<number, { readonly number: number; readonly held: Parts }>();

  /** @param registers are brought from before the instruction to behind it */
  constructor({ record, translatable }: RegionInstruction, resolver: RegisterResolver, registers: Registers) {
    this.#record = record;
    this.#resolver = resolver;
    this.#registers = registers;
    for (const statement of translatable.program.statements) this.#visit(statement, true);
  }

  /** @param always whether the statement is executed whenever the instruction is */
  #visit(statement: Statement, always: boolean): void {
    switch (statement.kind) {
      case 'readVector': {
        const { id, type } = statement.local;
        const number = this.#number(statement.register);
        const held = partsOf[type];
        this.#values.set(id, this.#registers[number]! & held);
        this.#sources.set(id, { number, held });
        break;
      }
      case 'let':
        this.#values.set(statement.local.id, this.#partsOf(statement.value));
        break;
      case 'assign':
        this.#values.delete(statement.local.id);
        break;
      case 'writeVector':
        this.#write(this.#number(statement.register), statement.lane, statement.value, always);
        break;
      case 'if':
        for (const each of [...statement.whenTrue, ...statement.whenFalse]) this.#visit(each, false);
        if (statement.establishes && always) this.#establish(statement.establishes);
        break;
    }
  }

  #number(register: RegisterReference): number {
    return this.#resolver.resolve(this.#record, register, 'vector').number;
  }

  #write(number: number, lane: number, value: Node, always: boolean): void {
    const { type } = value;
    const parts = always ? this.#partsOf(value) : 0;
    const inLane = type === 'f32' ? parts << lane : type === 'f64' ? parts << lane : parts;
    this.#registers[number] = (this.#registers[number]! & ~partsUnder(type, lane)) | inLane;
    for (const [local, source] of this.#sources) if (source.number === number) this.#sources.delete(local);
  }

  #establish(property: NoDenormals): void {
    const { id } = property.local;
    const parts = establishedBy(property);
    const before = this.#values.get(id) ?? 0;
    if ((before & parts) === parts) this.known.add(id);
    this.#values.set(id, before | parts);
    const source = this.#sources.get(id)?.number;
    if (source === undefined) return;
    this.#registers[source]! |= parts;
    for (const [other, { number, held }] of this.#sources) {
      if (number === source) this.#values.set(other, this.#values.get(other)! | (parts & held));
    }
  }

  #partsOf(node: Node): Parts {
    if (node.kind === 'local') return this.#values.get(node.id) ?? 0;
    if (node.kind !== 'operation' || node.name !== 'i8x16.shuffle') return 0;
    const operands = node.operands.map((operand) => this.#partsOf(operand));
    const partsFrom = (width: 32 | 64): Parts => {
      const [bytes, first] = width === 64 ? [8, DOUBLE] : [4, SINGLE];
      let parts = 0;
      for (let lane = 0; lane < 16 / bytes; lane++) {
        const from = node.lanes!.slice(lane * bytes, (lane + 1) * bytes);
        const isWhole = from[0]! % bytes === 0 && from.every((byte, at) => byte === from[0]! + at);
        const source = (from[0]! & 15) / bytes;
        if (isWhole && operands[from[0]! >> 4]! & (first << source)) parts |= first << lane;
      }
      return parts;
    };
    return partsFrom(64) | partsFrom(32);
  }
}
