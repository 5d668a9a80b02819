/** The variants of each form: everything the decoder knows of an instruction that changes what its handler does. */
import { IMPLEMENTED_FEATURES } from '../decode/features.ts';
import { FORMS, type Form } from '../decode/forms.ts';
import type { Variant } from '../semantics/context.ts';
import { semanticsOf } from '../semantics/index.ts';
import { CONTROL_READ } from '../semantics/system.ts';
import { CANONICAL_FORM } from './aliases.ts';

/** Address and stack widths that occur together, in the order of ADDRESSING. */
const ADDRESS_MODES = [
  { addressSize: 64, stackSize: 64 },
  { addressSize: 32, stackSize: 64 },
  { addressSize: 32, stackSize: 32 },
  { addressSize: 16, stackSize: 32 },
] as const;

const STACK_MODES = [64, 32, 16] as const;
const REPEATS = [0, 0xf2, 0xf3] as const;

/** Also JMP: it has no stack, but outside 64-bit mode another limit, and there no stack pointer has 64 bits. */
const STACK_MNEMONICS = new Set([
  'PUSH',
  'POP',
  'CALL',
  'RET',
  'LEAVE',
  'ENTER',
  'PUSHA',
  'POPA',
  'PUSHF',
  'POPF',
  'JMP',
]);
const ADDRESS_MNEMONICS = new Set(['LOOP', 'LOOPE', 'LOOPNE', 'JCXZ', 'XLAT']);
/** Bit tests whose register operand moves the address. */
const BIT_STRING = /^BT[SRC]?_Ev_Gv$/;

/** What the variants of a form run over, besides operand size and register or memory. */
type Dimension = 'none' | 'condition' | 'control' | 'countNonzero' | 'stack' | 'address' | 'string';

function dimensionOf(form: Form): Dimension {
  if (form.encoding.includes('+cc')) return 'condition';
  if (form.name === CONTROL_READ) return 'control';
  if (STACK_MNEMONICS.has(form.mnemonic)) return 'stack';
  if (ADDRESS_MNEMONICS.has(form.mnemonic) || BIT_STRING.test(form.name)) return 'address';
  if (form.string) return 'string';
  return isImmediateShift(form) ? 'countNonzero' : 'none';
}

const SHIFTS = new Set(['SHL', 'SHR', 'SAR', 'ROL', 'ROR']);

/** A shift or rotate that has separate handlers for counts known not to be 0. */
export function isImmediateShift(form: Form): boolean {
  return SHIFTS.has(form.mnemonic) && form.operands[1]?.text === 'Ib';
}

const DIMENSION_SIZES: Record<Dimension, number> = {
  none: 1,
  condition: 16,
  control: 16,
  countNonzero: 2,
  stack: STACK_MODES.length,
  address: ADDRESS_MODES.length,
  string: ADDRESS_MODES.length * REPEATS.length,
};

const MEMORY_METHODS = 'EWQ';

/** @returns whether the form can have its operand in a register, in memory */
function places(form: Form): readonly boolean[] {
  if (form.operands.some(({ method }) => method === 'M' || method === 'O')) return [true];
  return form.operands.some(({ method }) => MEMORY_METHODS.includes(method)) ? [false, true] : [false];
}

function sizesOf(form: Form): readonly (8 | 16 | 32 | 64)[] {
  if (form.byte) return [8];
  if (!form.sized) return [32];
  return form.invalid64 ? [16, 32] : [16, 32, 64];
}

const sizeIndex = (size: number): number => 28 - Math.clz32(size);

/** Every variant that has semantics, and where to find it from a decoded instruction. */
export class VariantTable {
  readonly variants: Variant[] = [];
  readonly #first = new Int32Array(FORMS.length * 8).fill(-1);
  readonly #dimensions: readonly Dimension[] = FORMS.map(dimensionOf);

  constructor() {
    for (const form of FORMS) {
      if (!semanticsOf(form) || (form.feature && !IMPLEMENTED_FEATURES.has(form.feature))) continue;
      for (const memory of places(form)) {
        if (CANONICAL_FORM[form.index * 2 + Number(memory)] !== form.index) continue;
        for (const operandSize of sizesOf(form)) this.#add(form, operandSize, memory);
      }
    }
  }

  #add(form: Form, operandSize: 8 | 16 | 32 | 64, memory: boolean): void {
    const dimension = this.#dimensions[form.index]!;
    this.#first[form.index * 8 + sizeIndex(operandSize) * 2 + Number(memory)] = this.variants.length;
    for (let number = 0; number < DIMENSION_SIZES[dimension]; number++) {
      const mode = ADDRESS_MODES[dimension === 'address' || dimension === 'string' ? number % 4 : 0]!;
      this.variants.push({
        form,
        operandSize,
        memory,
        addressSize: mode.addressSize,
        stackSize: dimension === 'stack' ? STACK_MODES[number]! : mode.stackSize,
        condition: dimension === 'condition' ? number : 0,
        control: dimension === 'control' ? number : 0,
        repeat: dimension === 'string' ? REPEATS[number >> 2]! : 0,
        countNonzero: dimension === 'countNonzero' && number === 1,
      });
    }
  }

  /**
   * @param addressing one of ADDRESSING
   * @param stackMode 0, 1, 2 for a 64-, 32- or 16-bit stack pointer
   * @returns the variant's number, or -1 when the form is a TypeScript function
   */
  find(
    form: number,
    operandSize: number,
    memory: boolean,
    opcode: number,
    reg: number,
    repeat: number,
    addressing: number,
    stackMode: number,
    countNonzero: boolean,
  ): number {
    const { byte, sized } = FORMS[form]!;
    const size = byte ? 0 : sized ? sizeIndex(operandSize) : 2;
    const first = this.#first[form * 8 + size * 2 + Number(memory)]!;
    if (first < 0) return -1;
    switch (this.#dimensions[form]) {
      case 'condition':
        return first + (opcode & 15);
      case 'control':
        return first + reg;
      case 'countNonzero':
        return first + Number(countNonzero);
      case 'stack':
        return first + stackMode;
      case 'address':
        return first + addressing;
      case 'string':
        return first + addressing + (repeat === 0 ? 0 : repeat === 0xf2 ? 4 : 8);
      default:
        return first;
    }
  }
}
