import type {
  Address,
  BinaryOperator,
  Block,
  BlockIndex,
  Callee,
  Condition,
  Convention,
  ExtensionOperator,
  Instruction,
  IrFunction,
  IrModule,
  Register,
  SlotIndex,
  Span,
  Terminator,
  Type,
  UnaryOperator,
} from './module.ts';

export const noSpan: Span = { file: 0, line: 1, column: 1, length: 0 };

export function createModule(name: string, kind: 'kernel' | 'user', elfEntry: string): IrModule {
  return { name, kind, files: [], directory: '.', functions: [], data: [], types: [], entries: { elf: elfEntry } };
}

/** `Omit` that keeps the members of a union apart. */
type WithoutSpan<T> = T extends unknown ? Omit<T, 'span'> : never;
export type InstructionBody = WithoutSpan<Instruction>;
export type TerminatorBody = WithoutSpan<Terminator>;

export interface FunctionOptions {
  readonly displayName?: string;
  readonly exported?: boolean;
  readonly convention?: Convention;
  readonly inline?: IrFunction['inline'];
  readonly section?: IrFunction['section'];
  readonly results?: readonly Type[];
  readonly resultType?: number;
  readonly span?: Span;
}

/** Builds one function block by block; `span` is stamped on everything emitted until it is set again. */
export class FunctionBuilder {
  readonly function: IrFunction;
  span: Span;
  #current = -1;
  readonly #terminated = new Set<BlockIndex>();

  constructor(name: string, options: FunctionOptions = {}) {
    this.span = options.span ?? noSpan;
    this.function = {
      name,
      displayName: options.displayName ?? name,
      exported: options.exported ?? false,
      convention: options.convention ?? 'sysv',
      inline: options.inline ?? 'auto',
      section: options.section ?? '.text',
      parameters: [],
      results: options.results ?? [],
      resultType: options.resultType ?? -1,
      span: this.span,
      registers: [],
      slots: [],
      blocks: [],
      scope: { start: { line: 1, column: 1 }, end: { line: 1, column: 1 }, variables: [], scopes: [] },
    };
    this.enter(this.block());
  }

  register(type: Type): Register {
    return this.function.registers.push(type) - 1;
  }

  typeOf(register: Register): Type {
    return this.function.registers[register]!;
  }

  parameter(name: string, type: Type, debugType = -1): Register {
    const register = this.register(type);
    (this.function.parameters as IrFunction['parameters'][number][]).push({ register, name, type: debugType });
    return register;
  }

  slot(name: string, size: number, alignment: number): SlotIndex {
    return this.function.slots.push({ name, size, alignment }) - 1;
  }

  /** A new block, not entered; it is `unreachable` until it gets another terminator. */
  block(cold = false): BlockIndex {
    const block: Block = { instructions: [], terminator: { op: 'unreachable', span: this.span } };
    if (cold) block.cold = true;
    return this.function.blocks.push(block) - 1;
  }

  /** Makes `block` the place where the next instructions go. */
  enter(block: BlockIndex): void {
    this.#current = block;
  }

  get current(): BlockIndex {
    return this.#current;
  }

  /** Whether the current block already has its terminator. */
  get terminated(): boolean {
    return this.#terminated.has(this.#current);
  }

  emit(body: InstructionBody): void {
    this.function.blocks[this.#current]!.instructions.push({ ...body, span: this.span } as Instruction);
  }

  /** Ends the current block. */
  terminate(body: TerminatorBody): void {
    this.#terminated.add(this.#current);
    this.function.blocks[this.#current]!.terminator = { ...body, span: this.span } as Terminator;
  }

  const(type: Type, value: bigint): Register {
    const result = this.register(type);
    this.emit({ op: 'const', result, value });
    return result;
  }

  copy(result: Register, source: Register): void {
    this.emit({ op: 'copy', result, source });
  }

  unary(op: UnaryOperator, source: Register): Register {
    const result = this.register(this.typeOf(source));
    this.emit({ op, result, source });
    return result;
  }

  binary(op: BinaryOperator, left: Register, right: Register): Register {
    const result = this.register(this.typeOf(left));
    this.emit({ op, result, left, right });
    return result;
  }

  convert(op: ExtensionOperator, type: Type, source: Register): Register {
    const result = this.register(type);
    this.emit({ op, result, source });
    return result;
  }

  compare(condition: Condition, left: Register, right: Register): Register {
    const result = this.register('i8');
    this.emit({ op: 'compare', condition, result, left, right });
    return result;
  }

  select(test: Register, whenTrue: Register, whenFalse: Register): Register {
    const result = this.register(this.typeOf(whenTrue));
    this.emit({ op: 'select', result, test, whenTrue, whenFalse });
    return result;
  }

  load(type: Type, address: Address, volatile = false): Register {
    const result = this.register(type);
    this.emit(volatile ? { op: 'load', result, address, volatile } : { op: 'load', result, address });
    return result;
  }

  store(address: Address, source: Register, volatile = false): void {
    this.emit(volatile ? { op: 'store', address, source, volatile } : { op: 'store', address, source });
  }

  addressOf(address: Address): Register {
    const result = this.register('i64');
    this.emit({ op: 'addressOf', result, address });
    return result;
  }

  /** A call; the results are new registers of the given types. */
  call(callee: Callee | string, args: readonly Register[], results: readonly Type[] = []): Register[] {
    const registers = results.map((type) => this.register(type));
    const target: Callee = typeof callee === 'string' ? { kind: 'symbol', symbol: callee } : callee;
    this.emit({ op: 'call', results: registers, callee: target, arguments: args });
    return registers;
  }

  intrinsic(name: string, args: readonly Register[], results: readonly Type[] = []): Register[] {
    const registers = results.map((type) => this.register(type));
    this.emit({ op: 'intrinsic', name, results: registers, arguments: args });
    return registers;
  }

  jump(target: BlockIndex): void {
    this.terminate({ op: 'jump', target });
  }

  branch(test: Register, then: BlockIndex, otherwise: BlockIndex): void {
    this.terminate({ op: 'branch', test, then, otherwise });
  }

  branchCompare(condition: Condition, left: Register, right: Register, then: BlockIndex, otherwise: BlockIndex): void {
    this.terminate({ op: 'branchCompare', condition, left, right, then, otherwise });
  }

  return(...values: Register[]): void {
    this.terminate({ op: 'return', values });
  }

  unreachable(): void {
    this.terminate({ op: 'unreachable' });
  }
}

/** Addresses in the forms that lowering uses most. */
export const at = {
  register: (register: Register, displacement = 0): Address => ({
    base: { kind: 'register', register },
    displacement,
  }),
  symbol: (symbol: string, displacement = 0): Address => ({ base: { kind: 'symbol', symbol }, displacement }),
  slot: (slot: SlotIndex, displacement = 0): Address => ({ base: { kind: 'slot', slot }, displacement }),
  element: (register: Register, index: Register, scale: 1 | 2 | 4 | 8, displacement = 0): Address => ({
    base: { kind: 'register', register },
    index,
    scale,
    displacement,
  }),
  segment: (segment: 'fs' | 'gs', displacement: number): Address => ({ segment, displacement }),
};
