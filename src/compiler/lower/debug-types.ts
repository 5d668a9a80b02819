import ts from 'typescript';
import type { Constants } from '../frontend/constants.ts';
import type { ClassField, Layouts } from '../frontend/layout.ts';
import { identityOf } from '../frontend/type-names.ts';
import { type BitsType, type DialectType, type IntegerType, integers, type ObjectType } from '../frontend/types.ts';
import type { DebugMember, DebugType, Span } from '../ir/module.ts';

interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}

/** The debugger's view of the dialect's types. */
export class DebugTypes {
  readonly #types: DebugType[];
  readonly #layouts: Layouts;
  readonly #constants: Constants;
  readonly #spanOf: (node: ts.Node) => Span;
  readonly #known = new Map<string, number>();

  constructor(types: DebugType[], layouts: Layouts, constants: Constants, spanOf: (node: ts.Node) => Span) {
    this.#types = types;
    this.#layouts = layouts;
    this.#constants = constants;
    this.#spanOf = spanOf;
  }

  #add(key: string, type: DebugType): number {
    const index = this.#types.push(type) - 1;
    this.#known.set(key, index);
    return index;
  }

  /** The type of a variable, field or parameter that holds such a value; -1 for none. */
  of(type: DialectType): number {
    const key = `value ${identityOf(type)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    switch (type.kind) {
      case 'integer':
        return this.#integer(key, type);
      case 'boolean':
        return this.#add(key, { kind: 'base', name: 'boolean', encoding: 'boolean', size: 1 });
      case 'object':
      case 'view':
      case 'bits':
      case 'atomic':
        return this.#pointer(key, type);
      case 'string':
        return this.#string(key);
      case 'function':
        return this.#function(key, type.parameters, type.result);
      default:
        return -1;
    }
  }

  /** The type of storage in place: the object or array itself. */
  inline(type: DialectType, length: number | undefined): number {
    if (type.kind === 'array') {
      const element = type.inline ? this.inline(type.element, undefined) : this.of(type.element);
      const key = `array ${element} ${length}`;
      return this.#known.get(key) ?? this.#add(key, { kind: 'array', element, count: length ?? 0 });
    }
    if (type.kind === 'object') return this.#class(type);
    if (type.kind === 'view') return this.#struct(type.node);
    if (type.kind === 'atomic') return this.of(type.bits === 32 ? integers.u32 : integers.u64);
    return this.of(type);
  }

  #integer(key: string, type: IntegerType): number {
    const values = this.#enumerators(type);
    if (values.length > 0) return this.#enumeration(key, type.name, values);
    const encoding = type.signed ? 'signed' : 'unsigned';
    const size = (type.bits / 8) as 1 | 2 | 4 | 8;
    return this.#add(key, { kind: 'base', name: type.name, encoding, size });
  }

  #enumeration(key: string, name: string, values: readonly Enumerator[]): number {
    const signed = values.some(({ value }) => value < 0n);
    return this.#add(key, {
      kind: 'enumeration',
      name,
      underlying: this.of(signed ? integers.i32 : integers.u32),
      values,
    });
  }

  /** `type State = (typeof State)[keyof typeof State]`: the names that the constant object gives to the literals. */
  #enumerators({ declaration, big }: IntegerType): Enumerator[] {
    if (declaration === undefined || big || !ts.isIndexedAccessTypeNode(declaration.type)) return [];
    const { objectType } = declaration.type;
    const object = ts.isParenthesizedTypeNode(objectType) ? objectType.type : objectType;
    const isNamed = ts.isTypeQueryNode(object) && ts.isIdentifier(object.exprName);
    return isNamed ? this.#members(object.exprName as ts.Identifier) : [];
  }

  /** The members of a constant object of integers. */
  #members(name: ts.Expression): Enumerator[] {
    return (this.#constants.namespaceOf(name)?.properties ?? []).flatMap((member) => {
      if (!ts.isPropertyAssignment(member)) return [];
      const value = this.#constants.integer(member.initializer);
      return value === undefined ? [] : [{ name: member.name.getText(), value }];
    });
  }

  /** The type of a field; an atomic cell that starts as a member of a constant object holds one of its members. */
  #field(field: ClassField): number {
    if (!field.inline) return this.of(field.type);
    const cell = field.node.initializer;
    const initial = cell !== undefined && ts.isNewExpression(cell) ? cell.arguments?.[0] : undefined;
    if (field.type.kind === 'atomic' && field.type.bits === 32 && initial && ts.isPropertyAccessExpression(initial)) {
      const values = this.#members(initial.expression);
      const name = initial.expression.getText();
      const key = `cell ${name} ${values.map((member) => member.name).join()}`;
      if (values.length > 0) return this.#known.get(key) ?? this.#enumeration(key, name, values);
    }
    return this.inline(field.type, field.length);
  }

  #pointer(key: string, type: DialectType): number {
    const index = this.#add(key, { kind: 'pointer', to: -1 });
    const to = type.kind === 'bits' ? this.of(type.carrier) : this.inline(type, undefined);
    this.#types[index] = { kind: 'pointer', to };
    return index;
  }

  #string(key: string): number {
    const character = this.#add('character', { kind: 'base', name: 'char', encoding: 'character', size: 1 });
    const pointer = this.#add('characters', { kind: 'pointer', to: character });
    const members: DebugMember[] = [
      { name: 'pointer', type: pointer, offset: 0 },
      { name: 'length', type: this.of(integers.u64), offset: 8 },
    ];
    return this.#add(key, { kind: 'structure', name: 'string', isClass: false, size: 16, members });
  }

  #function(key: string, parameters: readonly DialectType[], result: DialectType): number {
    const pointer = this.#add(key, { kind: 'pointer', to: -1 });
    const type: DebugType = {
      kind: 'function',
      parameters: parameters.map((parameter) => this.of(parameter)),
      result: this.of(result),
    };
    this.#types[pointer] = { kind: 'pointer', to: this.#types.push(type) - 1 };
    return pointer;
  }

  #class(type: ObjectType): number {
    const key = `class ${identityOf(type)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const layout = this.#layouts.class(type);
    const span = this.#spanOf(layout.node);
    const shape = { kind: 'structure', name: layout.name, isClass: true, size: layout.size, span } as const;
    const index = this.#add(key, { ...shape, members: [] });
    const members = [...layout.fields.values()].map((field) => ({
      name: field.name,
      type: this.#field(field),
      offset: field.offset,
    }));
    this.#types[index] = { ...shape, members };
    return index;
  }

  #struct(node: ts.ObjectLiteralExpression): number {
    const key = `struct ${node.getSourceFile().fileName}:${node.pos}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const layout = this.#layouts.struct(node);
    const span = this.#spanOf(node);
    const shape = { kind: 'structure', name: layout.name, isClass: false, size: layout.size, span } as const;
    const index = this.#add(key, { ...shape, members: [] });
    const members = [...layout.fields.values()].flatMap((field): DebugMember[] => {
      if (field.type.kind === 'bits') return this.#bits(field.type, field.offset);
      return [{ name: field.name, type: this.inline(field.type, field.length), offset: field.offset }];
    });
    this.#types[index] = { ...shape, members };
    return index;
  }

  #bits(type: BitsType, offset: number): DebugMember[] {
    const carrier = this.of(type.carrier);
    return this.#layouts.bits(type).map(({ name, shift, width }) => ({
      name,
      type: carrier,
      offset,
      bits: { offset: 8 * offset + shift, width },
    }));
  }
}
