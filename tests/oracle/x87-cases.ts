import { parseEncoding } from '../../src/cpu/decode/encoding.ts';
import type { Form } from '../../src/cpu/decode/forms.ts';
import { FORMS } from '../../src/cpu/decode/forms.ts';
import { Random } from './native-random.ts';

const DATA = 0x2000_0000;
const MAXIMUM_EXPONENT = 0x7fff;
const BIAS = 16383;

/** FISTTP came with SSE3; a FWAIT before a pending exception is its own test. */
export const X87_FORMS: readonly Form[] = FORMS.filter(
  ({ feature, mnemonic }) => feature === 'x87' || (feature === 'fpu' && !mnemonic.startsWith('FX')),
);

function hexadecimal(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function littleEndian(value: bigint, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** Cases over every x87 form, with operands near each other's magnitude, at the limits, and of every special kind. */
export class X87CaseGenerator {
  readonly #random: Random;
  readonly #forms: readonly Form[];
  #id = 0;

  constructor(seed: number, forms: readonly Form[] = X87_FORMS) {
    this.#random = new Random(seed);
    this.#forms = forms;
  }

  next(): { readonly line: string; readonly form: Form } {
    const random = this.#random;
    const form = this.#forms[this.#id % this.#forms.length]!;
    const code = this.#code(form);
    const near = BIAS - 20 + random.below(40);
    const registers = Array.from({ length: 8 }, (_, i) => `st${i}=${hexadecimal(this.#extended(near))}`);
    const masks = random.chance(0.6) ? 0x3f : random.below(64);
    const control = 0x40 | masks | (random.pick([0, 2, 3, 3, 3]) << 8) | (random.below(4) << 10);
    const status =
      (random.below(8) << 11) | (random.bits() & 0x4700) | (random.chance(0.2) ? random.below(128) & masks : 0);
    const tags = random.chance(0.75) ? 0xff : random.chance(0.5) ? 0 : random.below(256);
    const flags = 0x202 | (random.bits() & 0x8d5);
    return {
      form,
      line: [
        `id=${this.#id++}`,
        `code=${hexadecimal(code)}`,
        `rax=${DATA.toString(16)}`,
        `fl=${flags.toString(16)}`,
        `fcw=${control.toString(16)}`,
        `fsw=${status.toString(16)}`,
        `ftw=${tags.toString(16)}`,
        ...registers,
        ...this.#memory(form, near),
      ].join(' '),
    };
  }

  #code(form: Form): number[] {
    const encoding = parseEncoding(form);
    const text = form.encoding.replace(/^(NP|NFx) /, '').split(' ');
    const opcode = Number.parseInt(text[0]!, 16);
    const second = text[1];
    if (second === undefined) return [opcode];
    const prefix = encoding && form.sized && this.#random.chance(0.2) ? [0x66] : [];
    if (second.startsWith('/')) return [...prefix, opcode, Number(second[1]) << 3];
    const base = Number.parseInt(second, 16);
    return [opcode, second.endsWith('+i') ? base + this.#random.below(8) : base];
  }

  #memory(form: Form, near: number): string[] {
    const random = this.#random;
    const operand = form.operands.find(({ method }) => method === 'M');
    const bytes = (): number[] => {
      switch (operand?.type) {
        case 'fs':
          return littleEndian(BigInt(random.single()), 4);
        case 'fd':
          return littleEndian(random.double(), 8);
        case 'ft':
          return this.#extended(near);
        case 'dt':
          return [
            ...Array.from({ length: 9 }, () => random.below(10) | (random.below(10) << 4)),
            random.pick([0, 0x80]),
          ];
        case 'w':
        case 'd':
        case 'q':
          return littleEndian(random.integer(), 8);
        default:
          return [...random.bytes(28)];
      }
    };
    return operand === undefined ? [] : [`m=${DATA.toString(16)}:${hexadecimal(bytes())}`];
  }

  /** Ten bytes of a register. @param near a biased exponent that several operands share */
  #extended(near: number): number[] {
    const random = this.#random;
    const integer = 1n << 63n;
    const fraction = random.pick([
      () => random.bits64() & (integer - 1n),
      () => 0n,
      () => integer - 1n,
      () => random.bits64() & (integer - 1n) & -(1n << BigInt(random.below(63))),
      () => 1n << BigInt(random.below(63)),
    ])();
    const sign = random.chance(0.5) ? 0x8000 : 0;
    const value = (exponent: number, significand: bigint) => [
      ...littleEndian(significand, 8),
      ...littleEndian(BigInt(exponent | sign), 2),
    ];
    switch (random.below(20)) {
      case 0:
        return value(0, 0n);
      case 1:
        return value(MAXIMUM_EXPONENT, integer);
      case 2:
        return value(MAXIMUM_EXPONENT, integer | (1n << 62n) | fraction);
      case 3:
        return value(MAXIMUM_EXPONENT, integer | (fraction & ~(1n << 62n)) | 1n);
      case 4:
        return value(0, fraction | 1n);
      case 5:
        return value(0, integer | fraction);
      case 6:
        return value(1 + random.below(MAXIMUM_EXPONENT), fraction);
      case 7:
        return value(random.pick([1, 2, 64, 0x7ffe, 0x7ffd, 0x7fc0]), integer | fraction);
      case 8:
        return value(BIAS, integer);
      case 9:
        return value(random.pick([BIAS - 126, BIAS - 127, BIAS - 149, BIAS + 127, BIAS + 128]), integer | fraction);
      case 10:
        return value(
          random.pick([BIAS - 1022, BIAS - 1023, BIAS - 1074, BIAS + 1023, BIAS + 1024]),
          integer | fraction,
        );
      case 11:
        return value(BIAS + random.below(66), integer | fraction);
      case 12:
        return value(1 + random.below(MAXIMUM_EXPONENT - 1), integer | fraction);
      default:
        return value(near + random.below(4), integer | fraction);
    }
  }
}
