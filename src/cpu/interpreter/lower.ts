import { FIELDS, GPR, SEGMENT_BASE, SEGMENT_BYTES, SEGMENTS, XMM } from '../layout.ts';
import type { LocalNode, Node, Program, RegisterReference, Statement, ValueType } from '../semantics/nodes.ts';
import type { Code } from '../wasm/code.ts';
import * as R from './records.ts';
import type { SharedFunctions } from './shared-functions.ts';

/** How the lowered code of a handler leaves it. `record` is the local that holds the op record's address. */
export interface Surroundings {
  readonly code: Code;
  readonly record: number;
  readonly functions: SharedFunctions;
  /** Pushes the host address of the current read or write TLB. */
  pushTlb(write: boolean): void;
  /** Leaves the interpreter; exitReason and whatever belongs to it are set. The record is not executed. */
  exit(): void;
  /** Goes on with the next record. */
  next(): void;
  /** Goes on with the record's branch target. */
  takeBranch(): void;
  /** Goes on at the RIP on the stack (i64). */
  jumpToStack(): void;
}

export interface LoweringOptions {
  /** The status flags are dead: they are not stored. */
  readonly noFlags: boolean;
  /** 'base' and 'index': 64-bit addresses without a segment base, without and with an index. 'general' takes all others. */
  readonly addressing: 'base' | 'index' | 'general';
}

/** Statements that only bind a value, and may go when nothing uses it. */
const PURE = new Set([
  'let',
  'readRegister',
  'readVector',
  'readField',
  'operandAddress',
  'operandSegment',
  'condition',
  'statusFlags',
]);

function forEachValue(statement: Statement, visit: (node: Node) => void): void {
  switch (statement.kind) {
    case 'let':
    case 'assign':
    case 'writeRegister':
    case 'writeVector':
    case 'writeField':
      visit(statement.value);
      break;
    case 'load':
      visit(statement.address);
      break;
    case 'store':
      visit(statement.address);
      visit(statement.value);
      break;
    case 'setFlags':
      visit(statement.flagKind);
      visit(statement.a);
      visit(statement.b);
      break;
    case 'if':
    case 'loop':
      visit(statement.condition);
      break;
    case 'branch':
      if (statement.condition) visit(statement.condition);
      break;
    case 'jump':
      visit(statement.target);
      break;
    case 'bulk':
      visit(statement.destination);
      visit(statement.count);
      if (statement.source) visit(statement.source);
      if (statement.value) visit(statement.value);
      break;
  }
}

function markLocals(node: Node, used: Set<number>): void {
  if (node.kind === 'local') used.add(node.id);
  else if (node.kind === 'operation') for (const operand of node.operands) markLocals(operand, used);
  else if (node.kind === 'select') {
    markLocals(node.condition, used);
    markLocals(node.whenTrue, used);
    markLocals(node.whenFalse, used);
  }
}

/** Removes flag writes when they are dead, and bindings that nothing uses. */
function prune(statements: readonly Statement[], noFlags: boolean, used: Set<number>): Statement[] {
  const kept: Statement[] = [];
  for (let i = statements.length - 1; i >= 0; i--) {
    let statement = statements[i]!;
    if (noFlags && statement.kind === 'setFlags') continue;
    if (statement.kind === 'if') {
      const whenTrue = prune(statement.whenTrue, noFlags, used);
      const whenFalse = prune(statement.whenFalse, noFlags, used);
      if (whenTrue.length + whenFalse.length === 0) continue;
      statement = { ...statement, whenTrue, whenFalse };
    } else if (statement.kind === 'loop') {
      markLocals(statement.condition, used);
      for (const inner of statement.body) forEachValue(inner, (node) => markLocals(node, used));
      statement = { ...statement, body: prune(statement.body, noFlags, used) };
    }
    if (PURE.has(statement.kind) && 'local' in statement && !used.has(statement.local.id)) continue;
    forEachValue(statement, (node) => markLocals(node, used));
    kept.push(statement);
  }
  return kept.reverse();
}

/** Variables: what is known of their first value does not hold for the later ones. */
function collectAssigned(statements: readonly Statement[], assigned: Set<number>): void {
  for (const statement of statements) {
    if (statement.kind === 'assign') assigned.add(statement.local.id);
    if (statement.kind === 'loop') collectAssigned(statement.body, assigned);
    if (statement.kind === 'if') {
      collectAssigned(statement.whenTrue, assigned);
      collectAssigned(statement.whenFalse, assigned);
    }
  }
}

const BITS: Record<ValueType, number> = { i32: 32, i64: 64, f32: 32, f64: 64, v128: 128 };

/** Lowers recorded programs to WebAssembly whose operands are found through the op record. */
export class Lowering {
  readonly #to: Surroundings;
  readonly #code: Code;
  readonly #options: LoweringOptions;
  /** WebAssembly local of each bound local. */
  readonly #locals = new Map<number, number>();
  /** For each place, the local with its host address: 0 when only the slow path may store there. */
  readonly #places = new Map<number, number>();
  readonly #taken: [ValueType, number][] = [];
  readonly #assigned = new Set<number>();
  /** Upper bound of the significant bits of bound i64 values. */
  readonly #significant = new Map<number, number>();

  constructor(to: Surroundings, options: LoweringOptions) {
    this.#to = to;
    this.#code = to.code;
    this.#options = options;
  }

  /** Emits a computation that has no operands and leaves its value on the stack. */
  lowerFunction(program: Program, result: Node): void {
    collectAssigned(program.statements, this.#assigned);
    this.statements(program.statements);
    this.value(result);
  }

  /** Emits the program and continues with the next record unless the program itself goes elsewhere. */
  lower(program: Program): void {
    const statements = prune(program.statements, this.#options.noFlags, new Set());
    collectAssigned(statements, this.#assigned);
    this.statements(statements);
    const last = statements.at(-1);
    const leaves = last && (last.kind === 'jump' || (last.kind === 'branch' && !last.condition));
    if (!leaves) this.#to.next();
    this.releaseLocals();
  }

  releaseLocals(): void {
    for (const [type, local] of this.#taken) this.#code.release(type, local);
    this.#taken.length = 0;
  }

  statements(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #statement(statement: Statement): void {
    const code = this.#code;
    switch (statement.kind) {
      case 'let':
      case 'assign':
        this.value(statement.value);
        this.#bind(statement.local, statement.kind === 'let' ? this.#bitsOf(statement.value) : 64);
        break;
      case 'readRegister':
        code.load('i64', statement.bits, this.#registerAddress(statement.register, GPR, 8));
        this.#bind(statement.local, statement.bits);
        break;
      case 'readVector': {
        const { type } = statement.local;
        code.load(type, BITS[type], this.#registerAddress(statement.register, XMM, 16));
        this.#bind(statement.local);
        break;
      }
      case 'writeRegister': {
        const offset = this.#registerAddress(statement.register, GPR, 8);
        this.value(statement.value);
        if (statement.bits === 32 && this.#bitsOf(statement.value) > 32) code.i64(0xffffffffn).op('i64.and');
        code.store('i64', statement.bits === 32 ? 64 : statement.bits, offset);
        break;
      }
      case 'writeVector': {
        const { type } = statement.value;
        const offset = this.#registerAddress(statement.register, XMM, 16);
        this.value(statement.value);
        code.store(type, BITS[type], offset + (statement.lane * BITS[type]) / 8);
        break;
      }
      case 'readField':
        code.i32(0).load(statement.bytes === 4 ? 'i32' : 'i64', statement.bytes * 8, statement.address);
        this.#bind(statement.local);
        break;
      case 'writeField':
        code.i32(0);
        this.value(statement.value);
        code.store(statement.bytes === 4 ? 'i32' : 'i64', statement.bytes * 8, statement.address);
        break;
      case 'operandAddress':
        this.#operandAddress(statement.offsetOnly);
        this.#bind(statement.local);
        break;
      case 'operandSegment':
        code.get(this.#to.record).load('i32', 8, R.SEGMENT).i32(SEGMENT_BYTES).op('i32.mul');
        code.load('i64', 64, SEGMENTS + SEGMENT_BASE);
        this.#bind(statement.local);
        break;
      case 'load':
        this.#load(statement);
        break;
      case 'store':
        this.#store(statement);
        break;
      case 'setFlags':
        this.#setField(FIELDS.flagsKind.address, statement.flagKind);
        this.#setField(FIELDS.flagsA.address, statement.a);
        this.#setField(FIELDS.flagsB.address, statement.b);
        break;
      case 'condition':
        code.call(this.#to.functions.conditions[statement.code >> 1]!);
        if (statement.code & 1) code.op('i32.eqz');
        this.#bind(statement.local);
        break;
      case 'statusFlags':
        code.call(this.#to.functions.statusFlags);
        this.#bind(statement.local);
        break;
      case 'if':
        this.value(statement.condition);
        code.if();
        this.statements(statement.whenTrue);
        if (statement.whenFalse.length > 0) {
          code.else();
          this.statements(statement.whenFalse);
        }
        code.end();
        break;
      case 'loop': {
        const label = code.loop();
        this.statements(statement.body);
        this.value(statement.condition);
        code.brIf(label).end();
        break;
      }
      case 'raise':
        code
          .i32(statement.vector)
          .i32(statement.errorCode ?? -1)
          .call(this.#to.functions.raise);
        this.#to.exit();
        break;
      case 'leave':
        this.#exitBecause(R.EXIT.HELPER);
        break;
      case 'restart':
        this.#exitBecause(R.EXIT.RESTART);
        break;
      case 'branch':
        if (statement.condition) {
          this.value(statement.condition);
          code.if();
          this.#to.takeBranch();
          code.end();
        } else {
          this.#to.takeBranch();
        }
        break;
      case 'jump':
        this.value(statement.target);
        this.#to.jumpToStack();
        break;
      case 'bulk':
        this.value(statement.destination);
        this.value((statement.source ?? statement.value)!);
        this.value(statement.count);
        code.i32(statement.bits / 8).call(this.#to.functions[statement.source ? 'bulkCopy' : 'bulkFill']);
        this.#bind(statement.local);
        break;
    }
  }

  /** Pushes the value of an expression. */
  value(node: Node): void {
    const code = this.#code;
    switch (node.kind) {
      case 'constant':
        if (node.type === 'i32') code.i32(Number(node.bits) | 0);
        else if (node.type === 'i64') code.i64(node.bits);
        else code.float(node.type, node.bits);
        break;
      case 'local':
        code.get(this.#locals.get(node.id)!);
        break;
      case 'operation':
        if (this.#isRedundantMask(node)) {
          this.value(node.operands[0]!);
          break;
        }
        for (const operand of node.operands) this.value(operand);
        code.op(node.name, node.lanes);
        break;
      case 'select':
        this.value(node.whenTrue);
        this.value(node.whenFalse);
        this.value(node.condition);
        code.select();
        break;
      case 'instruction':
        this.#instructionValue(node.what);
        break;
    }
  }

  #instructionValue(what: 'immediate' | 'immediate2' | 'rip' | 'nextRip' | 'branchTarget'): void {
    const code = this.#code.get(this.#to.record);
    if (what === 'rip' || what === 'nextRip') {
      code.load('i64', 64, R.RIP);
      if (what === 'nextRip') code.get(this.#to.record).load('i64', 8, R.LENGTH).op('i64.add');
    } else if (what === 'immediate2') {
      code.load('i64', 32, R.TARGET);
    } else {
      code.load('i64', 64, R.IMMEDIATE);
    }
  }

  /** Pushes what the caller's load or store adds its returned offset to. */
  #registerAddress({ field, number }: RegisterReference, base: number, bytes: number): number {
    if (field === 'fixed') {
      this.#code.i32(0);
      return number >= 20 ? base + (number - 20) * bytes + 1 : base + number * bytes;
    }
    const offset = field === 'reg' ? R.REG : field === 'rm' ? R.BASE : R.VVVV;
    this.#code.get(this.#to.record).load('i32', 32, offset);
    return 0;
  }

  #operandAddress(offsetOnly: boolean): void {
    const code = this.#code;
    const { record, functions } = this.#to;
    if (this.#options.addressing === 'general') {
      code.get(record).call(offsetOnly ? functions.operandOffset : functions.operandAddress);
      return;
    }
    code.get(record).load('i32', 32, R.BASE).load('i64', 64);
    code.get(record).load('i64', 64, R.DISPLACEMENT).op('i64.add');
    if (this.#options.addressing === 'base') return;
    code.get(record).load('i32', 32, R.INDEX).load('i64', 64);
    code.get(record).load('i64', 32, R.SCALE).op('i64.shl').op('i64.add');
  }

  #load(statement: Extract<Statement, { kind: 'load' }>): void {
    const code = this.#code;
    const { functions } = this.#to;
    const { type } = statement.local;
    const { bits, place } = statement;
    const address = this.#addressLocal(statement.address);
    const kind = ACCESS_KINDS[statement.access];
    if (statement.aligned) this.#checkAlignment(address);
    if (place !== undefined) {
      const host = this.#take('i32');
      this.#places.set(place, host);
      this.#probe(address, bits, true, 'i32');
      code.else();
      code
        .get(address)
        .i32(bits / 8)
        .i32(kind)
        .call(functions.modify);
      this.#exitIfStopped();
      code.end().tee(host).if(type);
      code.get(host).load(type, bits);
      code.else();
      this.#slowLoad(address, bits, type, kind);
      code.end();
    } else {
      const host = this.#take('i32');
      this.#probe(address, bits, false, type, host);
      code.get(host).load(type, bits);
      code.else();
      this.#slowLoad(address, bits, type, kind);
      code.end();
    }
    this.#bind(statement.local, bits);
  }

  #slowLoad(address: number, bits: number, type: ValueType, kind: number): void {
    const code = this.#code;
    if (type === 'v128') {
      code.get(address).i32(8).i32(kind).call(this.#to.functions.load).op('i64x2.splat');
      code.get(address).i64(8n).op('i64.add').i32(8).i32(kind).call(this.#to.functions.load);
      code.op('i64x2.replace_lane', [1]);
    } else {
      code
        .get(address)
        .i32(bits / 8)
        .i32(kind)
        .call(this.#to.functions.load);
      if (type === 'i32' || type === 'f32') code.op('i32.wrap_i64');
      if (type === 'f32') code.op('f32.reinterpret_i32');
      if (type === 'f64') code.op('f64.reinterpret_i64');
    }
    this.#exitIfStopped();
  }

  #store(statement: Extract<Statement, { kind: 'store' }>): void {
    const code = this.#code;
    const { bits, place } = statement;
    const { type } = statement.value;
    const address = this.#addressLocal(statement.address);
    const kind = ACCESS_KINDS[statement.access];
    const value = this.#valueLocal(statement.value);
    if (statement.aligned) this.#checkAlignment(address);
    const known = place === undefined ? undefined : this.#places.get(place);
    if (known !== undefined) {
      code.get(known).if();
      code.get(known).get(value).store(type, bits);
    } else {
      const host = this.#take('i32');
      this.#probe(address, bits, true, undefined, host);
      code.get(host).get(value).store(type, bits);
    }
    code.else();
    this.#slowStore(address, value, bits, type, kind);
    code.end();
  }

  #slowStore(address: number, value: number, bits: number, type: ValueType, kind: number): void {
    const code = this.#code;
    if (type === 'v128') {
      code.get(address).get(value).op('i64x2.extract_lane', [0]).get(value).op('i64x2.extract_lane', [1]);
      code.i32(kind).call(this.#to.functions.storeVector);
    } else {
      code.get(address).get(value);
      if (type === 'f32') code.op('i32.reinterpret_f32');
      if (type === 'f64') code.op('i64.reinterpret_f64');
      if (type === 'i32' || type === 'f32') code.op('i64.extend_i32_u');
      code
        .i32(bits / 8)
        .i32(kind)
        .call(this.#to.functions.store);
    }
    this.#exitIfStopped();
  }

  /**
   * Opens an `if` that is entered when the TLB maps all of the access to RAM. With `host`, its local then holds the host address;
   * without, the host address is what the arm leaves on the stack so far.
   */
  #probe(address: number, bits: number, write: boolean, result: ValueType | undefined, host?: number): void {
    const code = this.#code;
    const entry = this.#take('i32');
    code.get(address).i64(8n).op('i64.shr_u').op('i32.wrap_i64').i32(0xfff0).op('i32.and');
    this.#to.pushTlb(write);
    code.op('i32.add').tee(entry).load('i64', 64);
    code.get(address);
    if (bits > 8) code.i64(BigInt(bits / 8 - 1)).op('i64.add');
    code.i64(-4096n).op('i64.and').op('i64.eq').if(result);
    code.get(address).op('i32.wrap_i64').get(entry).load('i32', 32, 8).op('i32.add');
    if (host !== undefined) code.set(host);
  }

  #checkAlignment(address: number): void {
    const code = this.#code;
    code.get(address).i64(15n).op('i64.and').op('i64.eqz').op('i32.eqz').if();
    code.i32(13).i32(0).call(this.#to.functions.raise);
    this.#to.exit();
    code.end();
  }

  #exitIfStopped(): void {
    this.#code.i32(0).load('i32', 32, FIELDS.exitReason.address).if();
    this.#to.exit();
    this.#code.end();
  }

  #exitBecause(reason: number): void {
    this.#code.i32(0).i32(reason).store('i32', 32, FIELDS.exitReason.address);
    this.#to.exit();
  }

  #setField(address: number, value: Node): void {
    this.#code.i32(0);
    this.value(value);
    this.#code.store(value.type, BITS[value.type], address);
  }

  #addressLocal(address: Node): number {
    return this.#valueLocal(address);
  }

  #valueLocal(node: Node): number {
    if (node.kind === 'local') return this.#locals.get(node.id)!;
    const local = this.#take(node.type);
    this.value(node);
    this.#code.set(local);
    return local;
  }

  #take(type: ValueType): number {
    const local = this.#code.local(type);
    this.#taken.push([type, local]);
    return local;
  }

  #bind(node: LocalNode, significant = 64): void {
    let local = this.#locals.get(node.id);
    if (local === undefined) {
      local = this.#take(node.type);
      this.#locals.set(node.id, local);
      this.#significant.set(node.id, this.#assigned.has(node.id) ? 64 : significant);
    }
    this.#code.set(local);
  }

  /** How many low bits of an i64 value can be other than 0, as far as can be seen cheaply. */
  #bitsOf(node: Node): number {
    if (node.kind === 'constant') return node.bits.toString(2).length;
    if (node.kind === 'local') return this.#significant.get(node.id) ?? 64;
    if (node.kind !== 'operation') return 64;
    const [a, b] = node.operands;
    switch (node.name) {
      case 'i64.and':
        return Math.min(this.#bitsOf(a!), this.#bitsOf(b!));
      case 'i64.or':
      case 'i64.xor':
        return Math.max(this.#bitsOf(a!), this.#bitsOf(b!));
      case 'i64.extend_i32_u':
        return 32;
      case 'i64.shr_u':
        return this.#bitsOf(a!);
      default:
        return 64;
    }
  }

  /** An `and` with 2^n - 1 of a value that has no more than n bits; immediates are already cut to the width they are read at. */
  #isRedundantMask(node: Extract<Node, { kind: 'operation' }>): boolean {
    if (node.name !== 'i64.and') return false;
    const [value, mask] = node.operands;
    if (mask!.kind !== 'constant' || (mask!.bits & (mask!.bits + 1n)) !== 0n) return false;
    if (value!.kind === 'instruction' && value!.what === 'immediate') return true;
    return this.#bitsOf(value!) <= mask!.bits.toString(2).length;
  }
}

/** Numbers that tell the slow path how to report a fault. */
export const ACCESS_KINDS = { operand: 0, stack: 1, data: 2 } as const;
