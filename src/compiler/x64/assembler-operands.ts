import { EncodingError } from './encode.ts';
import type {
  FarOperand,
  ImmediateOperand,
  MemoryOperand,
  Operand,
  RegisterOperand,
  SpecialRegisterOperand,
  Width,
} from './operands.ts';

/** What names mean in one template. */
export interface SymbolScope {
  readonly operands: ReadonlyMap<string, Operand>;
  /** the symbol that an identifier refers to */
  readonly symbol: (name: string) => string;
  readonly isLabel: (name: string) => boolean;
}

const registers: ReadonlyMap<string, RegisterOperand> = (() => {
  const table = new Map<string, RegisterOperand>();
  const low = 'ax cx dx bx sp bp si di'.split(' ');
  const add = (name: string, register: number, width: Width) => table.set(name, { kind: 'register', register, width });
  low.forEach((name, number) => {
    add(name, number, 16);
    add(`e${name}`, number, 32);
    add(`r${name}`, number, 64);
  });
  'al cl dl bl spl bpl sil dil'.split(' ').forEach((name, number) => {
    add(name, number, 8);
  });
  'ah ch dh bh'.split(' ').forEach((name, register) => {
    table.set(name, { kind: 'register', register, width: 8, high: true });
  });
  for (let number = 8; number < 16; number++) {
    add(`r${number}`, number, 64);
    add(`r${number}d`, number, 32);
    add(`r${number}w`, number, 16);
    add(`r${number}b`, number, 8);
  }
  return table;
})();

const segmentNames = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const sizes: Readonly<Record<string, Width | 0>> = {
  byte: 8,
  word: 16,
  dword: 32,
  qword: 64,
  fword: 0,
  tbyte: 0,
  xmmword: 0,
};

/** Splits at commas outside brackets and quotes. */
export function splitOperands(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if ('[({'.includes(character)) depth++;
    else if ('])}'.includes(character)) depth--;
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  const last = text.slice(from).trim();
  return last === '' && parts.length === 0 ? [] : [...parts, last];
}

/** One operand; `branch` says that a bare name is a jump target. */
export function parseOperand(text: string, scope: SymbolScope, branch: boolean): Operand {
  const special = specialRegister(text) ?? registers.get(text.toLowerCase()) ?? placeholder(text, scope);
  if (special) return special;
  if (text.includes('[')) return parseMemory(text, scope);
  const far = /^([^:]+):([^:]+)$/.exec(text);
  if (far) return parseFar(far[1]!, far[2]!, scope);
  if (branch && /^[A-Za-z_.$][\w.$]*$/.test(text)) {
    const label = scope.symbol(text);
    return scope.isLabel(text) ? { kind: 'target', label } : { kind: 'target', label, symbol: true };
  }
  return parseExpression(text.replace(/^offset\s+/i, ''), scope);
}

const numberedKinds: Readonly<Record<string, SpecialRegisterOperand['kind']>> = {
  cr: 'control',
  dr: 'debug',
  xmm: 'xmm',
};

function specialRegister(text: string): Operand | undefined {
  const name = text.toLowerCase();
  const segment = segmentNames.indexOf(name);
  if (segment >= 0) return { kind: 'segment', register: segment };
  const match = /^(cr|dr|xmm)(\d|1[0-5])$/.exec(name);
  return match ? { kind: numberedKinds[match[1]!]!, register: Number(match[2]) } : undefined;
}

/** `{name}` or `{name.32}` */
function placeholder(text: string, scope: SymbolScope): Operand | undefined {
  const match = /^\{(\w+)(?:\.(8|16|32|64))?\}$/.exec(text);
  if (!match) return undefined;
  const operand = scope.operands.get(match[1]!);
  if (!operand) throw new EncodingError(`the template has no operand '${match[1]}'`);
  if (match[2] === undefined || operand.kind !== 'register') return operand;
  return { ...operand, width: Number(match[2]) as Width };
}

function parseFar(selector: string, offset: string, scope: SymbolScope): FarOperand {
  return {
    kind: 'far',
    selector: Number(parseExpression(selector, scope).value),
    offset: parseExpression(offset.trim().replace(/^offset\s+/i, ''), scope),
  };
}

/** `dword ptr gs:[rax + rcx*8 + name + 16]` */
function parseMemory(text: string, scope: SymbolScope): MemoryOperand {
  const match = /^(?:(\w+)\s+(?:ptr\s+)?)?(?:(\w\w)\s*:\s*)?\[(.*)\]$/i.exec(text.trim());
  if (!match) throw new EncodingError(`'${text}' is not an address`);
  const [, size, segment, inner] = match;
  const parts: { -readonly [K in keyof MemoryOperand]: MemoryOperand[K] } = {
    kind: 'memory',
    width: 0,
    displacement: 0,
  };
  if (size !== undefined) {
    const width = sizes[size.toLowerCase()];
    if (width === undefined) throw new EncodingError(`'${size}' is not an operand size`);
    parts.width = width;
  }
  if (segment !== undefined) {
    if (!segmentNames.includes(segment.toLowerCase())) throw new EncodingError(`'${segment}' is not a segment`);
    parts.segment = segment.toLowerCase() as NonNullable<MemoryOperand['segment']>;
  }
  const absolute = /^abs\s+/i.test(inner!);
  const constants: string[] = [];
  for (const { sign, term } of terms(inner!.replace(/^(rel|abs)\s+/i, ''))) {
    if (!addRegisterTerm(parts, sign, term, scope)) constants.push(`${sign}${term}`);
  }
  if (constants.length > 0) {
    const { value, symbol } = parseExpression(constants.join(' '), scope);
    parts.displacement = Number(value);
    if (symbol !== undefined) parts.symbol = symbol;
  }
  if (parts.symbol !== undefined && parts.base === undefined && parts.index === undefined && !absolute) {
    parts.relative = true;
  }
  return parts;
}

/** Top-level terms of a sum with their signs. */
function terms(text: string): { sign: '+' | '-'; term: string }[] {
  const result: { sign: '+' | '-'; term: string }[] = [];
  let depth = 0;
  let sign: '+' | '-' = '+';
  let term = '';
  const flush = () => {
    if (term.trim() !== '') result.push({ sign, term: term.trim() });
    term = '';
  };
  for (const character of text) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (depth === 0 && (character === '+' || character === '-')) {
      flush();
      sign = character;
    } else term += character;
  }
  flush();
  return result;
}

type MemoryParts = { -readonly [K in keyof MemoryOperand]: MemoryOperand[K] };

/** Takes a term that names a register, scaled or not; false for constants and symbols. */
function addRegisterTerm(parts: MemoryParts, sign: '+' | '-', term: string, scope: SymbolScope): boolean {
  const [left, right] = term.split('*').map((side) => side.trim());
  const registerOf = (text: string | undefined) => {
    const operand = text === undefined ? undefined : (registers.get(text.toLowerCase()) ?? placeholder(text, scope));
    return operand?.kind === 'register' ? operand : undefined;
  };
  const first = registerOf(left);
  const second = registerOf(right);
  const found = first ?? second;
  if (!found) return false;
  if (sign === '-' || found.width < 32) throw new EncodingError(`'${term}' cannot be part of an address`);
  const factor = right === undefined ? undefined : Number(first ? right : left);
  if (factor === undefined && parts.base === undefined) parts.base = found.register;
  else if (parts.index === undefined) {
    if (factor !== undefined && ![1, 2, 4, 8].includes(factor)) throw new EncodingError(`scale ${factor}`);
    if (found.register === 4) throw new EncodingError('rsp cannot be an index');
    parts.index = found.register;
    parts.scale = (factor ?? 1) as 1 | 2 | 4 | 8;
  } else throw new EncodingError('an address has one base and one index');
  return true;
}

/** A constant expression (+ - * | & << >> ~ and parentheses), with at most one symbol that is added. */
export function parseExpression(text: string, scope: SymbolScope): ImmediateOperand {
  return new Expression(text, scope).parse();
}

interface Value {
  readonly value: bigint;
  readonly symbol?: string;
}

const levels: readonly (readonly string[])[] = [['|'], ['&'], ['<<', '>>'], ['+', '-'], ['*']];

class Expression {
  readonly #tokens: string[];
  readonly #scope: SymbolScope;
  readonly #text: string;

  constructor(text: string, scope: SymbolScope) {
    this.#text = text;
    this.#tokens = text.match(/0x[\da-f]+|0b[01]+|\d+|[A-Za-z_.$][\w.$]*|'.'|<<|>>|\S/gi) ?? [];
    this.#scope = scope;
  }

  parse(): ImmediateOperand {
    const { value, symbol } = this.#level(0);
    if (this.#tokens.length > 0) throw new EncodingError(`'${this.#text}' is not an expression`);
    return symbol === undefined ? { kind: 'immediate', value } : { kind: 'immediate', value, symbol };
  }

  #level(level: number): Value {
    const operators = levels[level];
    if (!operators) return this.#unary();
    let left = this.#level(level + 1);
    while (operators.includes(this.#tokens[0] ?? '')) {
      const operator = this.#tokens.shift()!;
      left = this.#combine(operator, left, this.#level(level + 1));
    }
    return left;
  }

  #combine(operator: string, left: Value, right: Value): Value {
    if (operator === '+' && !(left.symbol && right.symbol)) {
      const symbol = left.symbol ?? right.symbol;
      const value = left.value + right.value;
      return symbol === undefined ? { value } : { value, symbol };
    }
    if (operator === '-' && right.symbol === undefined) return { ...left, value: left.value - right.value };
    if (left.symbol !== undefined || right.symbol !== undefined) {
      throw new EncodingError(`'${this.#text}': only a constant can be added to an address`);
    }
    const results: Record<string, () => bigint> = {
      '|': () => left.value | right.value,
      '&': () => left.value & right.value,
      '<<': () => left.value << right.value,
      '>>': () => left.value >> right.value,
      '*': () => left.value * right.value,
    };
    return { value: results[operator]!() };
  }

  #unary(): Value {
    const token = this.#tokens.shift();
    if (token === undefined) throw new EncodingError(`'${this.#text}' is not an expression`);
    if (token === '+') return this.#unary();
    if (token === '-' || token === '~') {
      const { value, symbol } = this.#unary();
      if (symbol !== undefined) throw new EncodingError(`'${this.#text}': an address cannot be negated`);
      return { value: token === '-' ? -value : ~value };
    }
    if (token === '(') {
      const inner = this.#level(0);
      if (this.#tokens.shift() !== ')') throw new EncodingError(`'${this.#text}': missing ')'`);
      return inner;
    }
    if (/^\d/.test(token)) return { value: BigInt(token) };
    if (/^'.'$/.test(token)) return { value: BigInt(token.charCodeAt(1)) };
    if (/^[A-Za-z_.$]/.test(token)) return { value: 0n, symbol: this.#scope.symbol(token) };
    throw new EncodingError(`'${this.#text}' is not an expression`);
  }
}
