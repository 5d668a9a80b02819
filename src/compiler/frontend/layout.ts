import ts from 'typescript';
import { notConstant, resultStored, unsupportedType, viewStored } from '../rules/values.ts';
import { type Constants, unwrapped } from './constants.ts';
import { broken, type Diagnostic } from './diagnostics.ts';
import { identityOf, typeKey } from './type-names.ts';
import {
  type BitsType,
  type DialectType,
  type IntegerType,
  integers,
  isIntegerName,
  NO_ENVIRONMENT,
  type ObjectType,
  type TypeEnvironment,
  type TypeResolver,
  VOID,
} from './types.ts';

/** Storage made in place by `array`, `references`, `embed`, `new`, `table`, `sparseTable` or `bytes`. */
export interface InlineStorage {
  readonly type: DialectType;
  readonly size: number;
  readonly alignment: number;
  /** Elements, for arrays. */
  readonly length?: number;
}

export interface ClassField {
  readonly name: string;
  readonly type: DialectType;
  readonly offset: number;
  readonly size: number;
  /** The object, array or cell lies in the field itself. */
  readonly inline: boolean;
  readonly length?: number;
  readonly node: ts.PropertyDeclaration;
}

export interface ClassLayout {
  readonly name: string;
  readonly size: number;
  readonly alignment: number;
  readonly fields: ReadonlyMap<string, ClassField>;
  readonly node: ts.ClassDeclaration;
  readonly environment: TypeEnvironment;
}

export interface BitField {
  readonly name: string;
  readonly shift: number;
  readonly width: number;
}

export interface StructField {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  readonly alignment: number;
  /** An integer, `bits`, `array` or `view`. */
  readonly type: DialectType;
  readonly length?: number;
}

export interface StructLayout {
  readonly name: string;
  readonly size: number;
  readonly alignment: number;
  readonly fields: ReadonlyMap<string, StructField>;
  readonly node: ts.ObjectLiteralExpression;
}

const FIELD_NAMES: Readonly<Record<string, IntegerType>> = {
  f8: integers.u8,
  f16: integers.u16,
  f32: integers.u32,
  f64: integers.u64,
};

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

/** Where fields lie: classes as C lays out structures, `struct` likewise, `packed` without padding. */
export class Layouts {
  readonly #checker: ts.TypeChecker;
  readonly #types: TypeResolver;
  readonly #constants: Constants;
  readonly #report: (diagnostic: Diagnostic) => void;
  readonly #classes = new Map<string, ClassLayout>();
  readonly #structs = new Map<ts.ObjectLiteralExpression, StructLayout>();
  readonly #bits = new Map<ts.ObjectLiteralExpression, readonly BitField[]>();

  constructor(
    checker: ts.TypeChecker,
    types: TypeResolver,
    constants: Constants,
    report: (diagnostic: Diagnostic) => void,
  ) {
    this.#checker = checker;
    this.#types = types;
    this.#constants = constants;
    this.#report = report;
    constants.queries = { property: (node) => this.#queriedProperty(node), call: (node) => this.#queriedCall(node) };
  }

  /** Bytes and alignment of a value in memory. */
  storageOf(type: DialectType, node: ts.Node): { size: number; alignment: number } {
    switch (type.kind) {
      case 'integer':
        return { size: type.bits / 8, alignment: type.bits / 8 };
      case 'boolean':
        return { size: 1, alignment: 1 };
      case 'atomic':
        return { size: type.bits / 8, alignment: type.bits / 8 };
      case 'view':
        this.#report(broken(viewStored(), node));
        return { size: 8, alignment: 8 };
      case 'plain':
      case 'object':
      case 'function':
      case 'null':
        return { size: 8, alignment: 8 };
      case 'string':
        return { size: 16, alignment: 8 };
      case 'result':
      case 'error':
        this.#report(broken(resultStored(), node));
        return { size: 8, alignment: 8 };
      default:
        this.#report(broken(unsupportedType(type.kind === 'unsupported' ? type.text : type.kind), node));
        return { size: 8, alignment: 8 };
    }
  }

  /** The distance between two elements of an array. */
  elementOf(type: DialectType, inline: boolean, node: ts.Node): { size: number; alignment: number } {
    if (inline && type.kind === 'object') return this.class(type);
    if (inline && type.kind === 'view') return this.struct(type.node);
    return this.storageOf(type, node);
  }

  environmentOf(type: ObjectType): TypeEnvironment {
    const parameters = new Map<ts.Symbol, DialectType>();
    (type.declaration.typeParameters ?? []).forEach((parameter, index) => {
      const symbol = this.#checker.getSymbolAtLocation(parameter.name);
      const argument = type.typeArguments[index];
      if (symbol !== undefined && argument !== undefined) parameters.set(symbol, argument);
    });
    return { parameters, self: type };
  }

  class(type: ObjectType): ClassLayout {
    const key = identityOf(type);
    const known = this.#classes.get(key);
    if (known !== undefined) return known;
    const environment = this.environmentOf(type);
    const fields = new Map<string, ClassField>();
    let end = 0;
    let alignment = 1;
    for (const member of type.declaration.members) {
      if (!ts.isPropertyDeclaration(member) || isStatic(member)) continue;
      const field = this.#classField(member, environment);
      const offset = alignUp(end, field.alignment);
      const name = member.name.getText();
      fields.set(name, { name, offset, node: member, ...field });
      end = offset + field.size;
      alignment = Math.max(alignment, field.alignment);
    }
    const layout: ClassLayout = {
      name: typeKey(type).replaceAll(/\$+$/g, ''),
      size: Math.max(alignUp(end, alignment), alignment),
      alignment,
      fields,
      node: type.declaration,
      environment,
    };
    this.#classes.set(key, layout);
    return layout;
  }

  #classField(member: ts.PropertyDeclaration, environment: TypeEnvironment) {
    const storage = member.initializer && this.inlineStorage(member.initializer, environment);
    if (storage !== undefined) return { ...storage, inline: true };
    const type = this.#types.of(member.name, environment);
    if (type.kind === 'atomic') return { type, ...this.storageOf(type, member), inline: true };
    return { type, ...this.storageOf(type, member), inline: false };
  }

  /** What an initialiser makes in place, undefined when it is an ordinary value. */
  inlineStorage(initialiser: ts.Expression, environment: TypeEnvironment): InlineStorage | undefined {
    const node = unwrapped(initialiser);
    if (ts.isNewExpression(node)) {
      const type = this.#types.of(node, environment);
      if (type.kind === 'atomic') return { type, ...this.storageOf(type, node) };
      if (type.kind !== 'object') return undefined;
      const { size, alignment } = this.class(type);
      return { type, size, alignment };
    }
    if (!ts.isCallExpression(node)) return undefined;
    const name = this.#constants.libraryName(node.expression);
    if (name === 'aligned') return this.#aligned(node, environment);
    if (name === 'embed') return this.#embedded(node, environment);
    const length = this.#lengthOf(node, name);
    if (length === undefined) return undefined;
    const type = this.#types.of(node, environment);
    if (type.kind !== 'array') return undefined;
    const element = this.elementOf(type.element, type.inline, node);
    const size = alignUp(element.size, element.alignment) * length;
    return { type, size, alignment: element.alignment, length };
  }

  #aligned(node: ts.CallExpression, environment: TypeEnvironment): InlineStorage | undefined {
    const [alignment, inner] = node.arguments;
    const storage = inner && this.inlineStorage(inner, environment);
    const bytes = alignment && this.#constants.integer(alignment);
    return storage && bytes !== undefined ? { ...storage, alignment: Number(bytes) } : storage;
  }

  #embedded(node: ts.CallExpression, environment: TypeEnvironment): InlineStorage | undefined {
    const type = this.#types.of(node, environment);
    if (type.kind === 'view')
      return { type, size: this.struct(type.node).size, alignment: this.struct(type.node).alignment };
    if (type.kind !== 'object') return undefined;
    const { size, alignment } = this.class(type);
    return { type, size, alignment };
  }

  /** The number of elements that a call of `array`, `references`, `table`, `sparseTable` or `bytes` makes. */
  #lengthOf(node: ts.CallExpression, name: string | undefined): number | undefined {
    const [first, second] = node.arguments;
    if (first === undefined) return undefined;
    if (name === 'bytes') {
      const text = this.#constants.evaluate(first);
      return typeof text === 'string' ? text.length : undefined;
    }
    if (name === 'table') {
      const elements = unwrapped(first);
      return ts.isArrayLiteralExpression(elements) ? elements.elements.length : undefined;
    }
    const count = name === 'array' ? second : name === 'references' || name === 'sparseTable' ? first : undefined;
    if (count === undefined) return undefined;
    const length = this.#constants.integer(count);
    if (length !== undefined) return Number(length);
    this.#report(broken(notConstant('the length of an array'), count));
    return 1;
  }

  struct(node: ts.ObjectLiteralExpression): StructLayout {
    const known = this.#structs.get(node);
    if (known !== undefined) return known;
    const call = node.parent as ts.CallExpression;
    const dense = this.#constants.libraryName(call.expression) === 'packed';
    const fields = new Map<string, StructField>();
    let end = 0;
    let alignment = 1;
    for (const property of node.properties) {
      if (!ts.isPropertyAssignment(property)) continue;
      const field = this.#structField(property.initializer);
      if (field === undefined) {
        this.#report(broken(notConstant('the type of a field'), property));
        continue;
      }
      const step = dense ? 1 : field.alignment;
      const offset = alignUp(end, step);
      const name = property.name.getText();
      fields.set(name, { name, offset, ...field });
      end = offset + field.size;
      alignment = Math.max(alignment, step);
    }
    const variable = call.parent;
    const name = ts.isVariableDeclaration(variable) ? variable.name.getText() : 'struct';
    const layout: StructLayout = { name, size: alignUp(end, alignment), alignment, fields, node };
    this.#structs.set(node, layout);
    return layout;
  }

  #structField(initialiser: ts.Expression): Omit<StructField, 'name' | 'offset'> | undefined {
    const node = unwrapped(initialiser);
    const scalar = this.#scalar(node);
    if (scalar !== undefined) return { type: scalar, size: scalar.bits / 8, alignment: scalar.bits / 8 };
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const carrier = this.#scalar(node.expression.expression);
      const widths = node.arguments[0];
      if (carrier === undefined || widths === undefined || !ts.isObjectLiteralExpression(widths)) return undefined;
      const type: BitsType = { kind: 'bits', node: widths, carrier };
      return { type, size: carrier.bits / 8, alignment: carrier.bits / 8 };
    }
    if (ts.isCallExpression(node)) return this.inlineStorage(node, NO_ENVIRONMENT);
    const nested = this.structOf(node);
    if (nested === undefined) return undefined;
    const { size, alignment } = this.struct(nested);
    return { type: { kind: 'view', node: nested }, size, alignment };
  }

  #scalar(node: ts.Expression): IntegerType | undefined {
    const name = this.#constants.libraryName(node);
    if (name === undefined) return undefined;
    return FIELD_NAMES[name] ?? (isIntegerName(name) ? integers[name] : undefined);
  }

  /** The fields literal of the `struct(...)` constant that an expression names. */
  structOf(node: ts.Expression): ts.ObjectLiteralExpression | undefined {
    const initialiser = this.#constants.initialiserOf(unwrapped(node));
    const call = initialiser === undefined ? undefined : unwrapped(initialiser);
    if (call === undefined || !ts.isCallExpression(call)) return undefined;
    const name = this.#constants.libraryName(call.expression);
    const fields = call.arguments[0];
    if ((name !== 'struct' && name !== 'packed') || fields === undefined) return undefined;
    return ts.isObjectLiteralExpression(fields) ? fields : undefined;
  }

  bits(type: BitsType): readonly BitField[] {
    const known = this.#bits.get(type.node);
    if (known !== undefined) return known;
    const fields: BitField[] = [];
    let shift = 0;
    for (const property of type.node.properties) {
      if (!ts.isPropertyAssignment(property)) continue;
      const width = Number(this.#constants.integer(property.initializer) ?? 0n);
      const name = property.name.getText();
      if (!name.startsWith('_')) fields.push({ name, shift, width });
      shift += width;
    }
    this.#bits.set(type.node, fields);
    return fields;
  }

  #queriedProperty(node: ts.PropertyAccessExpression): number | undefined {
    const name = node.name.text;
    if (name === 'size' || name === 'alignment') {
      const fields = this.structOf(node.expression);
      if (fields !== undefined) return this.struct(fields)[name];
      const integer = this.#scalar(node.expression);
      return integer === undefined ? undefined : integer.bits / 8;
    }
    if (name !== 'length') return undefined;
    const initialiser = this.#constants.initialiserOf(node.expression);
    return initialiser === undefined ? undefined : this.inlineStorage(initialiser, NO_ENVIRONMENT)?.length;
  }

  #queriedCall(node: ts.CallExpression): number | undefined {
    const [first, second] = node.arguments;
    if (ts.isPropertyAccessExpression(node.expression) && node.expression.name.text === 'offsetOf') {
      const fields = this.structOf(node.expression.expression);
      if (fields === undefined || first === undefined || !ts.isStringLiteral(first)) return undefined;
      return this.struct(fields).fields.get(first.text)?.offset;
    }
    const name = this.#constants.libraryName(node.expression);
    if ((name !== 'sizeOf' && name !== 'offsetOf') || first === undefined) return undefined;
    const type = this.classNamed(first);
    if (type === undefined) return undefined;
    if (name === 'sizeOf') return this.class(type).size;
    return second && ts.isStringLiteral(second) ? this.class(type).fields.get(second.text)?.offset : undefined;
  }

  /** The class that an expression names, its type parameters unset. */
  classNamed(node: ts.Expression): ObjectType | undefined {
    const declaration = this.#constants.symbolOf(unwrapped(node))?.valueDeclaration;
    if (declaration === undefined || !ts.isClassDeclaration(declaration)) return undefined;
    return { kind: 'object', declaration, typeArguments: (declaration.typeParameters ?? []).map(() => VOID) };
  }
}

const isStatic = (member: ts.PropertyDeclaration): boolean =>
  member.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.StaticKeyword) ?? false;
