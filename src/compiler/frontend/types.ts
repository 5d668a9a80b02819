import ts from 'typescript';
import { type Interval, interval, ofWidth } from './interval.ts';
import { isLibraryFile } from './program.ts';
import { sameType } from './type-names.ts';

export type IntegerName = 'u8' | 'u16' | 'u32' | 'i8' | 'i16' | 'i32' | 'u64' | 'i64' | 'usize';

/** An integer with a declared width: a brand, an address, or a union of literals. */
export interface IntegerType {
  readonly kind: 'integer';
  /** As the programmer wrote it: `u32`, `PhysAddr`, `State`. */
  readonly name: string;
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
  /** A bigint in JavaScript. */
  readonly big: boolean;
  readonly range: Interval;
  /** The literals of a union. */
  readonly literals?: readonly bigint[];
  /** Where a union of literals was given its name. */
  readonly declaration?: ts.TypeAliasDeclaration;
}

/** A number or bigint whose width nobody declared. */
export interface PlainType {
  readonly kind: 'plain';
  readonly big: boolean;
}

/** An instance of a class: a pointer to it, or 0 for null. */
export interface ObjectType {
  readonly kind: 'object';
  readonly declaration: ts.ClassDeclaration;
  readonly typeArguments: readonly DialectType[];
}

/** A structure's view: a pointer to memory that `node`, the object literal of fields, describes. */
export interface ViewType {
  readonly kind: 'view';
  readonly node: ts.ObjectLiteralExpression;
}

/** The bit fields of one structure field. */
export interface BitsType {
  readonly kind: 'bits';
  readonly node: ts.ObjectLiteralExpression;
  readonly carrier: IntegerType;
}

export interface ArrayType {
  readonly kind: 'array';
  readonly element: DialectType;
  /** Elements are objects or structures themselves, not references to them. */
  readonly inline: boolean;
}

export interface FunctionType {
  readonly kind: 'function';
  readonly parameters: readonly DialectType[];
  readonly result: DialectType;
}

export type DialectType =
  | IntegerType
  | PlainType
  | ObjectType
  | ViewType
  | BitsType
  | ArrayType
  | FunctionType
  | { readonly kind: 'boolean' | 'void' | 'never' | 'null' | 'string' | 'hex' }
  | { readonly kind: 'atomic'; readonly bits: 32 | 64 }
  | { readonly kind: 'result'; readonly value: DialectType }
  | { readonly kind: 'error' }
  /** Something the dialect has no use for; refused where it is used. */
  | { readonly kind: 'unsupported'; readonly text: string };

const integer = (name: string, bits: 8 | 16 | 32 | 64, signed: boolean, big = bits === 64): IntegerType => ({
  kind: 'integer',
  name,
  bits,
  signed,
  big,
  range: ofWidth(bits, signed),
});

export const integers: Readonly<Record<IntegerName, IntegerType>> = {
  u8: integer('u8', 8, false),
  u16: integer('u16', 16, false),
  u32: integer('u32', 32, false),
  i8: integer('i8', 8, true),
  i16: integer('i16', 16, true),
  i32: integer('i32', 32, true),
  u64: integer('u64', 64, false),
  i64: integer('i64', 64, true),
  usize: integer('usize', 64, false),
};

export const isIntegerName = (name: string): name is IntegerName => Object.hasOwn(integers, name);

export const addresses: Readonly<Record<string, IntegerType>> = {
  physical: integer('PhysAddr', 64, false),
  virtual: integer('VirtAddr', 64, false),
  user: integer('UserPtr', 64, false),
};

/**
 * What a variable or field of the type may hold. A union of literals promises less than it says: `as` can put any value of
 * its width there, and Node would carry it along.
 */
export const rangeOfType = (type: IntegerType): Interval =>
  type.literals === undefined ? type.range : ofWidth(type.bits, type.signed);

export const BOOLEAN: DialectType = { kind: 'boolean' };
export const VOID: DialectType = { kind: 'void' };
export const STRING: DialectType = { kind: 'string' };
export const NULL: DialectType = { kind: 'null' };
export const NEVER: DialectType = { kind: 'never' };
export const PLAIN_NUMBER: PlainType = { kind: 'plain', big: false };
export const PLAIN_BIGINT: PlainType = { kind: 'plain', big: true };
export const ERRNO: IntegerType = { ...integer('Errno', 32, false), range: interval(1n, 4095n) };

/** What the type parameters and `this` stand for in the function being compiled. */
export interface TypeEnvironment {
  readonly parameters: ReadonlyMap<ts.Symbol, DialectType>;
  readonly self: ObjectType | null;
}

export const NO_ENVIRONMENT: TypeEnvironment = { parameters: new Map(), self: null };

/** Turns the checker's types into the dialect's. */
export class TypeResolver {
  readonly #checker: ts.TypeChecker;
  readonly #resolved = new WeakMap<TypeEnvironment, Map<ts.Type, DialectType>>();

  constructor(checker: ts.TypeChecker) {
    this.#checker = checker;
  }

  /** The type of a declared name, or of an expression as the checker narrowed it. */
  of(node: ts.Node, environment: TypeEnvironment): DialectType {
    return this.resolve(this.#checker.getTypeAtLocation(node), environment);
  }

  /** The declared type of a property, parameter or variable. */
  ofSymbol(symbol: ts.Symbol, environment: TypeEnvironment): DialectType {
    return this.resolve(this.#checker.getTypeOfSymbol(symbol), environment);
  }

  /** The result type of a function or method. */
  resultOf(declaration: ts.SignatureDeclaration, environment: TypeEnvironment): DialectType {
    const signature = this.#checker.getSignatureFromDeclaration(declaration);
    if (signature === undefined) return VOID;
    return this.resolve(signature.getReturnType(), environment);
  }

  resolve(type: ts.Type, environment: TypeEnvironment): DialectType {
    let resolved = this.#resolved.get(environment);
    if (resolved === undefined) {
      resolved = new Map();
      this.#resolved.set(environment, resolved);
    }
    const known = resolved.get(type);
    if (known !== undefined) return known;
    const result = this.#resolve(type, environment);
    resolved.set(type, result);
    return result;
  }

  #resolve(type: ts.Type, environment: TypeEnvironment): DialectType {
    if (type.flags & ts.TypeFlags.TypeParameter) return this.#parameter(type, environment);
    if (type.flags & ts.TypeFlags.BooleanLike) return BOOLEAN;
    if (type.flags & ts.TypeFlags.StringLike) return STRING;
    if (type.flags & (ts.TypeFlags.Void | ts.TypeFlags.Undefined)) return VOID;
    if (type.flags & ts.TypeFlags.Never) return NEVER;
    if (type.flags & ts.TypeFlags.Null) return NULL;
    if (type.flags & ts.TypeFlags.NumberLiteral) return this.#literals([type as ts.LiteralType], undefined, type);
    if (type.flags & ts.TypeFlags.BigIntLiteral) return this.#literals([type as ts.LiteralType], undefined, type);
    if (type.flags & ts.TypeFlags.Number) return PLAIN_NUMBER;
    if (type.flags & ts.TypeFlags.BigInt) return PLAIN_BIGINT;
    if (type.isIntersection()) return this.#intersection(type, environment);
    if (type.isUnion()) return this.#union(type, environment);
    if (type.flags & ts.TypeFlags.Object) return this.#object(type as ts.ObjectType, environment);
    return this.#unsupported(type);
  }

  #unsupported(type: ts.Type): DialectType {
    return { kind: 'unsupported', text: this.#checker.typeToString(type) };
  }

  #parameter(type: ts.Type, environment: TypeEnvironment): DialectType {
    const self = (type as { isThisType?: boolean }).isThisType === true;
    if (self && environment.self !== null) return environment.self;
    return environment.parameters.get(type.symbol) ?? this.#unsupported(type);
  }

  #intersection(type: ts.IntersectionType, environment: TypeEnvironment): DialectType {
    for (const part of type.types) {
      if (part.flags & ts.TypeFlags.TypeParameter) return this.#parameter(part, environment);
    }
    for (const property of type.getProperties()) {
      const name = property.escapedName as string;
      const brand = this.#checker.getTypeOfSymbol(property);
      const text = this.#literalText(brand);
      if (text === undefined) continue;
      if (name.startsWith('__@width') && isIntegerName(text)) return integers[text];
      if (name.startsWith('__@space')) return addresses[text] ?? this.#unsupported(type);
    }
    const objects = type.types.filter((part) => part.flags & ts.TypeFlags.Object && part.symbol?.members?.size !== 0);
    return objects.length === 1 ? this.resolve(objects[0]!, environment) : this.#unsupported(type);
  }

  #literalText(type: ts.Type): string | undefined {
    const parts = type.isUnion() ? type.types : [type];
    return parts.find((part): part is ts.StringLiteralType => part.isStringLiteral())?.value;
  }

  #union(type: ts.UnionType, environment: TypeEnvironment): DialectType {
    const parts = type.types.filter((part) => !(part.flags & (ts.TypeFlags.Null | ts.TypeFlags.Undefined)));
    if (parts.length === 0) return NULL;
    if (parts.length < type.types.length && parts.length === 1) return this.resolve(parts[0]!, environment);
    if (parts.every((part) => part.flags & ts.TypeFlags.BooleanLike)) return BOOLEAN;
    const literal = ts.TypeFlags.NumberLiteral | ts.TypeFlags.BigIntLiteral;
    if (parts.every((part) => part.flags & literal)) {
      return this.#literals(parts as ts.LiteralType[], type.aliasSymbol, type);
    }
    const result = this.#result(parts, environment);
    if (result !== undefined) return result;
    const distinct = parts.filter((part) => !(part.flags & literal)).map((part) => this.resolve(part, environment));
    const first = distinct[0]!;
    if (distinct.every((other) => sameType(other, first))) return first;
    const wide = distinct.filter((part) => part.kind !== 'plain');
    if (wide.length > 0 && wide.every((part) => sameType(part, wide[0]!))) return wide[0]!;
    return this.#unsupported(type);
  }

  #literals(parts: readonly ts.LiteralType[], alias: ts.Symbol | undefined, type: ts.Type): DialectType {
    const values = parts.map((part) => literalValue(part)).sort((a, b) => (a < b ? -1 : 1));
    const big = (parts[0]!.flags & ts.TypeFlags.BigIntLiteral) !== 0;
    const low = values[0]!;
    const high = values.at(-1)!;
    const signed = low < 0n;
    const bits = big ? 64 : 32;
    const name = alias?.name ?? this.#checker.typeToString(type);
    const declaration = alias?.declarations?.find(ts.isTypeAliasDeclaration);
    const shape = { kind: 'integer', name, bits, signed, big, range: interval(low, high), literals: values } as const;
    return declaration === undefined ? shape : { ...shape, declaration };
  }

  /** `Ok<T> | Err`, or what narrowing left of it. */
  #result(parts: readonly ts.Type[], environment: TypeEnvironment): DialectType | undefined {
    let value: DialectType | undefined;
    for (const part of parts) {
      const name = libraryName(part);
      if (name !== 'Ok' && name !== 'Err') return undefined;
      if (name === 'Err') continue;
      const argument = this.#checker.getTypeArguments(part as ts.TypeReference)[0];
      const resolved = argument === undefined ? VOID : this.resolve(argument, environment);
      if (value === undefined || (resolved.kind === 'integer' && resolved.literals === undefined)) value = resolved;
    }
    return value === undefined ? { kind: 'error' } : { kind: 'result', value };
  }

  #object(type: ts.ObjectType, environment: TypeEnvironment): DialectType {
    const library = libraryName(type);
    if (library !== undefined) {
      const known = this.#libraryObject(type, library, environment);
      if (known !== undefined) return known;
    }
    if (type.aliasSymbol !== undefined && isLibrarySymbol(type.aliasSymbol)) {
      const view = this.#view(type, type.aliasSymbol.name);
      if (view !== undefined) return view;
    }
    const declaration = type.symbol?.valueDeclaration;
    if (declaration !== undefined && ts.isClassDeclaration(declaration) && type.isClassOrInterface() === false) {
      const typeArguments = this.#checker.getTypeArguments(type as ts.TypeReference);
      return this.#class(declaration, typeArguments, environment);
    }
    if (declaration !== undefined && ts.isClassDeclaration(declaration)) {
      return this.#class(declaration, (type as ts.InterfaceType).typeParameters ?? [], environment);
    }
    const [signature] = type.getCallSignatures();
    return signature === undefined ? this.#unsupported(type) : this.#function(signature, environment);
  }

  #class(node: ts.ClassDeclaration, args: readonly ts.Type[], environment: TypeEnvironment): DialectType {
    const count = node.typeParameters?.length ?? 0;
    const typeArguments = args.slice(0, count).map((argument) => this.resolve(argument, environment));
    return { kind: 'object', declaration: node, typeArguments };
  }

  #function(signature: ts.Signature, environment: TypeEnvironment): FunctionType {
    const parameters = signature.parameters.map((parameter) => this.ofSymbol(parameter, environment));
    return { kind: 'function', parameters, result: this.resolve(signature.getReturnType(), environment) };
  }

  #view(type: ts.Type, alias: string): DialectType | undefined {
    const [fields] = type.aliasTypeArguments ?? [];
    const node = fields?.symbol?.declarations?.[0];
    if (alias !== 'View' || node === undefined || !ts.isObjectLiteralExpression(node)) return undefined;
    return { kind: 'view', node };
  }

  #libraryObject(type: ts.Type, name: string, environment: TypeEnvironment): DialectType | undefined {
    const argument = (): DialectType => {
      const [first] = this.#checker.getTypeArguments(type as ts.TypeReference);
      return first === undefined ? VOID : this.resolve(first, environment);
    };
    switch (name) {
      case 'Atomic32':
        return { kind: 'atomic', bits: 32 };
      case 'Atomic64':
        return { kind: 'atomic', bits: 64 };
      case 'Ok':
        return { kind: 'result', value: argument() };
      case 'Err':
        return { kind: 'error' };
      case 'FixedArray':
      case 'Table':
        return { kind: 'array', element: argument(), inline: false };
      case 'InlineArray':
        return { kind: 'array', element: argument(), inline: true };
      case 'Hex':
        return { kind: 'hex' };
      default:
        return undefined;
    }
  }
}

export function literalValue(type: ts.LiteralType): bigint {
  if (typeof type.value === 'number') return Number.isInteger(type.value) ? BigInt(type.value) : 0n;
  const { negative, base10Value } = type.value as ts.PseudoBigInt;
  return negative ? -BigInt(base10Value) : BigInt(base10Value);
}

export function isLibrarySymbol(symbol: ts.Symbol): boolean {
  const declaration = symbol.declarations?.[0];
  return declaration !== undefined && isLibraryFile(declaration.getSourceFile());
}

/** The name of a type that the dialect's library declares. */
function libraryName(type: ts.Type): string | undefined {
  const symbol = type.symbol;
  return symbol !== undefined && isLibrarySymbol(symbol) ? symbol.name : undefined;
}
