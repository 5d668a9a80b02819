import { at, createModule, FunctionBuilder } from '../../src/compiler/ir/builder.ts';
import type { Address, BinaryOperator, Condition, IrModule, Register, Type } from '../../src/compiler/ir/module.ts';

/** Decisions taken from a list of bytes; 0 for ever when it is used up, so that shorter lists mean simpler programs. */
class Decisions {
  readonly #bytes: readonly number[];
  #at = 0;

  constructor(bytes: readonly number[]) {
    this.#bytes = bytes;
  }

  get exhausted(): boolean {
    return this.#at >= this.#bytes.length;
  }

  below(limit: number): number {
    return (this.#bytes[this.#at++] ?? 0) % limit;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  word(): bigint {
    const kind = this.below(6);
    if (kind === 0) return BigInt(this.below(256)) - 128n;
    if (kind === 1) return 1n << BigInt(this.below(64));
    if (kind === 2) return (1n << BigInt(this.below(64))) - 1n;
    if (kind === 3) return BigInt(this.below(8));
    let value = 0n;
    for (let index = 0; index < (kind === 4 ? 4 : 8); index++) value = (value << 8n) | BigInt(this.below(256));
    return value;
  }
}

const types: readonly Type[] = ['i8', 'i16', 'i32', 'i64'];
const plainBinary: readonly BinaryOperator[] = [
  'add',
  'sub',
  'mul',
  'and',
  'or',
  'xor',
  'shl',
  'shr',
  'sar',
  'rotl',
  'mulHighUnsigned',
  'mulHighSigned',
];
const divisions: readonly BinaryOperator[] = ['divUnsigned', 'divSigned', 'remUnsigned', 'remSigned'];
const conditions: readonly Condition[] = ['eq', 'ne', 'ult', 'ule', 'ugt', 'uge', 'slt', 'sle', 'sgt', 'sge'];
/** bytes of the array that all functions share, and of each function's slot */
const arraySize = 64;

/** Builds one function of statements over mutable variables of every type. */
class RandomFunction {
  readonly builder: FunctionBuilder;
  readonly #decide: Decisions;
  readonly #variables: Record<Type, Register[]> = { i8: [], i16: [], i32: [], i64: [] };
  readonly #callees: readonly { name: string; parameters: Type[] }[];
  readonly #slot: number;
  #budget = 60;
  #loops = 0;

  constructor(name: string, decide: Decisions, parameters: readonly Type[], callees: RandomFunction['callees']) {
    this.#decide = decide;
    this.#callees = callees;
    this.builder = new FunctionBuilder(name, { results: ['i64', 'i32'] });
    parameters.forEach((type, index) => {
      this.#variables[type].push(this.builder.parameter(`p${index}`, type));
    });
    this.#slot = this.builder.slot('local', arraySize, 8);
    const zero = this.builder.addressOf(at.slot(this.#slot));
    const fill = this.builder.const('i8', 0x5an);
    this.builder.emit({
      op: 'setMemory',
      destination: zero,
      value: fill,
      length: this.builder.const('i64', BigInt(arraySize)),
    });
    for (const type of types) {
      for (let index = 0; index < 2 + decide.below(4); index++) {
        const variable = this.builder.register(type);
        this.builder.copy(variable, this.builder.const(type, decide.word()));
        this.#variables[type].push(variable);
      }
    }
    this.#statements(2 + decide.below(14), 0);
    this.#finish();
  }

  get callees(): readonly { name: string; parameters: Type[] }[] {
    return this.#callees;
  }

  #finish(): void {
    let sum = this.#variable('i64');
    for (const type of types) {
      for (const variable of this.#variables[type]) {
        const wide = type === 'i64' ? variable : this.builder.convert('zeroExtend', 'i64', variable);
        sum = this.builder.binary('add', this.builder.binary('rotl', sum, this.builder.const('i64', 7n)), wide);
      }
    }
    this.builder.return(sum, this.#variable('i32'));
  }

  #variable(type: Type): Register {
    return this.#decide.pick(this.#variables[type]);
  }

  #value(type: Type): Register {
    return this.#decide.below(3) === 0 ? this.builder.const(type, this.#decide.word()) : this.#variable(type);
  }

  #assign(type: Type, value: Register): void {
    if (this.#decide.below(3) === 0) this.#variables[type].push(value);
    else this.builder.copy(this.#variable(type), value);
  }

  #address(bytes: number): Address {
    const kind = this.#decide.below(4);
    const displacement =
      this.#decide.below((arraySize - 8) / 8) * 8 + (bytes < 8 ? this.#decide.below(8 - bytes + 1) : 0);
    if (kind === 0) return at.symbol('array', displacement);
    if (kind === 1) return at.slot(this.#slot, displacement);
    const masked = this.builder.binary('and', this.#variable('i64'), this.builder.const('i64', 7n));
    if (kind === 2) return { base: { kind: 'symbol', symbol: 'array' }, index: masked, scale: 8 };
    const base = this.builder.addressOf(this.#decide.below(2) === 0 ? at.symbol('array') : at.slot(this.#slot));
    return at.element(base, masked, this.#decide.pick([1, 2, 4]), this.#decide.below(24));
  }

  #statements(count: number, depth: number): void {
    for (let index = 0; index < count && this.#budget > 0 && !this.#decide.exhausted; index++) {
      this.#budget--;
      this.#statement(depth);
    }
  }

  #statement(depth: number): void {
    const type = this.#decide.pick(types);
    const { builder } = this;
    switch (this.#decide.below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
        this.#assign(type, builder.binary(this.#decide.pick(plainBinary), this.#value(type), this.#value(type)));
        break;
      case 4:
        this.#division(type);
        break;
      case 5:
        this.#assign(type, builder.unary(this.#decide.pick(['neg', 'not']), this.#value(type)));
        break;
      case 6:
        this.#conversion();
        break;
      case 7:
        this.#assign('i8', builder.compare(this.#decide.pick(conditions), this.#value(type), this.#value(type)));
        break;
      case 8:
        this.#assign(type, builder.select(this.#value('i8'), this.#value(type), this.#value(type)));
        break;
      case 9:
      case 10:
        this.#assign(type, builder.load(type, this.#address(8)));
        break;
      case 11:
      case 12:
        builder.store(this.#address(8), this.#value(type));
        break;
      case 13:
        this.#update(type);
        break;
      case 14:
        this.#atomic(this.#decide.pick(['i32', 'i64']));
        break;
      case 15:
        this.#callStatement();
        break;
      case 16:
        this.#bits();
        break;
      case 17:
        if (depth < 3) this.#conditional(type, depth);
        break;
      case 18:
        if (depth < 3) this.#loop(depth);
        break;
      default:
        if (depth < 3) this.#switch(type, depth);
    }
  }

  #division(type: Type): void {
    const op = this.#decide.pick(divisions);
    const { builder } = this;
    const constant = this.#decide.below(2) === 0;
    const mask = op.endsWith('Signed') ? 0x7fn : -1n;
    const divisor = constant
      ? builder.const(type, (this.#decide.word() & mask) | 1n)
      : builder.binary(
          'or',
          builder.binary('and', this.#variable(type), builder.const(type, mask)),
          builder.const(type, 1n),
        );
    this.#assign(type, builder.binary(op, this.#value(type), divisor));
  }

  #conversion(): void {
    const from = this.#decide.below(4);
    const to = this.#decide.below(4);
    if (from === to) return;
    const op = from > to ? 'truncate' : this.#decide.pick(['zeroExtend', 'signExtend'] as const);
    this.#assign(types[to]!, this.builder.convert(op, types[to]!, this.#value(types[from]!)));
  }

  #update(type: Type): void {
    const address = this.#address(8);
    const loaded = this.builder.load(type, address);
    const op = this.#decide.pick(['add', 'sub', 'and', 'or', 'xor'] as const);
    this.builder.store(address, this.builder.binary(op, loaded, this.#value(type)));
  }

  #atomic(type: 'i32' | 'i64'): void {
    const address = this.#address(8);
    const result = this.builder.register(type);
    if (this.#decide.below(3) === 0) {
      const expected = this.#decide.below(2) === 0 ? this.builder.load(type, address) : this.#value(type);
      this.builder.emit({ op: 'compareExchange', result, address, expected, replacement: this.#value(type) });
    } else {
      const operator = this.#decide.pick(['exchange', 'add', 'and', 'or', 'xor'] as const);
      this.builder.emit({ op: 'atomicUpdate', operator, result, address, source: this.#value(type) });
    }
    if (this.#decide.below(3) !== 0) this.#assign(type, result);
  }

  #bits(): void {
    const type = this.#decide.pick(['i32', 'i64'] as const);
    if (this.#decide.below(2) === 0) this.#assign(type, this.builder.unary('byteSwap', this.#value(type)));
    else {
      const source = this.builder.binary('or', this.#value(type), this.builder.const(type, 16n));
      this.#assign(type, this.builder.unary(this.#decide.pick(['bitScanForward', 'bitScanReverse']), source));
    }
  }

  #callStatement(): void {
    if (this.#callees.length === 0) return;
    const callee = this.#decide.pick(this.#callees);
    const given = callee.parameters.map((type) => this.#value(type));
    const indirect = this.#decide.below(2) === 0;
    const target = indirect
      ? { kind: 'register' as const, register: this.builder.addressOf(at.symbol(callee.name)) }
      : callee.name;
    const [first, second] = this.builder.call(target, given, ['i64', 'i32']);
    this.#assign('i64', first!);
    this.#assign('i32', second!);
  }

  /** Variables made inside a branch are not visible after it. */
  #scoped(body: () => void): void {
    const saved = types.map((type) => [...this.#variables[type]]);
    body();
    types.forEach((type, index) => {
      this.#variables[type] = saved[index]!;
    });
  }

  #conditional(type: Type, depth: number): void {
    const { builder } = this;
    const [then, otherwise, join] = [builder.block(), builder.block(), builder.block()];
    if (this.#decide.below(2) === 0) builder.branch(this.#value('i8'), then, otherwise);
    else builder.branchCompare(this.#decide.pick(conditions), this.#value(type), this.#value(type), then, otherwise);
    for (const block of [then, otherwise]) {
      builder.enter(block);
      this.#scoped(() => this.#statements(1 + this.#decide.below(4), depth + 1));
      builder.jump(join);
    }
    builder.enter(join);
  }

  #loop(depth: number): void {
    if (this.#loops++ > 3) return;
    const { builder } = this;
    const counter = builder.register('i64');
    builder.copy(counter, builder.const('i64', BigInt(1 + this.#decide.below(5))));
    const [header, body, exit] = [builder.block(), builder.block(), builder.block()];
    builder.jump(header);
    builder.enter(header);
    builder.branchCompare('ne', counter, builder.const('i64', 0n), body, exit);
    builder.enter(body);
    this.#scoped(() => {
      this.#statements(1 + this.#decide.below(5), depth + 1);
    });
    builder.copy(counter, builder.binary('sub', counter, builder.const('i64', 1n)));
    builder.jump(header);
    builder.enter(exit);
  }

  #switch(type: Type, depth: number): void {
    const { builder } = this;
    const count = 1 + this.#decide.below(7);
    const first = this.#decide.word();
    const stride = this.#decide.pick([1n, 1n, 3n]);
    const selector = builder.binary('and', this.#value(type), builder.const(type, 7n));
    const value = builder.binary('add', selector, builder.const(type, first));
    const bits = BigInt(8 << types.indexOf(type));
    const join = builder.block();
    const bodies = Array.from({ length: count }, () => builder.block());
    const cases = bodies.map((target, index) => ({
      value: BigInt.asUintN(Number(bits), first + BigInt(index) * stride),
      target,
    }));
    builder.terminate({ op: 'switch', value, cases, otherwise: join });
    for (const block of bodies) {
      builder.enter(block);
      this.#scoped(() => this.#statements(1 + this.#decide.below(2), depth + 1));
      builder.jump(join);
    }
    builder.enter(join);
  }
}

export interface RandomProgram {
  readonly module: IrModule;
  readonly calls: readonly { readonly name: string; readonly given: readonly bigint[] }[];
}

/**
 * A user program of up to four functions. Its entry makes `calls` in order, stores each result pair and finally the
 * shared array in `output`, writes that to file descriptor 1 and exits.
 */
export function randomProgram(bytes: readonly number[]): RandomProgram {
  const decide = new Decisions(bytes);
  const module = createModule('random', 'user', '_start');
  module.files.push('random.ts');
  module.data.push(bss('array', arraySize));
  const made: { name: string; parameters: Type[] }[] = [];
  for (let index = 0; index < 1 + decide.below(4); index++) {
    const parameters = Array.from({ length: decide.below(9) }, () => decide.pick(types));
    const name = `f${index}`;
    module.functions.push(new RandomFunction(name, decide, parameters, [...made]).builder.function);
    made.push({ name, parameters });
  }
  const calls = made.flatMap(({ name, parameters }) =>
    [0, 1].map(() => ({ name, given: parameters.map(() => BigInt.asUintN(64, decide.word())) })),
  );
  addEntry(module, made, calls);
  return { module, calls };
}

function bss(name: string, size: number): IrModule['data'][number] {
  return { name, section: '.bss', alignment: 16, size, bytes: new Uint8Array(0), relocations: [], debug: null };
}

function addEntry(
  module: IrModule,
  made: readonly { name: string; parameters: Type[] }[],
  calls: RandomProgram['calls'],
): void {
  const size = calls.length * 16 + arraySize;
  module.data.push(bss('output', size));
  const builder = new FunctionBuilder('_start', { convention: 'entry' });
  calls.forEach(({ name, given }, index) => {
    const { parameters } = made.find((fn) => fn.name === name)!;
    const registers = given.map((value, position) => builder.const(parameters[position]!, value));
    const [first, second] = builder.call(name, registers, ['i64', 'i32']);
    builder.store(at.symbol('output', index * 16), first!);
    builder.store(at.symbol('output', index * 16 + 8), second!);
  });
  const to = builder.addressOf(at.symbol('output', calls.length * 16));
  const from = builder.addressOf(at.symbol('array'));
  builder.emit({ op: 'copyMemory', destination: to, source: from, length: builder.const('i64', BigInt(arraySize)) });
  const zero = builder.const('i64', 0n);
  const system = (number: bigint, ...given: Register[]) =>
    builder.intrinsic(
      'syscall',
      [builder.const('i64', number), ...given, ...Array(6 - given.length).fill(zero)],
      ['i64'],
    );
  system(1n, builder.const('i64', 1n), builder.addressOf(at.symbol('output')), builder.const('i64', BigInt(size)));
  system(60n, zero);
  builder.unreachable();
  module.functions.push(builder.function);
}
