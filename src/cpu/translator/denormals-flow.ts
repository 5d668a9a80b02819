/** Which vector registers are known to hold no denormals, along a region's control flow: operands that need no look. */
import type { NoDenormals, Node, RegisterReference, Statement } from '../semantics/nodes.ts';
import type { ControlFlow } from './control-flow.ts';
import { neededParts } from './denormals-need.ts';
import { type Block, type RegionInstruction, successorsOf } from './region.ts';
import type { RegisterResolver } from './register-use.ts';
import { movedParts, PARTS_OF, type Parts, partsLookedAt, partsUnder } from './vector-parts.ts';

/** Parts without denormals, by vector register. */
type Registers = Int32Array;

const REGISTERS = 32;

const NOTHING_KNOWN: ReadonlySet<number> = new Set();

/** A vector register to look at. */
export interface Look {
  readonly register: number;
  readonly parts: Parts;
}

const looks = ({ instructions }: Block): boolean =>
  instructions.some(({ translatable }) =>
    translatable.program.statements.some((each) => each.kind === 'if' && each.establishes),
  );

/**
 * Follows what is known of denormals through a region. MXCSR stays as it is meanwhile. Registers that a loop looks at and that hold none
 * from one round to the next are looked at once, on the way in.
 */
export class DenormalsFlow {
  /** For each instruction of each block: the bound values of its program that hold none, so that no statement need establish it. */
  readonly known: readonly (readonly ReadonlySet<number>[])[];
  readonly #blocks: readonly Block[];
  readonly #flow: ControlFlow;
  readonly #resolver: RegisterResolver;
  /** By loop header. */
  readonly #assumed = new Map<number, Registers>();
  readonly #atEntry: (Registers | undefined)[] = [];
  readonly #atEnd: (Registers | undefined)[] = [];

  constructor(blocks: readonly Block[], flow: ControlFlow, resolver: RegisterResolver) {
    this.#blocks = blocks;
    this.#flow = flow;
    this.#resolver = resolver;
    if (!blocks.some(looks)) {
      this.known = blocks.map(({ instructions }) => instructions.map(() => NOTHING_KNOWN));
      return;
    }
    const headers = flow.order.filter((number) => flow.isLoopHeader(number));
    if (headers.length > 0) {
      const needed = neededParts(blocks, flow, resolver, REGISTERS);
      for (const header of headers) this.#assumed.set(header, needed[header]!);
    }
    let known = this.#follow();
    while (this.#assumesTooMuch()) known = this.#follow();
    this.known = known;
  }

  /** What to look at on the way from a block, or from outside, into a loop. */
  looksInto(header: number, from?: number): Look[] {
    const known = from === undefined ? undefined : this.#atEnd[from];
    const assumed = [...(this.#assumed.get(header) ?? [])];
    return assumed
      .map((parts, register) => ({ register, parts: parts & ~(known?.[register] ?? 0) }))
      .filter(({ parts }) => parts !== 0);
  }

  #follow(): ReadonlySet<number>[][] {
    const blocks = this.#blocks;
    const flow = this.#flow;
    const known: ReadonlySet<number>[][] = blocks.map(() => []);
    this.#atEntry.fill(undefined);
    this.#atEntry[0] = this.#assumed.get(0)?.slice() ?? new Int32Array(REGISTERS);
    for (let changed = true; changed; ) {
      changed = false;
      for (const number of flow.order) {
        const registers = this.#atEntry[number]!.slice();
        known[number] = blocks[number]!.instructions.map(
          (instruction) => new Effect(instruction, this.#resolver, registers).known,
        );
        this.#atEnd[number] = registers;
        for (const next of successorsOf(blocks[number]!)) {
          if (!flow.isIrreducible(number, next) && this.#merge(number, next)) changed = true;
        }
      }
    }
    return known;
  }

  /** Brings what is known at a block's end to the beginning of the next. @returns whether less is known there now */
  #merge(from: number, to: number): boolean {
    const assumed = this.#flow.isForward(from, to) ? this.#assumed.get(to) : undefined;
    const coming = this.#atEnd[from]!.map((parts, at) => parts | (assumed?.[at] ?? 0));
    const before = this.#atEntry[to];
    const merged = before === undefined ? coming : before.map((parts, at) => parts & coming[at]!);
    this.#atEntry[to] = merged;
    return !(before?.every((parts, at) => parts === merged[at]) ?? false);
  }

  /** Takes back what does not hold from one round of a loop to the next. */
  #assumesTooMuch(): boolean {
    let found = false;
    for (const [header, assumed] of this.#assumed) {
      const holds = assumed.map((parts, at) => parts & this.#atEntry[header]![at]!);
      if (holds.every((parts, at) => parts === assumed[at])) continue;
      this.#assumed.set(header, holds);
      found = true;
    }
    return found;
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
        const held = PARTS_OF[type];
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
    const parts = partsLookedAt(property);
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
    return movedParts(node).reduce(
      (parts, { to, from, operand }) => (this.#partsOf(operand) & from ? parts | to : parts),
      0,
    );
  }
}
