import type ts from 'typescript';
import type { Rule } from '../frontend/diagnostics.ts';
import { type Interval, intersect } from '../frontend/interval.ts';
import { type DialectType, type ObjectType, rangeOfType } from '../frontend/types.ts';
import type { FunctionBuilder } from '../ir/builder.ts';
import { at } from '../ir/builder.ts';
import type { Address, Register, Scope, Variable as ScopeVariable } from '../ir/module.ts';
import { mayAssign } from './captures.ts';
import { type Frame, findVariable, Label, type Variable } from './frame.ts';
import { materialise } from './integers.ts';
import type { ModuleLowering } from './module.ts';
import { coerce, registersOfValue } from './representation.ts';
import { returnRegisters } from './statements.ts';
import type { IntegerExpression, Value } from './values.ts';
import { lowerExpression } from './visitors.ts';

/** Something to run on every way out of a block: `using`. */
export interface Cleanup {
  emit(): void;
}

/** A loop or switch that `break` and `continue` may name. */
export interface JumpTarget {
  readonly name: string | null;
  readonly breakTo: Label;
  readonly continueTo: Label | null;
  readonly cleanupDepth: number;
}

interface OpenScope {
  readonly node: ts.Node;
  readonly variables: ScopeVariable[];
  readonly scopes: Scope[];
}

/** The state of lowering one function. Visitors take it as their first parameter. */
export class FunctionLowering {
  readonly module: ModuleLowering;
  readonly builder: FunctionBuilder;
  readonly file: ts.SourceFile;
  frame: Frame;
  facts = new Map<Variable, Interval>();
  readonly cleanups: Cleanup[] = [];
  readonly jumps: JumpTarget[] = [];
  /** The label that the next loop or statement carries. */
  pendingLabel: string | null = null;
  readonly #scopes: OpenScope[] = [];

  constructor(module: ModuleLowering, builder: FunctionBuilder, frame: Frame, file: ts.SourceFile) {
    this.module = module;
    this.builder = builder;
    this.frame = frame;
    this.file = file;
  }

  report(rule: Rule, node: ts.Node): void {
    this.module.report(rule, node);
  }

  /** Stamps what is emitted by `action` with the place of `node`. */
  spanned<T>(node: ts.Node, action: () => T): T {
    const saved = this.builder.span;
    this.builder.span = this.module.spanOf(node);
    const result = action();
    this.builder.span = saved;
    return result;
  }

  typeOf(node: ts.Node): DialectType {
    return this.module.types.of(node, this.frame.environment);
  }

  // Control flow -----------------------------------------------------------------------------------------------------

  /** Whether the code being emitted can be reached at all. */
  get reachable(): boolean {
    return !this.builder.terminated;
  }

  label(cold = false): Label {
    return new Label(this.builder.block(cold));
  }

  jump(label: Label): void {
    if (!this.reachable) return;
    label.arrive(new Map(this.facts));
    this.builder.jump(label.block);
  }

  /** Continues at a label with what is known there. An unreached label starts dead code, which is dropped. */
  enter(label: Label): void {
    this.builder.enter(label.block);
    this.facts = new Map(label.facts);
    if (!label.reached) this.builder.unreachable();
  }

  /** Emits the cleanups above `depth`, innermost first, without forgetting them. */
  runCleanups(depth: number): void {
    const pending = this.cleanups.slice(depth);
    for (let index = pending.length - 1; index >= 0; index--) {
      this.cleanups.length = depth + index;
      pending[index]!.emit();
    }
    this.cleanups.push(...pending.slice(this.cleanups.length - depth));
  }

  /** Calls the panic handler; the code after it is dead. */
  panic(message: string): void {
    this.module.panics.emit(this, message);
  }

  // Names --------------------------------------------------------------------------------------------------------------

  variable(symbol: ts.Symbol): Variable | undefined {
    return findVariable(this.frame, symbol);
  }

  declare(symbol: ts.Symbol, variable: Variable, node: ts.Node | null): void {
    this.frame.variables.set(symbol, variable);
    const [register] = variable.registers;
    if (node === null || register === undefined) return;
    this.#scopes.at(-1)?.variables.push({
      name: variable.name,
      type: this.module.debugTypes.of(variable.type),
      span: this.module.spanOf(node),
      location: { kind: 'register', register },
    });
  }

  declareSlot(name: string, type: DialectType, slot: number, node: ts.Node, length?: number): void {
    this.#scopes.at(-1)?.variables.push({
      name,
      type: this.module.debugTypes.inline(type, length),
      span: this.module.spanOf(node),
      location: { kind: 'slot', slot },
    });
  }

  rangeOf(variable: Variable): Interval {
    const declared = variable.type.kind === 'integer' ? rangeOfType(variable.type) : { low: 0n, high: 0n };
    const known = this.facts.get(variable);
    return known === undefined ? declared : intersect(known, declared);
  }

  learn(variable: Variable, range: Interval): void {
    this.facts.set(variable, intersect(range, this.rangeOf(variable)));
  }

  // Debug scopes -------------------------------------------------------------------------------------------------------

  /** Runs `action` in a lexical scope of its own. */
  scoped(node: ts.Node, action: () => void): void {
    this.#scopes.push({ node, variables: [], scopes: [] });
    action();
    const { variables, scopes } = this.#scopes.pop()!;
    const file = node.getSourceFile();
    const start = file.getLineAndCharacterOfPosition(node.getStart(file));
    const end = file.getLineAndCharacterOfPosition(node.end);
    const scope: Scope = {
      start: { line: start.line + 1, column: start.character + 1 },
      end: { line: end.line + 1, column: end.character + 1 },
      variables,
      scopes,
    };
    const outer = this.#scopes.at(-1);
    if (outer === undefined) this.builder.function.scope = scope;
    else if (variables.length > 0 || scopes.length > 0) outer.scopes.push(scope);
  }

  // Addresses ----------------------------------------------------------------------------------------------------------

  /** The address in a register. */
  pointer(address: Address): Register {
    const { base, index, displacement = 0 } = address;
    if (base?.kind === 'register' && index === undefined && displacement === 0) return base.register;
    return this.builder.addressOf(address);
  }

  /** The same address so many bytes on. */
  offset(address: Address, bytes: number): Address {
    if (bytes === 0) return address;
    const displacement = (address.displacement ?? 0) + bytes;
    if (displacement === (displacement | 0)) return { ...address, displacement };
    const base = this.pointer(address);
    return at.register(this.builder.binary('add', base, this.builder.const('i64', BigInt(bytes))));
  }

  /** `address` plus `index` elements of `size` bytes; the index is a 64-bit register. */
  element(address: Address, index: Register, size: number): Address {
    const base: Address = address.index === undefined ? address : at.register(this.pointer(address));
    if (size === 1 || size === 2 || size === 4 || size === 8) return { ...base, index, scale: size };
    const scaled = this.builder.binary('mul', index, this.builder.const('i64', BigInt(size)));
    return { ...base, index: scaled, scale: 1 };
  }

  /** An integer used as an address; a constant part becomes the displacement. */
  addressOfInteger(value: Value): Address {
    if (value.kind !== 'integer') return at.register(this.builder.const('i64', 0n));
    const { expression } = value;
    if (expression.op === 'wrap' && expression.bits === 64) return this.#addressOf(expression.operand);
    return this.#addressOf(expression);
  }

  #addressOf(e: IntegerExpression): Address {
    if ((e.op === 'add' || e.op === 'sub') && e.right.op === 'constant') {
      const offset = e.op === 'add' ? e.right.range.low : -e.right.range.low;
      if (offset === BigInt.asIntN(31, offset)) {
        return this.offset(at.register(materialise(this, e.left, 64)), Number(offset));
      }
    }
    if (e.op === 'constant' && e.range.low === BigInt.asIntN(32, e.range.low)) {
      return { displacement: Number(e.range.low) };
    }
    return at.register(materialise(this, e, 64));
  }

  /** The address in a register of its own when the nodes evaluated next may change a variable it depends on. */
  settledAddress(address: Address, next: readonly ts.Node[]): Address {
    if (!mayAssign(this, next)) return address;
    const copy = this.builder.register('i64');
    this.builder.copy(copy, this.pointer(address));
    return at.register(copy);
  }

  /** Returns the value of an arrow function's expression. */
  returnExpression(body: ts.Expression): void {
    const { resultType } = this.frame;
    const value = lowerExpression(this, body);
    if (!this.reachable) return;
    const wanted = resultType.kind === 'void' || resultType.kind === 'never';
    const registers = wanted ? [] : registersOfValue(this, coerce(this, value, resultType, body), resultType);
    returnRegisters(this, registers);
  }

  /** The object that `this` stands for. */
  get self(): Value | null {
    for (let frame: Frame | null = this.frame; frame !== null; frame = frame.outer) {
      if (frame.self !== null) return frame.self;
    }
    return null;
  }

  /** The type arguments and parameters of an object's class. */
  layoutOf(type: ObjectType) {
    return this.module.layouts.class(type);
  }
}
