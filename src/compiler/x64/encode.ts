import { type Encoding, encodings } from './encodings.ts';
import type { ImmediateOperand, MemoryOperand, Operand, RegisterOperand, SpecialRegisterOperand } from './operands.ts';

/**
 * A field of the code that waits for an address. absolute: symbol + addend, `signed` when the processor sign-extends
 * it to 64 bits; relative: symbol + addend - the field's own address.
 */
export interface Fixup {
  /** bytes from the start of the code */
  readonly offset: number;
  readonly size: 1 | 4 | 8;
  readonly kind: 'relative' | 'absolute' | 'absoluteSigned';
  readonly symbol: string;
  readonly addend: bigint;
}

export class EncodingError extends Error {}

/** Machine code under construction, with the fixups it needs. */
export class CodeBuffer {
  readonly bytes: number[] = [];
  readonly fixups: Fixup[] = [];

  get length(): number {
    return this.bytes.length;
  }

  /** Appends the low `size` bytes of value, least significant first. */
  append(value: bigint, size: number): void {
    let rest = Number(BigInt.asUintN(32, value));
    for (let index = 0; index < size; index++) {
      if (index === 4) rest = Number(BigInt.asUintN(32, value >> 32n));
      this.bytes.push(rest & 0xff);
      rest >>>= 8;
    }
  }
}

export type Mode = 32 | 64;

/**
 * Appends one instruction. `prefixes` are lock, rep, repe, repz, repne, repnz.
 * Throws EncodingError when no encoding takes these operands in this mode.
 */
export function encode(
  code: CodeBuffer,
  mnemonic: string,
  operands: readonly Operand[],
  mode: Mode,
  prefixes: readonly string[] = [],
): void {
  const candidates = encodings.get(mnemonic);
  if (!candidates) throw new EncodingError(`unknown instruction '${mnemonic}'`);
  for (const candidate of candidates) {
    if (candidate.mode !== null && candidate.mode !== mode) continue;
    const width = match(candidate, operands);
    if (width === null) continue;
    new Writer(code, candidate, operands, width, mode, prefixes).write();
    return;
  }
  const shown = operands.map((operand) => ('width' in operand ? `${operand.kind}${operand.width}` : operand.kind));
  throw new EncodingError(`no encoding of '${mnemonic}' takes (${shown.join(', ')}) in ${mode}-bit mode`);
}

/** The operand width when the operands fit the encoding (0: it has no operand of variable width), else null. */
function match(encoding: Encoding, operands: readonly Operand[]): number | null {
  const patterns = encoding.operands;
  if (patterns.length !== operands.length) return null;
  let width = 0;
  for (let index = 0; index < patterns.length; index++) {
    const pattern = patterns[index]!;
    const operand = operands[index]!;
    if (pattern === 'r' || pattern === 'rm' || pattern === 'acc') {
      if (operand.kind !== 'register' && (operand.kind !== 'memory' || pattern !== 'rm')) return null;
      if (operand.width === 8 || (operand.kind === 'register' && operand.high)) return null;
      if (pattern === 'acc' && (operand as RegisterOperand).register !== 0) return null;
      if (operand.width !== 0) {
        if (width !== 0 && width !== operand.width) return null;
        width = operand.width;
      }
    }
  }
  for (let index = 0; index < patterns.length; index++) {
    if (!matchesFixed(patterns[index]!, operands[index]!, width)) return null;
  }
  const variable = patterns.some((pattern) => pattern === 'r' || pattern === 'rm' || pattern === 'acc');
  return variable && width === 0 ? null : width;
}

function matchesFixed(pattern: string, operand: Operand, width: number): boolean {
  switch (pattern) {
    case 'r':
    case 'rm':
    case 'acc':
      return true;
    case 'r8':
    case 'r16':
    case 'r32':
    case 'r64':
      return operand.kind === 'register' && operand.width === Number(pattern.slice(1));
    case 'rm8':
    case 'rm16':
    case 'rm32':
    case 'rm64':
      return (operand.kind === 'register' || operand.kind === 'memory') && operand.width === Number(pattern.slice(2));
    case 'm':
      return operand.kind === 'memory';
    case 'al':
      return operand.kind === 'register' && operand.register === 0 && operand.width === 8 && !operand.high;
    case 'cl':
      return operand.kind === 'register' && operand.register === 1 && operand.width === 8 && !operand.high;
    case 'dx':
      return operand.kind === 'register' && operand.register === 2 && operand.width === 16;
    case 'sreg':
      return operand.kind === 'segment';
    case 'creg':
      return operand.kind === 'control';
    case 'dreg':
      return operand.kind === 'debug';
    case 'x':
    case 'xr':
      return operand.kind === 'xmm';
    case 'xm':
      return operand.kind === 'xmm' || operand.kind === 'memory';
    case 'rel8':
    case 'rel32':
      return operand.kind === 'target' && (pattern === 'rel32' || !operand.symbol);
    case 'far':
      return operand.kind === 'far';
    default:
      return operand.kind === 'immediate' && immediateFits(pattern, operand, width);
  }
}

function immediateFits(pattern: string, { value, symbol }: ImmediateOperand, width: number): boolean {
  if (symbol !== undefined) return pattern === 'i32' || pattern === 'i64' || (pattern === 'iz' && width !== 16);
  switch (pattern) {
    case 'one':
      return value === 1n;
    case 'i8':
      if (width === 0) return value >= -0x80n && value <= 0xffn;
      return signExtensionOf(value, width, 8);
    case 'u8':
      return value >= 0n && value <= 0xffn;
    case 'u16':
    case 'i16':
      return value >= -0x8000n && value <= 0xffffn;
    case 'iz':
      if (width === 0) return value >= -0x80000000n && value <= 0x7fffffffn;
      return signExtensionOf(value, width, width === 16 ? 16 : 32);
    case 'i32':
      return value >= -0x80000000n && value <= 0xffffffffn;
    default:
      return value >= -0x8000000000000000n && value <= 0xffffffffffffffffn;
  }
}

/** Whether value, taken modulo 2^width, is the sign extension of its low `bits` bits. */
function signExtensionOf(value: bigint, width: number, bits: number): boolean {
  if (value < -(1n << BigInt(width - 1)) || value >= 1n << BigInt(width)) return false;
  return BigInt.asIntN(bits, value) === BigInt.asIntN(width, value);
}

const segmentPrefixes = { es: 0x26, cs: 0x2e, ss: 0x36, ds: 0x3e, fs: 0x64, gs: 0x65 } as const;
const namedPrefixes: Readonly<Record<string, number>> = {
  lock: 0xf0,
  rep: 0xf3,
  repe: 0xf3,
  repz: 0xf3,
  repne: 0xf2,
  repnz: 0xf2,
};

/** Writes one instruction whose encoding has been chosen. */
class Writer {
  readonly #code: CodeBuffer;
  readonly #encoding: Encoding;
  readonly #operands: readonly Operand[];
  readonly #width: number;
  readonly #mode: Mode;
  readonly #prefixes: readonly string[];
  readonly #firstFixup: number;

  constructor(
    code: CodeBuffer,
    encoding: Encoding,
    operands: readonly Operand[],
    width: number,
    mode: Mode,
    prefixes: readonly string[],
  ) {
    this.#code = code;
    this.#encoding = encoding;
    this.#operands = operands;
    this.#width = width;
    this.#mode = mode;
    this.#prefixes = prefixes;
    this.#firstFixup = code.fixups.length;
  }

  write(): void {
    const { modrm, opcode, plusRegister, places } = this.#encoding;
    const special = this.#operands[places.special];
    const general = this.#operands[places.general];
    const reg = modrm === 'r' ? (special ?? general) : undefined;
    const plus = plusRegister ? general : undefined;
    const rm = this.#operands[places.rm] ?? (modrm === null ? undefined : general);
    this.#writePrefixes(rm);
    this.#writeRex(rm, reg, plus);
    const last = opcode.length - 1;
    for (let index = 0; index < last; index++) this.#code.bytes.push(opcode[index]!);
    this.#code.bytes.push(opcode[last]! + (plus ? fieldOf(plus) & 7 : 0));
    if (modrm !== null) this.#writeModrm(modrm === 'r' ? fieldOf(reg!) : modrm, rm!);
    this.#writeImmediates();
    this.#settleRelativeFixups();
  }

  #writePrefixes(rm: Operand | undefined): void {
    const { bytes } = this.#code;
    if (rm?.kind === 'memory' && rm.segment) bytes.push(segmentPrefixes[rm.segment]);
    for (const prefix of this.#prefixes) bytes.push(namedPrefixes[prefix]!);
    if (this.#width === 16) bytes.push(0x66);
    bytes.push(...this.#encoding.prefixes);
  }

  #writeRex(rm: Operand | undefined, reg: Operand | undefined, plus: Operand | undefined): void {
    let rex = 0;
    if (this.#encoding.wide || this.#width === 64) rex |= 0x48;
    if (reg && fieldOf(reg) > 7) rex |= 0x44;
    if (rm?.kind === 'memory') {
      if ((rm.index ?? 0) > 7) rex |= 0x42;
      if ((rm.base ?? 0) > 7) rex |= 0x41;
    } else if (rm && fieldOf(rm) > 7) rex |= 0x41;
    if (plus && fieldOf(plus) > 7) rex |= 0x41;
    let high = false;
    for (const operand of this.#operands) {
      if (operand.kind !== 'register' || operand.width !== 8) continue;
      if (operand.high) high = true;
      else if (operand.register >= 4 && operand.register <= 7) rex |= 0x40;
    }
    if (rex === 0) return;
    if (this.#mode === 32) throw new EncodingError('64-bit operand or register in 32-bit mode');
    if (high) throw new EncodingError('ah, ch, dh and bh cannot be combined with a REX prefix');
    this.#code.bytes.push(rex);
  }

  #writeModrm(reg: number, rm: Operand): void {
    const { bytes } = this.#code;
    const middle = (reg & 7) << 3;
    if (rm.kind !== 'memory') {
      bytes.push(0xc0 | middle | (fieldOf(rm) & 7));
      return;
    }
    const { base, index, displacement, symbol } = rm;
    if (base === undefined && index === undefined) {
      this.#writeAbsolute(middle, rm);
      return;
    }
    const scaleBits = { 1: 0, 2: 0x40, 4: 0x80, 8: 0xc0 }[rm.scale ?? 1];
    const needsSib = index !== undefined || (base! & 7) === 4;
    if (base === undefined) {
      bytes.push(0x04 | middle, scaleBits | ((index! & 7) << 3) | 5);
      this.#displacement32(displacement, symbol);
      return;
    }
    const short = symbol === undefined && displacement >= -128 && displacement <= 127;
    const none = short && displacement === 0 && (base & 7) !== 5;
    bytes.push((none ? 0 : short ? 0x40 : 0x80) | middle | (needsSib ? 4 : base & 7));
    if (needsSib) bytes.push(scaleBits | ((index === undefined ? 4 : index & 7) << 3) | (base & 7));
    if (none) return;
    if (short) bytes.push(displacement & 0xff);
    else this.#displacement32(displacement, symbol);
  }

  /** No register in the address: rip-relative, or a plain 32-bit displacement. */
  #writeAbsolute(middle: number, { displacement, symbol, relative }: MemoryOperand): void {
    const { bytes, fixups } = this.#code;
    if (this.#mode === 64 && relative && symbol !== undefined) {
      bytes.push(0x05 | middle);
      fixups.push({
        offset: bytes.length,
        size: 4,
        kind: 'relative',
        symbol,
        addend: BigInt(displacement),
      });
      bytes.push(0, 0, 0, 0);
      return;
    }
    if (this.#mode === 64) bytes.push(0x04 | middle, 0x25);
    else bytes.push(0x05 | middle);
    this.#displacement32(displacement, symbol);
  }

  #displacement32(displacement: number, symbol: string | undefined): void {
    const { fixups } = this.#code;
    if (symbol !== undefined) {
      const kind = this.#mode === 64 ? 'absoluteSigned' : 'absolute';
      fixups.push({ offset: this.#code.length, size: 4, kind, symbol, addend: BigInt(displacement) });
    }
    this.#code.append(symbol === undefined ? BigInt(displacement) : 0n, 4);
  }

  #writeImmediates(): void {
    const { immediates } = this.#encoding;
    if (immediates.length === 0) return;
    const values = this.#operands.filter((operand) => ['immediate', 'target', 'far'].includes(operand.kind));
    for (const [index, token] of immediates.entries()) {
      const operand = values[Math.min(index, values.length - 1)]!;
      const size = { ib: 1, iw: 2, iz: this.#width === 16 ? 2 : 4, id: 4, io: 8, rb: 1, rd: 4 }[token] as 1 | 2 | 4 | 8;
      if (operand.kind === 'target') this.#target(operand.label, size as 1 | 4);
      else if (operand.kind === 'far') {
        if (token === 'id') this.#immediate(operand.offset, 4, 'absolute');
        else this.#code.append(BigInt(operand.selector), 2);
      } else if (operand.kind === 'immediate') {
        const extended = this.#mode === 64 && (token === 'iz' || this.#encoding.opcode[0] === 0x68);
        this.#immediate(operand, size, extended && this.#width !== 32 ? 'absoluteSigned' : 'absolute');
      }
    }
  }

  #immediate({ value, symbol }: ImmediateOperand, size: number, kind: 'absolute' | 'absoluteSigned'): void {
    if (symbol !== undefined) {
      if (size !== 4 && size !== 8) throw new EncodingError(`the address of '${symbol}' does not fit ${size} bytes`);
      this.#code.fixups.push({ offset: this.#code.length, size, kind, symbol, addend: value });
    }
    this.#code.append(symbol === undefined ? value : 0n, size);
  }

  #target(label: string, size: 1 | 4): void {
    this.#code.fixups.push({
      offset: this.#code.length,
      size,
      kind: 'relative',
      symbol: label,
      addend: 0n,
    });
    this.#code.append(0n, size);
  }

  /** Relative fields count from the end of the instruction, which is known only now. */
  #settleRelativeFixups(): void {
    const { fixups, length } = this.#code;
    for (let index = this.#firstFixup; index < fixups.length; index++) {
      const fixup = fixups[index]!;
      if (fixup.kind !== 'relative') continue;
      fixups[index] = { ...fixup, addend: fixup.addend - BigInt(length - fixup.offset) };
    }
  }
}

function fieldOf(operand: Operand): number {
  if (operand.kind === 'register') return operand.high ? operand.register + 4 : operand.register;
  if (['segment', 'control', 'debug', 'xmm'].includes(operand.kind))
    return (operand as SpecialRegisterOperand).register;
  throw new EncodingError(`a ${operand.kind} operand is in no register field`);
}
