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
    return Constants.#evaluators[node.kind]?.(this, node as never);
  }

  static readonly #evaluators: {
    readonly [kind in ts.SyntaxKind]?: (constants: Constants, node: never) => Constant | undefined;
  } = {
    [ts.SyntaxKind.NumericLiteral]: (_, { text }: ts.NumericLiteral) => Number(text),
    [ts.SyntaxKind.BigIntLiteral]: (_, { text }: ts.BigIntLiteral) => BigInt(text.slice(0, -1)),
    [ts.SyntaxKind.StringLiteral]: (_, { text }: ts.StringLiteral) => text,
    [ts.SyntaxKind.NoSubstitutionTemplateLiteral]: (_, { text }: ts.NoSubstitutionTemplateLiteral) => text,
    [ts.SyntaxKind.TrueKeyword]: () => true,
    [ts.SyntaxKind.FalseKeyword]: () => false,
    [ts.SyntaxKind.NullKeyword]: () => null,
    [ts.SyntaxKind.ParenthesizedExpression]: evaluateInner,
    [ts.SyntaxKind.AsExpression]: evaluateInner,
    [ts.SyntaxKind.SatisfiesExpression]: evaluateInner,
    [ts.SyntaxKind.NonNullExpression]: evaluateInner,
    [ts.SyntaxKind.PrefixUnaryExpression]: (constants, node: ts.PrefixUnaryExpression) => constants.#unary(node),
    [ts.SyntaxKind.BinaryExpression]: (constants, node: ts.BinaryExpression) => constants.#binary(node),
    [ts.SyntaxKind.ConditionalExpression]: (constants, node: ts.ConditionalExpression) => constants.#conditional(node),
    [ts.SyntaxKind.Identifier]: (constants, node: ts.Identifier) => constants.#name(node),
    [ts.SyntaxKind.PropertyAccessExpression]: (constants, node: ts.PropertyAccessExpression) =>
      constants.#property(node),
    [ts.SyntaxKind.CallExpression]: (constants, node: ts.CallExpression) => constants.#call(node),
  };

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

  #conditional({ condition, whenTrue, whenFalse }: ts.ConditionalExpression): Constant | undefined {
    const test = this.evaluate(condition);
    return test === undefined ? undefined : this.evaluate(test ? whenTrue : whenFalse);
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

function evaluateInner(constants: Constants, { expression }: { readonly expression: ts.Expression }) {
  return constants.evaluate(expression);
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
