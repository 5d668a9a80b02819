import { parseExpression, parseOperand, type SymbolScope, splitOperands } from './assembler-operands.ts';
import { CodeAssembler, type FinishedCode } from './code.ts';
import { EncodingError, type Mode } from './encode.ts';
import { encodings } from './encodings.ts';
import type { MemoryOperand, Operand, Width } from './operands.ts';

/**
 * The assembler behind the dialect's `asm` templates: a subset of Intel syntax, one instruction a line.
 * Comments begin with `;`, `#` or `//`. Directives: .code32 .code64 .align N, .zero N, .byte .word .long .quad (db dw
 * dd dq), .ascii "text". An identifier is an address: the target of a jump, `[name]` in memory (relative to rip in 64-bit
 * mode), `name` or `offset name` as an immediate. `{name}` stands for an operand of the template, `{name.32}` for its
 * low 32 bits. Far jumps: `jmp 0x08:name` (32-bit mode), `jmp far [address]`.
 */
export interface AssemblyOptions {
  readonly operands: ReadonlyMap<string, Operand>;
  /** put before the template's own labels, which would clash when a template is expanded twice */
  readonly labelPrefix: string;
  /** told before each instruction: the line inside the text, from 0 */
  readonly lineAt?: (line: number) => void;
}

/** Reports an error of the text with its line and instruction. */
export class AssemblyError extends Error {
  readonly line: number;
  constructor(line: number, text: string, reason: string) {
    super(`line ${line + 1}: ${reason}: ${text}`);
    this.line = line;
  }
}

const prefixNames = new Set(['lock', 'rep', 'repe', 'repz', 'repne', 'repnz']);
const dataSizes: Readonly<Record<string, 1 | 2 | 4 | 8>> = {
  '.byte': 1,
  db: 1,
  '.word': 2,
  dw: 2,
  '.long': 4,
  dd: 4,
  '.quad': 8,
  dq: 8,
};
const aliases: Readonly<Record<string, string>> = { lret: 'retf', lretq: 'retfq', wait: 'fwait' };

/** Assembles text into code under construction. Throws AssemblyError. */
export function assembleInto(code: CodeAssembler, text: string, mode: Mode, options: AssemblyOptions): void {
  new Assembler(code, text, mode, options).run();
}

/** Assembles text alone; `self` is the symbol that addresses of its labels are relative to. */
export function assemble(text: string, mode: Mode, self = ''): FinishedCode {
  const code = new CodeAssembler();
  assembleInto(code, text, mode, { operands: new Map(), labelPrefix: '' });
  return code.finish(self);
}

class Assembler {
  readonly #code: CodeAssembler;
  readonly #lines: readonly string[];
  readonly #options: AssemblyOptions;
  readonly #scope: SymbolScope;
  #mode: Mode;

  constructor(code: CodeAssembler, text: string, mode: Mode, options: AssemblyOptions) {
    this.#code = code;
    this.#lines = text.split('\n').map(stripComment);
    this.#options = options;
    this.#mode = mode;
    const labels = new Set(this.#lines.flatMap((line) => labelsOf(line).labels));
    this.#scope = {
      operands: options.operands,
      symbol: (name) => (labels.has(name) ? options.labelPrefix + name : name),
      isLabel: (name) => labels.has(name),
    };
  }

  run(): void {
    this.#lines.forEach((line, index) => {
      try {
        this.#line(line, index);
      } catch (error) {
        if (!(error instanceof EncodingError)) throw error;
        throw new AssemblyError(index, line.trim(), error.message);
      }
    });
  }

  #line(line: string, index: number): void {
    const { labels, rest } = labelsOf(line);
    for (const label of labels) this.#code.label(this.#options.labelPrefix + label);
    if (rest === '') return;
    this.#options.lineAt?.(index);
    const prefixes: string[] = [];
    let text = rest;
    for (;;) {
      const [word, tail] = splitWord(text);
      if (!prefixNames.has(word) || tail === '') break;
      prefixes.push(word);
      text = tail;
    }
    const [mnemonic, tail] = splitWord(text);
    if (mnemonic in dataSizes) this.#data(tail, dataSizes[mnemonic]!);
    else if (mnemonic.startsWith('.')) this.#directive(mnemonic, tail);
    else this.#instruction(aliases[mnemonic] ?? mnemonic, tail, prefixes);
  }

  #directive(name: string, tail: string): void {
    if (name === '.code32' || name === '.code64') this.#mode = name === '.code32' ? 32 : 64;
    else if (name === '.align') this.#align(Number(parseExpression(tail, this.#scope).value));
    else if (name === '.zero') this.#code.bytes(new Uint8Array(Number(parseExpression(tail, this.#scope).value)));
    else if (name === '.ascii') {
      this.#code.bytes([...(JSON.parse(tail) as string)].map((character) => character.charCodeAt(0)));
    } else throw new EncodingError(`unknown directive '${name}'`);
  }

  #align(to: number): void {
    if (this.#code.hasJumps) throw new EncodingError('.align must come before the first jump');
    while (this.#code.length % to !== 0) this.#code.bytes([0x90]);
  }

  #data(tail: string, size: 1 | 2 | 4 | 8): void {
    for (const item of splitOperands(tail)) {
      const { value, symbol } = parseExpression(item, this.#scope);
      if (symbol === undefined) {
        const bits = BigInt.asUintN(size * 8, value);
        this.#code.bytes(Array.from({ length: size }, (_, index) => Number((bits >> BigInt(8 * index)) & 0xffn)));
      } else if (size === 4 || size === 8) this.#code.address(symbol, value, size);
      else throw new EncodingError(`the address of '${symbol}' does not fit ${size} bytes`);
    }
  }

  #instruction(mnemonic: string, tail: string, prefixes: readonly string[]): void {
    let name = mnemonic;
    let rest = tail;
    if ((name === 'jmp' || name === 'call') && /^far\b/.test(rest)) {
      rest = rest.slice(3).trim();
      if (rest.includes('[')) name += 'f';
    }
    if (!encodings.has(name)) throw new EncodingError(`unknown instruction '${mnemonic}'`);
    const branches = encodings.get(name)!.some(({ operands }) => operands[0]?.startsWith('rel'));
    const parsed = splitOperands(rest).map((text) => parseOperand(text, this.#scope, branches));
    const [adjusted, operands] = adjust(name, parsed, this.#mode);
    this.#code.instruction(adjusted, operands, this.#mode, prefixes);
  }
}

/** What programmers write differently from the encoding table: implied sizes, operand order, short forms. */
function adjust(mnemonic: string, operands: readonly Operand[], mode: Mode): [string, readonly Operand[]] {
  const sized = operands.map((operand) => withImpliedWidth(mnemonic, operand, operands, mode));
  const [first, second] = sized;
  if (mnemonic === 'test' && second?.kind === 'memory') return [mnemonic, [second, first!]];
  if (mnemonic === 'movsx' && second && 'width' in second && second.width === 32) return ['movsxd', sized];
  if (mnemonic === 'imul' && second?.kind === 'immediate' && sized.length === 2) {
    return [mnemonic, [first!, first!, second]];
  }
  return [mnemonic, sized];
}

const stackOrBranch = new Set(['push', 'pop', 'call', 'jmp']);
const countsInCl = new Set(['shl', 'shr', 'sar', 'sal', 'rol', 'ror', 'rcl', 'rcr', 'in', 'out', 'movzx', 'movsx']);

function withImpliedWidth(mnemonic: string, operand: Operand, all: readonly Operand[], mode: Mode): Operand {
  if (operand.kind !== 'memory' || operand.width !== 0) return operand;
  if (stackOrBranch.has(mnemonic)) return { ...operand, width: mode };
  if (countsInCl.has(mnemonic)) return operand;
  if (mnemonic.startsWith('set')) return { ...operand, width: 8 };
  const partner = all.find((other) => other.kind === 'register') as { width: Width } | undefined;
  return partner ? ({ ...operand, width: partner.width } satisfies MemoryOperand) : operand;
}

function stripComment(line: string): string {
  let quote = false;
  for (let at = 0; at < line.length; at++) {
    const character = line[at]!;
    if (character === '"') quote = !quote;
    if (quote) continue;
    if (character === ';' || character === '#' || line.startsWith('//', at)) return line.slice(0, at);
  }
  return line;
}

function labelsOf(line: string): { labels: string[]; rest: string } {
  const labels: string[] = [];
  let rest = line.trim();
  for (;;) {
    const match = /^([A-Za-z_.$][\w.$]*):(?!\[)\s*/.exec(rest);
    if (!match) return { labels, rest };
    labels.push(match[1]!);
    rest = rest.slice(match[0].length);
  }
}

function splitWord(text: string): [string, string] {
  const match = /^(\S+)\s*(.*)$/.exec(text);
  return match ? [match[1]!.toLowerCase(), match[2]!] : ['', ''];
}
