import ts from 'typescript';
import { type IntegerType, integers, isIntegerName, isLibrarySymbol } from './types.ts';

/** What the compiler can compute, as Node would: numbers are doubles, bigints unbounded. */
export type Constant = number | bigint | boolean | string | null;

/** Questions that only the layouts can answer. */
export interface LayoutQueries {
  /** `Struct.size`, `Struct.alignment`, `array.length`, `Struct.offsetOf(name)`, `sizeOf(Class)`, `offsetOf(Class, name)`. */
  property(node: ts.PropertyAccessExpression): number | undefined;
  call(node: ts.CallExpression): number | undefined;
}

/** Evaluates expressions at compile time. */
export class Constants {
  readonly #checker: ts.TypeChecker;
  readonly #known = new Map<ts.Symbol, Constant | undefined>();
  readonly #symbols = new Map<ts.Node, ts.Symbol | undefined>();
  /** What constructor parameters stand for while a module-level object is being made. */
  readonly substitutions = new Map<ts.Symbol, ts.Expression>();
  queries: LayoutQueries = { property: () => undefined, call: () => undefined };

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  /** The symbol that a name stands for, through imports. */
  symbolOf(node: ts.Node): ts.Symbol | undefined {
    const known = this.#symbols.get(node);
    if (known !== undefined || this.#symbols.has(node)) return known;
    const symbol = this.#symbolOf(node);
    this.#symbols.set(node, symbol);
    return symbol;
  }

  #symbolOf(node: ts.Node): ts.Symbol | undefined {
    let symbol = this.#checker.getSymbolAtLocation(node);
    if (symbol !== undefined && ts.isShorthandPropertyAssignment(node.parent)) {
      symbol = this.#checker.getShorthandAssignmentValueSymbol(node.parent) ?? symbol;
    }
    if (symbol !== undefined && symbol.flags & ts.SymbolFlags.Alias) return this.#checker.getAliasedSymbol(symbol);
    return symbol;
  }

  /** The name of the dialect's own export that an expression refers to. */
  libraryName(node: ts.Expression): string | undefined {
    if (!ts.isIdentifier(node)) return undefined;
    const symbol = this.symbolOf(node);
    return symbol !== undefined && isLibrarySymbol(symbol) ? symbol.name : undefined;
  }

  /** The initialiser of the module-level or local `const` that an expression names. */
  initialiserOf(node: ts.Expression): ts.Expression | undefined {
    if (!ts.isIdentifier(node)) return undefined;
    const declaration = this.symbolOf(node)?.valueDeclaration;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration)) return undefined;
    return ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const ? declaration.initializer : undefined;
  }

  /** The value, undefined when it is not constant. */
  evaluate(node: ts.Expression): Constant | undefined {
    if (ts.isNumericLiteral(node)) return Number(node.text);
    if (ts.isBigIntLiteral(node)) return BigInt(node.text.slice(0, -1));
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
    if (ts.isParenthesizedExpression(node)) return this.evaluate(node.expression);
    if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) return this.evaluate(node.expression);
    if (ts.isNonNullExpression(node)) return this.evaluate(node.expression);
    if (ts.isPrefixUnaryExpression(node)) return this.#unary(node);
    if (ts.isBinaryExpression(node)) return this.#binary(node);
    if (ts.isConditionalExpression(node)) {
      const test = this.evaluate(node.condition);
      return test === undefined ? undefined : this.evaluate(test ? node.whenTrue : node.whenFalse);
    }
    if (ts.isIdentifier(node)) return this.#name(node);
    if (ts.isPropertyAccessExpression(node)) return this.#property(node);
    if (ts.isCallExpression(node)) return this.#call(node);
    if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
    if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
    return node.kind === ts.SyntaxKind.NullKeyword ? null : undefined;
  }

  /** An integer constant as a bigint. */
  integer(node: ts.Expression): bigint | undefined {
    const value = this.evaluate(node);
    if (typeof value === 'bigint') return value;
    return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
  }

  /** The object literal that a constant names, as in `const State = { Free: 0 } as const`. */
  namespaceOf(node: ts.Expression): ts.ObjectLiteralExpression | undefined {
    const plain = unwrapped(node);
    if (ts.isObjectLiteralExpression(plain)) return plain;
    if (ts.isPropertyAccessExpression(plain)) {
      const inner = this.memberOf(plain);
      return inner === undefined ? undefined : this.namespaceOf(inner);
    }
    const initialiser = this.initialiserOf(plain);
    return initialiser === undefined ? undefined : this.namespaceOf(initialiser);
  }

  /** The expression behind a property of such a constant object. */
  memberOf(node: ts.PropertyAccessExpression): ts.Expression | undefined {
    const object = this.namespaceOf(node.expression);
    for (const property of object?.properties ?? []) {
      if (property.name === undefined || property.name.getText() !== node.name.text) continue;
      if (ts.isPropertyAssignment(property)) return property.initializer;
      if (ts.isShorthandPropertyAssignment(property)) return property.name;
    }
    return undefined;
  }

  #name(node: ts.Identifier): Constant | undefined {
    const symbol = this.symbolOf(node);
    if (symbol === undefined) return undefined;
    const substitution = this.substitutions.get(symbol);
    if (substitution !== undefined) return this.evaluate(substitution);
    if (this.#known.has(symbol)) return this.#known.get(symbol);
    this.#known.set(symbol, undefined);
    const initialiser = this.initialiserOf(node);
    const value = initialiser === undefined ? undefined : this.evaluate(initialiser);
    this.#known.set(symbol, value);
    return value;
  }

  #property(node: ts.PropertyAccessExpression): Constant | undefined {
    const member = this.memberOf(node);
    if (member !== undefined) return this.evaluate(member);
    const queried = this.queries.property(node);
    if (queried !== undefined) return queried;
    if (node.name.text !== 'length') return undefined;
    const text = this.evaluate(node.expression);
    return typeof text === 'string' ? text.length : undefined;
  }

  #call(node: ts.CallExpression): Constant | undefined {
    const name = this.libraryName(node.expression);
    if (name === undefined) return this.queries.call(node);
    const [first] = node.arguments;
    const operand = first === undefined ? undefined : this.evaluate(first);
    if (isIntegerName(name)) {
      return typeof operand === 'string' || operand === undefined ? undefined : convert(operand, integers[name]);
    }
    if (name === 'phys' || name === 'virt' || name === 'userPtr') {
      return typeof operand === 'bigint' ? BigInt.asUintN(64, operand) : undefined;
    }
    return this.queries.call(node);
  }

  #unary(node: ts.PrefixUnaryExpression): Constant | undefined {
    const value = this.evaluate(node.operand);
    if (value === undefined) return undefined;
    if (node.operator === ts.SyntaxKind.ExclamationToken) return !value;
    if (typeof value !== 'number' && typeof value !== 'bigint') return undefined;
    if (node.operator === ts.SyntaxKind.MinusToken) return -value;
    if (node.operator === ts.SyntaxKind.TildeToken) return ~value;
    return node.operator === ts.SyntaxKind.PlusToken && typeof value === 'number' ? value : undefined;
  }

  #binary(node: ts.BinaryExpression): Constant | undefined {
    const left = this.evaluate(node.left);
    if (left === undefined) return undefined;
    const right = this.evaluate(node.right);
    if (right === undefined) return undefined;
    const operator = node.operatorToken.kind;
    if (operator === ts.SyntaxKind.EqualsEqualsEqualsToken) return left === right;
    if (operator === ts.SyntaxKind.ExclamationEqualsEqualsToken) return left !== right;
    if (operator === ts.SyntaxKind.AmpersandAmpersandToken) return left && right;
    if (operator === ts.SyntaxKind.BarBarToken) return left || right;
    if (typeof left === 'number' && typeof right === 'number') return numberOperation(operator, left, right);
    return typeof left === 'bigint' && typeof right === 'bigint' ? bigintOperation(operator, left, right) : undefined;
  }
}

/** The expression inside parentheses, `as const`, `satisfies` and `!`. */
export function unwrapped(node: ts.Expression): ts.Expression {
  let inner = node;
  while (
    ts.isParenthesizedExpression(inner) ||
    ts.isAsExpression(inner) ||
    ts.isSatisfiesExpression(inner) ||
    ts.isNonNullExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

/** What the constructor of a type makes of a value. */
export function convert(value: number | bigint | boolean | null, type: IntegerType): number | bigint {
  const whole =
    typeof value === 'bigint' ? value : BigInt(Number.isFinite(Number(value)) ? Math.trunc(Number(value)) : 0);
  const wrapped = type.signed ? BigInt.asIntN(type.bits, whole) : BigInt.asUintN(type.bits, whole);
  return type.big ? wrapped : Number(wrapped);
}

function numberOperation(operator: ts.SyntaxKind, a: number, b: number): number | boolean | undefined {
  switch (operator) {
    case ts.SyntaxKind.PlusToken:
      return a + b;
    case ts.SyntaxKind.MinusToken:
      return a - b;
    case ts.SyntaxKind.AsteriskToken:
      return a * b;
    case ts.SyntaxKind.SlashToken:
      return a / b;
    case ts.SyntaxKind.PercentToken:
      return a % b;
    case ts.SyntaxKind.AsteriskAsteriskToken:
      return a ** b;
    case ts.SyntaxKind.AmpersandToken:
      return a & b;
    case ts.SyntaxKind.BarToken:
      return a | b;
    case ts.SyntaxKind.CaretToken:
      return a ^ b;
    case ts.SyntaxKind.LessThanLessThanToken:
      return a << b;
    case ts.SyntaxKind.GreaterThanGreaterThanToken:
      return a >> b;
    case ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken:
      return a >>> b;
    default:
      return comparison(operator, a, b);
  }
}

const LARGEST_SHIFT = 1024n;

function bigintOperation(operator: ts.SyntaxKind, a: bigint, b: bigint): bigint | boolean | undefined {
  switch (operator) {
    case ts.SyntaxKind.PlusToken:
      return a + b;
    case ts.SyntaxKind.MinusToken:
      return a - b;
    case ts.SyntaxKind.AsteriskToken:
      return a * b;
    case ts.SyntaxKind.SlashToken:
      return b === 0n ? undefined : a / b;
    case ts.SyntaxKind.PercentToken:
      return b === 0n ? undefined : a % b;
    case ts.SyntaxKind.AsteriskAsteriskToken:
      return b < 0n || b > LARGEST_SHIFT ? undefined : a ** b;
    case ts.SyntaxKind.AmpersandToken:
      return a & b;
    case ts.SyntaxKind.BarToken:
      return a | b;
    case ts.SyntaxKind.CaretToken:
      return a ^ b;
    case ts.SyntaxKind.LessThanLessThanToken:
      return b < 0n || b > LARGEST_SHIFT ? undefined : a << b;
    case ts.SyntaxKind.GreaterThanGreaterThanToken:
      return b < 0n || b > LARGEST_SHIFT ? undefined : a >> b;
    default:
      return comparison(operator, a, b);
  }
}

function comparison<T extends number | bigint>(operator: ts.SyntaxKind, a: T, b: T): boolean | undefined {
  switch (operator) {
    case ts.SyntaxKind.LessThanToken:
      return a < b;
    case ts.SyntaxKind.LessThanEqualsToken:
      return a <= b;
    case ts.SyntaxKind.GreaterThanToken:
      return a > b;
    case ts.SyntaxKind.GreaterThanEqualsToken:
      return a >= b;
    default:
      return undefined;
  }
}
