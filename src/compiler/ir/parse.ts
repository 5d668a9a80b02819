import { bytesFromHex } from './hex.ts';
import type {
  Address,
  AsmOperand,
  Base,
  Block,
  Callee,
  DataObject,
  DebugType,
  Instruction,
  IrFunction,
  IrModule,
  Span,
  SwitchCase,
  Terminator,
  Type,
} from './module.ts';
import { type FieldKind, type Fields, instructionShapes, terminatorShapes } from './shapes.ts';

/** Reads what `printModule` writes. Throws an Error with the line's number when a line is malformed. */
export function parseModule(text: string): IrModule {
  const module: IrModule = {
    name: '',
    kind: 'user',
    directory: '.',
    files: [],
    functions: [],
    data: [],
    types: [],
    entries: { elf: '' },
  };
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!.trim();
    const keyword = line.split(' ', 1)[0];
    const rest = line.slice(keyword!.length + 1);
    if (line === '') continue;
    else if (keyword === 'module') readHeader(module, rest);
    else if (keyword === 'entry') {
      const [kind, symbol] = rest.split(' ');
      module.entries = { ...module.entries, [kind!]: symbol!.slice(1) };
    } else if (keyword === 'file') module.files.push(JSON.parse(rest) as string);
    else if (keyword === 'type') module.types.push(readJson(rest) as DebugType);
    else if (keyword === 'data') module.data.push(readData(rest));
    else if (keyword === 'function') {
      const end = lines.findIndex((candidate, index) => index > at && candidate === '}');
      module.functions.push(readFunction(lines.slice(at, end), at));
      at = end;
    } else throw new Error(`IR line ${at + 1}: '${keyword}' begins no declaration`);
  }
  return module;
}

function readHeader(module: IrModule, rest: string): void {
  const match = /^(kernel|user) ("(?:[^"\\]|\\.)*") ("(?:[^"\\]|\\.)*")$/.exec(rest);
  if (!match) throw new Error(`IR: malformed module line '${rest}'`);
  Object.assign(module, { kind: match[1], name: JSON.parse(match[2]!), directory: JSON.parse(match[3]!) });
}

function readData(rest: string): DataObject {
  const match = /^@(\S+) (\S+) (.*)$/.exec(rest)!;
  const body = readJson(match[3]!) as Omit<DataObject, 'bytes' | 'name' | 'section'> & { bytes: string };
  return {
    name: match[1]!,
    section: match[2] as DataObject['section'],
    ...body,
    bytes: bytesFromHex(body.bytes),
  };
}

const headPattern = /^function @(\S+) (\S+) (\S+) inline-(\w+) (exported|local) -> \(([^)]*)\) (!\d+:\d+:\d+\+\d+) \{$/;

function readFunction(lines: readonly string[], first: number): IrFunction {
  const head = headPattern.exec(lines[0]!);
  if (!head) throw new Error(`IR line ${first + 1}: malformed function line`);
  const header = readJson(lines[2]!.trim().slice('header '.length)) as Pick<
    IrFunction,
    'displayName' | 'parameters' | 'resultType' | 'slots' | 'scope'
  >;
  return {
    name: head[1]!,
    section: head[2] as IrFunction['section'],
    convention: head[3] as IrFunction['convention'],
    inline: head[4] as IrFunction['inline'],
    exported: head[5] === 'exported',
    results: head[6] === '' ? [] : (head[6]!.split(', ') as Type[]),
    span: new LineReader(head[7]!).span(),
    registers: lines[1]!.trim().split(' ').slice(1) as Type[],
    ...header,
    blocks: readBlocks(lines, first),
  };
}

function readBlocks(lines: readonly string[], first: number): Block[] {
  const blocks: Block[] = [];
  let pending: (Instruction | Terminator)[] = [];
  const close = () => {
    const block = blocks[blocks.length - 1];
    if (block) {
      block.terminator = pending.pop() as Terminator;
      block.instructions = pending as Instruction[];
    }
    pending = [];
  };
  for (let at = 3; at < lines.length; at++) {
    const label = /^b\d+:( cold)?$/.exec(lines[at]!);
    if (label) {
      close();
      const block: Block = { instructions: [], terminator: undefined as unknown as Terminator };
      if (label[1]) block.cold = true;
      blocks.push(block);
      continue;
    }
    try {
      pending.push(parseInstruction(lines[at]!.trim()));
    } catch (error) {
      throw new Error(`IR line ${first + at + 1}: ${(error as Error).message}`);
    }
  }
  close();
  return blocks;
}

/** Reads one instruction or terminator as `printInstruction` writes it. */
export function parseInstruction(text: string): Instruction | Terminator {
  const reader = new LineReader(text);
  const defined: number[] = [];
  while (reader.peek('%')) {
    defined.push(reader.register());
    if (!reader.take(',')) reader.expect('=');
  }
  const op = reader.word();
  const shape =
    (instructionShapes as Record<string, typeof instructionShapes.const>)[op] ??
    (terminatorShapes as Record<string, typeof instructionShapes.const>)[op];
  if (!shape) throw new Error(`unknown instruction '${op}'`);
  const fields: Fields = { op };
  let firstField = true;
  for (const [field, kind] of shape) {
    if (kind === 'def') fields[field] = defined.shift();
    else if (kind === 'defs') fields[field] = defined.splice(0);
    else if (kind === 'flag') {
      if (reader.peek(',')) {
        reader.expect(',');
        reader.expect(field);
        fields[field] = true;
      }
    } else {
      if (!firstField) reader.expect(',');
      firstField = false;
      fields[field] = readField(reader, kind);
    }
  }
  fields.span = reader.span();
  return fields as unknown as Instruction | Terminator;
}

function readField(reader: LineReader, kind: FieldKind): unknown {
  switch (kind) {
    case 'use':
    case 'name':
      return reader.register();
    case 'uses':
      return reader.list(() => reader.register());
    case 'address':
      return readAddress(reader);
    case 'constant':
      return reader.integer();
    case 'callee':
      return readCallee(reader);
    case 'block':
      return reader.block();
    case 'cases':
      return reader.list((): SwitchCase => {
        const value = reader.integer();
        reader.expect(':');
        return { value, target: reader.block() };
      });
    case 'text':
      return reader.string();
    case 'mode':
    case 'number':
      return Number(reader.integer());
    case 'operands':
      return reader.list(() => readOperand(reader));
    case 'names':
      return reader.list(() => reader.word());
    default:
      return reader.word();
  }
}

function readOperand(reader: LineReader): AsmOperand {
  const name = reader.word();
  const direction = reader.word() as AsmOperand['direction'];
  const physical = reader.peek('%') ? undefined : reader.word();
  const register = reader.register();
  return physical === undefined ? { name, direction, register } : { name, direction, register, physical };
}

function readCallee(reader: LineReader): Callee {
  if (reader.take('@')) return { kind: 'symbol', symbol: reader.word() };
  return { kind: 'register', register: reader.register() };
}

function readAddress(reader: LineReader): Address {
  const segment = reader.peek('[') ? undefined : (reader.word() as 'fs' | 'gs');
  if (segment) reader.expect(':');
  reader.expect('[');
  let base: Base | undefined;
  let index: Pick<Address, 'index' | 'scale'> = {};
  let displacement: number | undefined;
  do {
    if (reader.take('@')) base = { kind: 'symbol', symbol: reader.word() };
    else if (reader.take('slot')) base = { kind: 'slot', slot: Number(reader.integer()) };
    else if (reader.peek('%')) {
      const register = reader.register();
      if (reader.take('*')) index = { index: register, scale: Number(reader.integer()) as 1 | 2 | 4 | 8 };
      else base = { kind: 'register', register };
    } else displacement = Number(reader.integer());
  } while (reader.take('+'));
  reader.expect(']');
  return {
    ...(base ? { base } : {}),
    ...index,
    ...(displacement === undefined ? {} : { displacement }),
    ...(segment ? { segment } : {}),
  };
}

/** A cursor over one line of IR text; blanks between tokens do not matter. */
class LineReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  #match(pattern: RegExp, what: string): string {
    this.#skip();
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (!match) throw new Error(`expected ${what} at '${this.#text.slice(this.#at)}'`);
    this.#at = pattern.lastIndex;
    return match[0];
  }

  #skip(): void {
    while (this.#text[this.#at] === ' ') this.#at++;
  }

  peek(token: string): boolean {
    this.#skip();
    return this.#text.startsWith(token, this.#at);
  }

  take(token: string): boolean {
    if (!this.peek(token)) return false;
    this.#at += token.length;
    return true;
  }

  expect(token: string): void {
    if (!this.take(token)) throw new Error(`expected '${token}' at '${this.#text.slice(this.#at)}'`);
  }

  word(): string {
    return this.#match(/[\w.$-]+/y, 'a name');
  }

  integer(): bigint {
    return BigInt(this.#match(/-?\d+/y, 'an integer'));
  }

  register(): number {
    this.expect('%');
    return Number(this.integer());
  }

  block(): number {
    this.expect('b');
    return Number(this.integer());
  }

  string(): string {
    return JSON.parse(this.#match(/"(?:[^"\\]|\\.)*"/y, 'a string')) as string;
  }

  list<T>(item: () => T): T[] {
    const items: T[] = [];
    const close = this.take('(') ? ')' : '}';
    if (close === '}') this.expect('{');
    while (!this.take(close)) {
      items.push(item());
      this.take(',');
    }
    return items;
  }

  span(): Span {
    const match = /!(\d+):(\d+):(\d+)\+(\d+)/.exec(this.#match(/!\d+:\d+:\d+\+\d+/y, 'a span'))!;
    const [file, line, column, length] = match.slice(1).map(Number) as [number, number, number, number];
    return { file, line, column, length };
  }
}

function readJson(text: string): unknown {
  return JSON.parse(text, (_key, item) => {
    const wrapped = item as { bigint?: string } | null;
    return wrapped && typeof wrapped === 'object' && typeof wrapped.bigint === 'string' ? BigInt(wrapped.bigint) : item;
  });
}
