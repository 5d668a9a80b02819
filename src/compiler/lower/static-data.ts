import ts from 'typescript';
import { unwrapped } from '../frontend/constants.ts';
import { exactly, within } from '../frontend/interval.ts';
import { describe } from '../frontend/type-names.ts';
import type { DialectType, IntegerType, ObjectType, TypeEnvironment } from '../frontend/types.ts';
import type { Relocation } from '../ir/module.ts';
import { notConstant } from '../rules/values.ts';
import { literalOutOfRange } from '../rules/widths.ts';
import type { ModuleLowering } from './module.ts';
import { checkResult } from './representation.ts';

/** Computes the bytes that a module-level initialiser gives its object. */
export class StaticWriter {
  readonly bytes: Uint8Array;
  readonly relocations: Relocation[] = [];
  readonly #module: ModuleLowering;

  constructor(module: ModuleLowering, size: number) {
    this.#module = module;
    this.bytes = new Uint8Array(size);
  }

  get isZero(): boolean {
    return this.relocations.length === 0 && this.bytes.every((byte) => byte === 0);
  }

  #integer(offset: number, size: number, value: bigint): void {
    let rest = BigInt.asUintN(8 * size, value);
    for (let index = 0; index < size; index++, rest >>= 8n) this.bytes[offset + index] = Number(rest & 0xffn);
  }

  #address(offset: number, symbol: string, addend: bigint): void {
    this.relocations.push({ offset, symbol, addend, size: 8 });
  }

  /** A value: an integer, boolean, string, reference or function. */
  value(offset: number, type: DialectType, node: ts.Expression, environment: TypeEnvironment): void {
    const constant = this.#module.constants.evaluate(node);
    if (constant === null || type.kind === 'plain') return;
    if (type.kind === 'integer' && (typeof constant === 'number' || typeof constant === 'bigint')) {
      this.#number(offset, type, constant, node);
    } else if (typeof constant === 'boolean') this.bytes[offset] = constant ? 1 : 0;
    else if (typeof constant === 'string') {
      this.#module.strings.value(constant, node);
      this.#address(offset, this.#module.strings.symbol(constant), 0n);
      this.#integer(offset + 8, 8, BigInt(constant.length));
    } else if (type.kind !== 'result' && type.kind !== 'error') this.#reference(offset, type, node, environment);
  }

  #number(offset: number, type: IntegerType, constant: number | bigint, node: ts.Expression): void {
    const value = BigInt(constant);
    if (!within(exactly(value), type.range)) this.#module.report(literalOutOfRange(String(value), type.name), node);
    this.#integer(offset, type.bits / 8, value);
  }

  #reference(offset: number, type: DialectType, node: ts.Expression, environment: TypeEnvironment): void {
    const plain = unwrapped(node);
    const code = this.#module.functionValue(plain);
    if (code) checkResult((rule, place) => this.#module.report(rule, place), code.type, type, node);
    const symbol = code ? this.#module.requestFunction(code.node) : this.#written(plain, environment);
    const address = symbol === undefined ? this.#staticAddress(plain) : { symbol, addend: 0n };
    if (address === undefined) this.#module.report(notConstant('the initial value of module-level storage'), node);
    else this.#address(offset, address.symbol, address.addend);
  }

  /** A function written in place. */
  #written(node: ts.Expression, environment: TypeEnvironment): string | undefined {
    const body = this.#module.functionBody(node);
    return body === undefined ? undefined : this.#module.requestFunction(body, environment);
  }

  /** The symbol and offset of an object, or of an address computed from one. */
  #staticAddress(node: ts.Expression): { symbol: string; addend: bigint } | undefined {
    if (ts.isIdentifier(node)) {
      const symbol = this.#module.constants.symbolOf(node);
      const substitution = symbol && this.#module.constants.substitutions.get(symbol);
      if (substitution !== undefined) return this.#staticAddress(unwrapped(substitution));
      const object = this.#module.storage.symbolOf(node);
      return object === undefined ? undefined : { symbol: object, addend: 0n };
    }
    if (ts.isPropertyAccessExpression(node)) return this.#fieldAddress(node);
    if (!ts.isCallExpression(node)) return undefined;
    const name = this.#module.constants.libraryName(node.expression);
    const [first] = node.arguments;
    if (first === undefined) return undefined;
    if (name === 'linkerSymbol') {
      const symbol = this.#module.constants.evaluate(first);
      return typeof symbol === 'string' ? { symbol, addend: 0n } : undefined;
    }
    if (name === 'codeAddress') {
      const code = this.#module.functionValue(first);
      return code && { symbol: this.#module.requestFunction(code.node), addend: 0n };
    }
    const passes = name === 'addressOf' || name === 'virt' || name === 'u64';
    return passes ? this.#staticAddress(unwrapped(first)) : undefined;
  }

  #fieldAddress(node: ts.PropertyAccessExpression): { symbol: string; addend: bigint } | undefined {
    const object = this.#staticAddress(unwrapped(node.expression));
    const type = this.#module.types.of(node.expression, { parameters: new Map(), self: null });
    if (object === undefined || type.kind !== 'object') return undefined;
    const field = this.#module.layouts.class(type).fields.get(node.name.text);
    if (field === undefined || !field.inline) return undefined;
    return { symbol: object.symbol, addend: object.addend + BigInt(field.offset) };
  }

  /** Storage made in place. */
  inline(
    offset: number,
    type: DialectType,
    length: number | undefined,
    initialiser: ts.Expression,
    environment: TypeEnvironment,
  ): void {
    const node = unwrapped(initialiser);
    if (ts.isNewExpression(node)) this.#constructed(offset, type, node);
    else if (ts.isCallExpression(node)) this.#made(offset, type, length ?? 1, node, environment);
  }

  #made(
    offset: number,
    type: DialectType,
    length: number,
    node: ts.CallExpression,
    environment: TypeEnvironment,
  ): void {
    const [first, second, third] = node.arguments;
    switch (this.#module.constants.libraryName(node.expression)) {
      case 'aligned':
        this.inline(offset, type, length, second!, environment);
        break;
      case 'embed':
        if (type.kind === 'object') this.object(offset, type, []);
        break;
      case 'array':
        if (type.kind === 'array' && type.inline && type.element.kind === 'object') {
          this.#objects(offset, type.element, length);
        }
        break;
      case 'table':
        this.#elements(offset, type, elementsOf(unwrapped(first!)), environment);
        break;
      case 'sparseTable':
        this.#sparse(offset, type, length, second!, unwrapped(third!), environment);
        break;
      case 'bytes':
        this.#text(offset, first!);
        break;
      default:
        break;
    }
  }

  #text(offset: number, node: ts.Expression): void {
    const text = this.#module.constants.evaluate(node);
    if (typeof text !== 'string') return;
    for (let index = 0; index < text.length; index++) this.bytes[offset + index] = text.charCodeAt(index) & 0xff;
  }

  #objects(offset: number, type: ObjectType, length: number): void {
    const { size } = this.#module.layouts.class(type);
    for (let index = 0; index < length; index++) this.object(offset + index * size, type, []);
  }

  #elements(offset: number, type: DialectType, elements: readonly ts.Expression[], environment: TypeEnvironment): void {
    if (type.kind !== 'array') return;
    elements.forEach((element, index) => {
      const { size } = this.#module.layouts.storageOf(type.element, element);
      this.value(offset + index * size, type.element, element, environment);
    });
  }

  #sparse(
    offset: number,
    type: DialectType,
    length: number,
    missing: ts.Expression,
    entries: ts.Expression,
    environment: TypeEnvironment,
  ): void {
    if (type.kind !== 'array') return;
    const { size } = this.#module.layouts.storageOf(type.element, missing);
    const given = new Map<number, ts.Expression>();
    for (const entry of elementsOf(entries)) {
      const [key, value] = elementsOf(unwrapped(entry));
      const index = key && this.#module.constants.integer(key);
      if (index === undefined || value === undefined) this.#module.report(notConstant('an index of a table'), entry);
      else given.set(Number(index), value);
    }
    for (let index = 0; index < length; index++) {
      this.value(offset + index * size, type.element, given.get(index) ?? missing, environment);
    }
  }

  #constructed(offset: number, type: DialectType, node: ts.NewExpression): void {
    const args = [...(node.arguments ?? [])];
    if (type.kind === 'atomic') {
      const initial = args[0] && this.#module.constants.integer(args[0]);
      if (initial !== undefined) this.#integer(offset, type.bits / 8, initial);
      else if (args[0] !== undefined) this.#module.report(notConstant('an initial value'), args[0]);
      return;
    }
    if (type.kind === 'object') this.object(offset, type, args);
    else this.#module.report(notConstant(describe(type)), node);
  }

  /** An object: its fields' initial values, then what its constructor assigns. */
  object(offset: number, type: ObjectType, args: readonly ts.Expression[]): void {
    const layout = this.#module.layouts.class(type);
    for (const field of layout.fields.values()) {
      const { initializer } = field.node;
      if (initializer === undefined) continue;
      if (field.inline) this.inline(offset + field.offset, field.type, field.length, initializer, layout.environment);
      else this.value(offset + field.offset, field.type, initializer, layout.environment);
    }
    const constructorNode = type.declaration.members.find(ts.isConstructorDeclaration);
    if (constructorNode !== undefined) this.#runConstructor(offset, type, constructorNode, args);
  }

  #runConstructor(
    offset: number,
    type: ObjectType,
    node: ts.ConstructorDeclaration,
    args: readonly ts.Expression[],
  ): void {
    const { constants, layouts } = this.#module;
    const saved = new Map(constants.substitutions);
    node.parameters.forEach((parameter, index) => {
      const symbol = constants.symbolOf(parameter.name);
      const value = args[index] ?? parameter.initializer;
      if (symbol !== undefined && value !== undefined) constants.substitutions.set(symbol, value);
    });
    for (const statement of node.body?.statements ?? []) {
      const assignment = ts.isExpressionStatement(statement) ? statement.expression : undefined;
      const name = assignment && assignedField(assignment);
      const field = name === undefined ? undefined : layouts.class(type).fields.get(name);
      if (field === undefined || field.inline) this.#module.report(notConstant('this statement'), statement);
      else
        this.value(
          offset + field.offset,
          field.type,
          (assignment as ts.BinaryExpression).right,
          layouts.environmentOf(type),
        );
    }
    constants.substitutions.clear();
    for (const [symbol, value] of saved) constants.substitutions.set(symbol, value);
  }
}

/** The field that `this.field = value` assigns. */
function assignedField(node: ts.Expression): string | undefined {
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.EqualsToken) return undefined;
  const { left } = node;
  const isField = ts.isPropertyAccessExpression(left) && left.expression.kind === ts.SyntaxKind.ThisKeyword;
  return isField ? left.name.text : undefined;
}

const elementsOf = (node: ts.Expression): readonly ts.Expression[] =>
  ts.isArrayLiteralExpression(node) ? node.elements : [];
