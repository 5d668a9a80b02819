import type { DialectType } from './types.ts';

/** A name for a type that is stable between compiles and unique in the program; also part of symbol names. */
export function typeKey(type: DialectType): string {
  switch (type.kind) {
    case 'integer':
      return type.literals === undefined
        ? type.name
        : `${type.big ? 'b' : 'n'}${type.literals.join('_')}`.replaceAll('-', 'm');
    case 'plain':
      return type.big ? 'bigint' : 'number';
    case 'object': {
      const name = type.declaration.name?.text ?? 'anonymous';
      if (type.typeArguments.length === 0) return name;
      return `${name}$${type.typeArguments.map(typeKey).join('$')}$`;
    }
    case 'view':
      return `view${type.node.pos}`;
    case 'bits':
      return `bits${type.node.pos}`;
    case 'array':
      return `${type.inline ? 'inline' : 'array'}$${typeKey(type.element)}$`;
    case 'function':
      return `function$${[...type.parameters, type.result].map(typeKey).join('$')}$`;
    case 'atomic':
      return `atomic${type.bits}`;
    case 'result':
      return `result$${typeKey(type.value)}$`;
    case 'unsupported':
      return 'unsupported';
    default:
      return type.kind;
  }
}

/** As `typeKey`, telling apart classes and structures of one name in different files. */
export function identityOf(type: DialectType): string {
  switch (type.kind) {
    case 'object': {
      const place = `${type.declaration.getSourceFile().fileName}:${type.declaration.pos}`;
      return `${place}<${type.typeArguments.map(identityOf).join()}>`;
    }
    case 'view':
    case 'bits':
      return `${type.node.getSourceFile().fileName}:${type.node.pos}`;
    case 'array':
      return `${type.inline ? 'inline' : 'array'}<${identityOf(type.element)}>`;
    case 'result':
      return `result<${identityOf(type.value)}>`;
    case 'function':
      return `function<${[...type.parameters, type.result].map(identityOf).join()}>`;
    default:
      return typeKey(type);
  }
}

export const sameType = (a: DialectType, b: DialectType): boolean => identityOf(a) === identityOf(b);

/** As a message shows a type. */
export function describe(type: DialectType): string {
  switch (type.kind) {
    case 'integer':
      return type.name;
    case 'plain':
      return type.big ? 'bigint' : 'number';
    case 'object':
      return type.declaration.name?.text ?? 'object';
    case 'unsupported':
      return type.text;
    case 'result':
      return `Result<${describe(type.value)}>`;
    case 'array':
      return `array of ${describe(type.element)}`;
    default:
      return type.kind;
  }
}
