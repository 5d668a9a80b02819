import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { parseEncoding } from '../../src/cpu/decode/encoding.ts';
import { IMPLEMENTED_FEATURES } from '../../src/cpu/decode/features.ts';
import { GENERAL_REGISTERS } from '../../src/cpu/decode/format.ts';
import { FORMS, type Form, type Operand } from '../../src/cpu/decode/forms.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { CaseMemory } from '../../src/debugger/cases/case.ts';
import { LOCAL_SEGMENTS, type LocalSegment } from '../../src/debugger/cases/local-segments.ts';
import { Random } from './native-random.ts';

/** The memory that a case may use; see native-oracle.c. */
export const CODE_PAGE = 0x1000_0000;
const { DATA } = CaseMemory;
const READ_ONLY = 0x2000_4000;
const DATA_END = 0x2000_5000;

const RSP = 4;
const RBP = 5;

/** Selectors that a far transfer of a case may load into CS: all but that of 32-bit code, where the upper half of RSP is undefined. */
const CODE_SELECTORS = [0, 0x10, 0x18, 0x2b, 0x33, 0x50, 0xfff8];

/** Selectors of the flat segments a Linux process runs with, of the kernel's, and of none. */
const SELECTORS = [0, 0x10, 0x18, 0x23, 0x2b, 0x33, 0x50, 0xfff8];

/**
 * Forms a case cannot be about, by name or mnemonic, each with its reason. Everything else in the table is exercised.
 */
export const EXCLUDED: Readonly<Record<string, string>> = {
  CPUID: 'describes the host',
  RDTSC: 'reads the host clock',
  RDTSCP: 'reads the host clock',
  SYSCALL: 'enters the host kernel',
  SGDT: 'the host kernel turns on UMIP and answers for the processor',
  SIDT: 'the host kernel turns on UMIP and answers for the processor',
  SLDT: 'the host kernel turns on UMIP and answers for the processor',
  SMSW: 'the host kernel turns on UMIP and answers for the processor',
  STR: 'the host kernel turns on UMIP and answers for the processor',
  SYSENTER: 'AMD processors have it in protected mode only',
  INT1: 'a hypervisor may intercept it and report another rip',
};

/** Where the prologue of 32-bit cases finds the far pointer to their instruction. */
const FAR_POINTER = 0x2000_3ff0;
/** jmp far [FAR_POINTER], into 32-bit code. */
const INTO_COMPATIBILITY_MODE = [0xff, 0x2c, 0x25, ...little(BigInt(FAR_POINTER), 4)];
/** push 0x2b; pop ds; push 0x2b; pop es. The instruction follows. */
export const PROLOGUE_32 = [...INTO_COMPATIBILITY_MODE, 0x6a, 0x2b, 0x1f, 0x6a, 0x2b, 0x07];

/** The same with other segments: push and pop ds, es, ss; mov esp. */
function segmentedPrologue([ds, es, ss]: Selectors, stackPointer: bigint): number[] {
  const segments = [0x6a, ds, 0x1f, 0x6a, es, 0x07, 0x6a, ss, 0x17];
  return [...INTO_COMPATIBILITY_MODE, ...segments, 0xbc, ...little(stackPointer, 4)];
}
export const SEGMENTED_PROLOGUE_BYTES = segmentedPrologue([0, 0, 0], 0n).length;

type Selectors = readonly [ds: number, es: number, ss: number];
const isCode = ({ access }: LocalSegment) => (access & 8) !== 0;
/** That 32-bit code can run in. */
const CODE_SEGMENTS = LOCAL_SEGMENTS.filter((segment) => isCode(segment) && segment.base !== DATA && segment.flags & 4);
const DATA_SEGMENTS = LOCAL_SEGMENTS.filter(({ base }) => base === DATA);
const STACK_SEGMENTS = DATA_SEGMENTS.filter(({ access }) => (access & 10) === 2);

/** What the generator says of a case besides its line. */
export interface GeneratedCase {
  readonly line: string;
  readonly form: Form;
  readonly code: Uint8Array;
}

interface Operands {
  readonly memory: Operand | undefined;
  readonly register: Operand | undefined;
  readonly immediates: readonly Operand[];
}

const operandsOf = (form: Form): Operands => ({
  memory: form.operands.find(({ method }) => ['E', 'M', 'W', 'Q'].includes(method)),
  register: form.operands.find(({ method }) => ['R', 'U', 'N', 'STi'].includes(method)),
  immediates: form.operands.filter(({ method }) => ['I', 'sI', 'J'].includes(method)),
});

/** Writes cases in the line format of native-oracle.c: every form that user mode can execute, with values that matter. */
export class CaseGenerator {
  readonly #random: Random;
  readonly #forms: readonly Form[];
  readonly #codeSize: 64 | 32;
  readonly #segmented: boolean;
  readonly #decoder = new Decoder();
  readonly #instruction = new Instruction();
  #id = 0;

  // The case being built.
  #registers: bigint[] = [];
  #prefixes: number[] = [];
  #stores: string[] = [];
  #fields: string[] = [];
  #at = 0;
  #rex = 0;
  /** Segments of the case in CS, DS, ES and SS, with `segmented`. */
  #code: LocalSegment = CODE_SEGMENTS[0]!;
  #data: readonly LocalSegment[] = [];

  /**
   * @param codeSize of the instruction; 32-bit ones stand behind a far jump into compatibility mode (PROLOGUE_32)
   * @param segmented whether those have segments with limits and types of all kinds, and operands near the limits
   */
  constructor(seed: number, forms: readonly Form[] = exercisedForms(), codeSize: 64 | 32 = 64, segmented = false) {
    this.#random = new Random(seed);
    this.#forms = forms;
    this.#codeSize = codeSize;
    this.#segmented = segmented;
  }

  /** The next case: forms in turn, everything else random. */
  next(): GeneratedCase {
    for (;;) {
      const form = this.#forms[this.#id % this.#forms.length]!;
      const code = this.#build(form);
      const length = this.#decoder.decode(code, 0, code.length, this.#codeSize, this.#instruction);
      if (length !== code.length || this.#instruction.description.name !== form.name) continue;
      const id = this.#id++;
      return { line: this.#codeSize === 64 ? this.#line(id, code) : this.#lineBehindPrologue(id, code), form, code };
    }
  }

  #line(id: number, code: Uint8Array): string {
    const registers = this.#registers.map((value, index) => `${GENERAL_REGISTERS[index]}=${value.toString(16)}`);
    const at = this.#at === 0 ? [] : [`at=${this.#at.toString(16)}`];
    return [`id=${id}`, `code=${hexadecimal(code)}`, ...at, ...registers, ...this.#fields, ...this.#stores].join(' ');
  }

  /** Registers are 32 bits wide there: what upper halves a change of mode leaves is undefined. */
  #lineBehindPrologue(id: number, code: Uint8Array): string {
    this.#registers = this.#registers.map((value, index) => (index < 8 ? BigInt.asUintN(32, value) : 0n));
    const { selector, base } = this.#segmented ? this.#code : { selector: 0x23, base: 0 };
    const start = CODE_PAGE + 0x800 + INTO_COMPATIBILITY_MODE.length - base;
    const pointer = little(BigInt(start) | (BigInt(selector) << 32n), 6);
    this.#stores.push(`m=${FAR_POINTER.toString(16)}:${hexadecimal(pointer)}`);
    if (!this.#segmented) return this.#line(id, Uint8Array.from([...PROLOGUE_32, ...code]));
    const [ds, es, ss] = this.#data as [LocalSegment, LocalSegment, LocalSegment];
    const [dataOrNone, extraOrNone] = [ds, es].map((each) => (this.#random.chance(0.03) ? 0 : each.selector));
    const prologue = segmentedPrologue([dataOrNone!, extraOrNone!, ss.selector], this.#registers[RSP]!);
    this.#registers[RSP] = BigInt(DATA + 0x1000);
    return this.#line(id, Uint8Array.from([...prologue, ...code]));
  }

  #build(form: Form): Uint8Array {
    const random = this.#random;
    const encoding = parseEncoding(form);
    this.#registers = Array.from({ length: 16 }, () => random.integer());
    if (this.#segmented) {
      this.#code = random.pick(CODE_SEGMENTS);
      this.#data = [random.pick(DATA_SEGMENTS), random.pick(DATA_SEGMENTS), random.pick(STACK_SEGMENTS)];
    }
    this.#registers[RSP] = this.#segmented
      ? BigInt(random.chance(0.5) ? this.#offset(8) : 0x2100 + 8 * random.below(16))
      : BigInt(DATA + 0x1000 + 8 * random.below(16));
    this.#prefixes = [];
    this.#stores = [];
    this.#fields = [`fl=${(0x202 | (random.bits() & 0x8d5) | (random.chance(0.2) ? 0x400 : 0)).toString(16)}`];
    this.#at = 0;
    this.#rex = random.chance(0.35) ? 0x40 : 0;
    if (!form.encoding.startsWith('VEX') && this.#rex) this.#rex |= random.below(16);
    if (this.#codeSize === 32) this.#rex = 0;
    else if (encoding.sizes.length === 1) this.#rex |= 0x48;
    else if (form.sized && random.chance(0.3)) this.#rex |= 0x48;
    // Far pointers with a 64-bit offset are Intel's; AMD's processors take REX.W there as 32 bits.
    if (form.operands.some(({ type }) => type === 'p')) this.#rex &= ~8;
    this.#choosePrefixes(form);
    this.#prepare(form);
    const body = this.#body(form, encoding);
    const code = Uint8Array.from([...this.#prefixes, ...body]);
    if (form.name.startsWith('BT')) this.#limitBitOffset(code);
    // UD0 and UD1 have ModRM on Intel's processors only: behind a page end that decides which fault comes.
    if (this.#codeSize === 32) this.#at = 0;
    else if (random.chance(0.02) && !form.mnemonic.startsWith('UD'))
      this.#at = CODE_PAGE + 0x1000 - random.below(code.length + 1);
    if (this.#at === CODE_PAGE + 0x1000) this.#at--;
    return code;
  }

  /** Makes most bit offsets into memory stay near the operand; far ones would hardly ever meet a page. */
  #limitBitOffset(code: Uint8Array): void {
    const instruction = this.#instruction;
    if (this.#decoder.decode(code, 0, code.length, this.#codeSize, instruction) < 0 || !instruction.memory) return;
    const { reg, base, index, description } = instruction;
    if (description.operands[1]?.method !== 'G' || reg === base || reg === index) return;
    const width = BigInt(instruction.operandSize);
    const high = this.#random.bits64() << width;
    const offset = BigInt(this.#random.below(0x8000) - 0x4000);
    this.#registers[reg] = BigInt.asUintN(64, (high & -(1n << width)) | BigInt.asUintN(Number(width), offset));
  }

  #choosePrefixes(form: Form): void {
    const random = this.#random;
    const mandatory = /^(66|F2|F3) /.exec(form.encoding)?.[1];
    const choice: number[] = [];
    if (form.lockable && random.chance(0.25)) choice.push(0xf0);
    if (form.string && random.chance(0.7)) choice.push(random.pick([0xf2, 0xf3]));
    if (mandatory) choice.push(Number.parseInt(mandatory, 16));
    else if (!/^(NP|NFx|VEX)/.test(form.encoding)) {
      // A near branch with 66 is 16 bits wide on AMD's processors and 64 on Intel's; ours are Intel's.
      if ((!form.forced64 || this.#codeSize === 32) && random.chance(form.sized ? 0.3 : 0.05)) choice.push(0x66);
      // With F2 or F3, LOOPE and LOOPNE are reserved, and AMD's processors change their condition.
      if (!form.string && !form.mnemonic.startsWith('LOOP') && random.chance(0.02))
        choice.push(random.pick([0xf2, 0xf3]));
    } else if (form.encoding.startsWith('NFx') && random.chance(0.3)) choice.push(0x66);
    if (/^F[23] /.test(form.encoding) && random.chance(0.05)) choice.push(0x66);
    if (random.chance(this.#segmented ? 0.3 : 0.06)) choice.push(random.pick([0x26, 0x2e, 0x36, 0x3e]));
    this.#prefixes = choice;
  }

  /** Sets registers that the form uses without naming them. */
  #prepare(form: Form): void {
    const random = this.#random;
    const { mnemonic } = form;
    const pointer = (spread: number) => BigInt(this.#address(spread));
    if (form.operands.some(({ method }) => method === 'X')) this.#registers[6] = pointer(64);
    if (form.operands.some(({ method }) => method === 'Y') || mnemonic.startsWith('MASKMOV'))
      this.#registers[7] = pointer(64);
    if (form.string) this.#registers[1] = BigInt(random.below(12));
    if (mnemonic.startsWith('LOOP') || mnemonic === 'JCXZ')
      this.#registers[1] = random.pick([0n, 1n, 2n, 1n << 32n, random.integer()]);
    if (/^(LAR|LSL|VERR|VERW)$/.test(mnemonic) || form.operands.some(({ method }) => method === 'S')) {
      this.#registers = this.#registers.map((value, index) =>
        index === RSP ? value : (value & ~0xffffn) | BigInt(random.pick(SELECTORS)),
      );
    }
    if (mnemonic === 'XLAT') this.#registers[3] = pointer(300) - (this.#registers[0]! & 0xffn);
    if (mnemonic === 'LEAVE' || mnemonic === 'ENTER') this.#registers[RBP] = pointer(64);
    if (['PUSH', 'POP', 'CALL', 'RET', 'ENTER', 'PUSHF', 'POPF'].includes(mnemonic) && random.chance(0.15)) {
      this.#registers[RSP] = pointer(8);
    }
    if ((mnemonic === 'JMP' || mnemonic === 'CALL') && random.chance(0.8)) {
      this.#registers = this.#registers.map((value, index) => (index === RSP ? value : this.#target()));
    }
    if (mnemonic === 'RET') this.#store(this.#registers[RSP]!, little(this.#target(), 8));
    if (mnemonic === 'POP' && form.operands[0]!.method === 'fixed') {
      this.#store(this.#registers[RSP]!, little(BigInt(random.pick(SELECTORS)), 4));
    }
    if (mnemonic === 'POPF') this.#store(this.#registers[RSP]!, little(BigInt(random.bits() & 0x244cd5), 8));
    if (mnemonic === 'RETF' || mnemonic === 'IRET') this.#farFrame(form);
    if (mnemonic.endsWith('FSBASE') || mnemonic.endsWith('GSBASE')) {
      this.#registers = this.#registers.map((value, index) =>
        index === RSP || random.chance(0.2) ? value : value & 0x7fff_ffff_ffffn,
      );
    }
    if (isVector(form)) this.#vectors(form);
    if (form.feature === 'mmx') this.#mmxRegisters();
    if (form.feature === 'fpu' && random.chance(0.5)) {
      this.#fields.push(
        `fcw=${((random.bits() & 0xf3f) | 0x40).toString(16)}`,
        `fsw=${(random.bits() & 0x7800).toString(16)}`,
      );
    }
  }

  /** A frame for RETF or IRET: mostly one that returns to the code page in 64-bit user mode. */
  #farFrame(form: Form): void {
    const random = this.#random;
    const size = this.#rex & 8 ? 8 : this.#prefixes.includes(0x66) ? 2 : 4;
    const selector = random.chance(0.8) ? this.#codeSelector : this.#anySelector();
    const flags = 0x202 | (random.bits() & 0xcd5);
    const target = CODE_PAGE + random.below(0x1000);
    const stack = DATA + 0x1000 + 8 * random.below(64);
    const frame =
      form.mnemonic === 'RETF'
        ? [target, selector]
        : [target, selector, flags, stack, random.chance(0.8) ? 0x2b : 0x33];
    this.#store(this.#registers[RSP]!, Uint8Array.from(frame.flatMap((value) => [...little(BigInt(value), size)])));
  }

  /** A selector for CS that need not be good. From limited segments none of 64-bit code, whose stack is another. */
  #anySelector(): number {
    const choices = this.#segmented
      ? [...CODE_SEGMENTS, ...DATA_SEGMENTS].map(({ selector }) => selector)
      : CODE_SELECTORS;
    return this.#random.pick(choices);
  }

  /** Where a near branch may go: somewhere in the code page. */
  #target(): bigint {
    return BigInt(CODE_PAGE - (this.#segmented ? this.#code.base : 0) + this.#random.below(0x1000));
  }

  /** The selector of user code of the mode that the instruction is in. */
  get #codeSelector(): number {
    return this.#codeSize === 64 ? 0x33 : 0x23;
  }

  #vectors(form: Form): void {
    const random = this.#random;
    const doubles = /D$/.test(form.mnemonic) || form.operands.some(({ type }) => type === 'pd' || type === 'sd');
    const integers = form.operands.every(({ type }) => isInteger(type));
    for (let register = 0; register < 16; register++) {
      if (register > 7 && !(this.#rex & 5)) break;
      this.#fields.push(`x${register}=${hexadecimal(this.#vector(integers, doubles))}`);
    }
    const masks = random.chance(0.85) ? 0x1f80 : random.bits() & 0x1f80;
    const control =
      masks | (random.below(4) << 13) | (random.chance(0.15) ? 0x8000 : 0) | (random.chance(0.15) ? 0x40 : 0);
    if (random.chance(0.7)) this.#fields.push(`mxcsr=${(control | (random.bits() & 0x3f)).toString(16)}`);
  }

  /** The x87 registers, behind any top of the stack, with or without contents, sometimes with an exception pending. */
  #mmxRegisters(): void {
    const random = this.#random;
    for (let register = 0; register < 8; register++) {
      const exponent = random.chance(0.5) ? 0xffff : random.bits() & 0xffff;
      const significand = random.chance(0.5) ? random.integer() : random.bits64();
      this.#fields.push(
        `st${register}=${hexadecimal(Uint8Array.from([...little(significand, 8), ...little(BigInt(exponent), 2)]))}`,
      );
    }
    const pending = random.chance(0.04);
    this.#fields.push(
      `fcw=${pending ? '37e' : '37f'}`,
      `fsw=${((random.bits() & 0x7f00) | (pending ? 0x8081 : random.bits() & 0x3e)).toString(16)}`,
      `ftw=${random.below(256).toString(16)}`,
    );
  }

  #vector(integers: boolean, doubles: boolean): Uint8Array {
    const random = this.#random;
    const words = [0, 1].flatMap(() => {
      if (integers) return [...little(random.integer(), 8)];
      if (doubles) return [...little(random.double(), 8)];
      return [...little(BigInt(random.single()), 4), ...little(BigInt(random.single()), 4)];
    });
    return Uint8Array.from(words);
  }

  /** An address for `width` bytes: in the window, at its edges, in the read-only page, unmapped, or not canonical. */
  #address(width: number): number | bigint {
    const random = this.#random;
    if (this.#segmented) return this.#offset(width);
    const choice = this.#codeSize === 32 && this.#random.chance(0.1) ? 41 : random.below(40);
    if (choice === 0) return READ_ONLY - random.below(width + 1);
    if (choice === 1) return DATA_END - random.below(width + 1);
    if (choice === 2) return DATA - random.below(width + 1);
    if (choice === 3) return READ_ONLY + random.below(0x1000 - width);
    if (choice === 4 && this.#codeSize === 32) return 0x3000_0000;
    if (choice === 4)
      return random.pick([0x3000_0000n, 0x8000_0000_0000n - BigInt(random.below(width + 1)), 0x1234_0000_0000_0000n]);
    if (choice === 5) return DATA + 0x1000 * (1 + random.below(3)) - random.below(width + 1);
    const address = DATA + 0x200 + random.below(0x3000);
    return choice < 28 ? address & -16 : address;
  }

  /** An offset for `width` bytes, mostly at the limit of one of the case's data segments. */
  #offset(width: number): number {
    const random = this.#random;
    const { limit, flags } = random.pick(this.#data);
    const bytes = flags & 8 ? limit * 0x1000 + 0xfff : limit;
    const edge = bytes + 1 - random.below(width + 2) + random.below(2) * random.below(width);
    const inside = 0x200 + random.below(0x3000);
    return random.pick([edge, edge, inside, inside & -16, 0x1_0000 - random.below(width + 2), random.below(width)]);
  }

  #store(offset: bigint, bytes: Uint8Array): void {
    const address = this.#segmented ? offset + BigInt(DATA) : offset;
    if (address >= BigInt(DATA) && address + BigInt(bytes.length) <= BigInt(READ_ONLY)) {
      this.#stores.push(`m=${address.toString(16)}:${hexadecimal(bytes)}`);
    }
  }

  /** REX or VEX, opcode, ModRM with its address, immediates. */
  #body(form: Form, encoding: ReturnType<typeof parseEncoding>): number[] {
    const random = this.#random;
    const { memory, register, immediates } = operandsOf(form);
    const opcode = random.pick(encoding.opcodes);
    const tail: number[] = [];
    if (encoding.modrm) {
      const index = encoding.modrmIndices ? random.pick(encoding.modrmIndices) : random.below(72);
      const memoryForm =
        index < 8 &&
        memory !== undefined &&
        !register &&
        !form.operands.some(({ method }) => method === 'C' || method === 'D');
      if (encoding.modrmIndices === undefined && memory && random.chance(0.5))
        tail.push(...this.#memory(form, random.below(8), immediates));
      else if (memoryForm) tail.push(...this.#memory(form, index, immediates));
      else tail.push(index < 8 ? 0xc0 | (index << 3) | random.below(8) : 0xb8 + index);
    }
    if (form.operands.some(({ method }) => method === 'O')) tail.push(...this.#moffs());
    tail.push(...this.#immediates(form, immediates));
    if (form.encoding.startsWith('VEX'))
      return [...this.#vex(form, encoding.map, encoding.prefixes[0]!), opcode, ...tail];
    const escapes = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][encoding.map]!;
    return [...(this.#rex ? [this.#rex] : []), ...escapes, opcode, ...tail];
  }

  #vex(form: Form, map: number, pp: number): number[] {
    const random = this.#random;
    const vvvv = form.operands.some(({ method }) => method === 'B') ? random.below(16) : 0;
    const inverted = ~(((this.#rex & 4) << 5) | ((this.#rex & 2) << 5) | ((this.#rex & 1) << 5)) & 0xe0;
    return [0xc4, inverted | (map - 3), ((this.#rex & 8) << 4) | ((~vvvv & 15) << 3) | pp];
  }

  #moffs(): number[] {
    const address = BigInt(this.#address(8));
    if (this.#codeSize === 32) return [...little(address, 4)];
    if (this.#random.chance(0.2) && address < 1n << 32n) {
      this.#prefixes.push(0x67);
      return [...little(address, 4)];
    }
    return [...little(address, 8)];
  }

  /** ModRM, SIB and displacement whose effective address is one of `#address`; sets the registers to match. */
  #memory(form: Form, digit: number, immediates: readonly Operand[]): number[] {
    const random = this.#random;
    const width = form.mnemonic.startsWith('FX') ? 512 : 16;
    let target = BigInt(this.#address(width));
    this.#memoryContents(form, target);
    if (this.#codeSize === 64 && random.chance(0.06)) {
      const base = random.pick([0x1000n, 0x1234_5678n, 0x7fff_0000_0000n]);
      const segment = random.pick([
        ['fs', 0x64],
        ['gs', 0x65],
      ] as const);
      this.#prefixes.push(segment[1]);
      this.#fields.push(`${segment[0]}=${base.toString(16)}`);
      target = BigInt.asUintN(64, target - base);
    }
    const narrow = this.#codeSize === 64 && target < 1n << 32n && random.chance(0.06);
    if (narrow) this.#prefixes.push(0x67);
    const set = (register: number, value: bigint) => {
      const high = narrow ? random.bits64() << 32n : 0n;
      this.#registers[register] = BigInt.asUintN(64, BigInt.asUintN(narrow ? 32 : 64, value) + high);
    };
    const digitBits = digit << 3;
    const shape = random.below(10);
    if (shape === 0 && target < 0x7000_0000n) return [digitBits | 4, 0x25, ...little(target, 4)];
    if (shape === 1 && this.#codeSize === 32) return [digitBits | 5, ...little(target, 4)];
    if (shape === 1 && target < 0x7000_0000n) return this.#ripRelative(digitBits, target, form, immediates);
    const size = random.pick([0, 1, 4]);
    const displacement = size === 1 ? random.below(256) - 128 : size === 4 ? random.bits() | 0 : 0;
    const bytes = [...little(BigInt(displacement), size)];
    const mod = size === 4 ? 2 : size;
    if (shape < 6) {
      const low = random.below(8);
      if (low === RSP || (low === RBP && mod === 0)) return this.#memory(form, digit, immediates);
      set(low | ((this.#rex & 1) << 3), target - BigInt(displacement));
      return [(mod << 6) | digitBits | low, ...bytes];
    }
    const low = random.below(8);
    const indexLow = random.below(8);
    if (low === RBP && mod === 0) return this.#memory(form, digit, immediates);
    // The prologue of 32-bit cases needs the stack.
    if (low === RSP && this.#codeSize === 32) return this.#memory(form, digit, immediates);
    const scale = random.below(4);
    const base = low | ((this.#rex & 1) << 3);
    const index = indexLow | ((this.#rex & 2) << 2);
    if (index === base) return this.#memory(form, digit, immediates);
    let rest = target - BigInt(displacement);
    if (index !== RSP) rest -= this.#registers[index]! << BigInt(scale);
    set(base, rest);
    return [(mod << 6) | digitBits | 4, (scale << 6) | (indexLow << 3) | low, ...bytes];
  }

  /** Displacement from the end of the instruction, whose length the rest of it decides. */
  #ripRelative(digitBits: number, target: bigint, form: Form, immediates: readonly Operand[]): number[] {
    const encoding = parseEncoding(form);
    const head =
      this.#prefixes.length + (form.encoding.startsWith('VEX') ? 4 : [1, 2, 3, 3][encoding.map]! + (this.#rex ? 1 : 0));
    const tail = immediates.reduce((sum, operand) => sum + this.#immediateBytes(operand), 0);
    this.#at = CODE_PAGE + 0x800;
    const displacement = target - BigInt(this.#at + head + 5 + tail);
    return [digitBits | 5, ...little(displacement, 4)];
  }

  /** What the memory operand should hold for the instruction to do something. */
  #memoryContents(form: Form, target: bigint): void {
    const random = this.#random;
    const { mnemonic } = form;
    if (mnemonic.startsWith('CMPXCHG')) {
      const bytes = random.bytes(16);
      this.#store(target, bytes);
      if (random.chance(0.6)) {
        const size = mnemonic === 'CMPXCHG8B' ? 4 : 8;
        const word = (at: number) =>
          bytes.subarray(at, at + size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
        this.#registers[0] = word(0);
        this.#registers[2] = word(size);
      }
    } else if (mnemonic === 'JMPF' || mnemonic === 'CALLF') {
      const size = this.#rex & 8 ? 8 : this.#prefixes.includes(0x66) ? 2 : 4;
      const selector = random.chance(0.6) ? this.#codeSelector : this.#anySelector();
      this.#store(
        target,
        Uint8Array.from([...little(BigInt(CODE_PAGE + random.below(4096)), size), ...little(BigInt(selector), 2)]),
      );
    } else if (mnemonic === 'JMP' || mnemonic === 'CALL') {
      this.#store(target, little(this.#target(), 8));
    } else if (
      /^(LSS|LFS|LGS)$/.test(mnemonic) ||
      form.operands.some(({ method, type }) => method === 'S' || type === 'vw')
    ) {
      this.#store(target, little(BigInt(random.pick(SELECTORS)), 2));
    } else if (mnemonic === 'LDMXCSR' || mnemonic === 'FXRSTOR') {
      this.#store(target, little(BigInt(random.bits() & (random.chance(0.8) ? 0xffff : 0x1ffff)), 4));
    } else if (isVector(form)) {
      const doubles = form.operands.some(({ type }) => type === 'pd' || type === 'sd');
      this.#store(
        target,
        this.#vector(
          form.operands.every(({ type }) => isInteger(type)),
          doubles,
        ),
      );
    } else if (random.chance(0.5)) {
      this.#store(target, little(random.integer(), 8));
    }
  }

  #immediateBytes(operand: Operand): number {
    const size = this.#rex & 8 ? 8 : this.#prefixes.includes(0x66) ? 2 : 4;
    return { b: 1, w: 2, z: Math.min(size, 4), v: size }[operand.type] ?? 1;
  }

  #immediates(form: Form, immediates: readonly Operand[]): number[] {
    const random = this.#random;
    if (form.operands.some(({ method }) => method === 'A')) {
      const offset = little(BigInt(CODE_PAGE + random.below(0x1000)), this.#prefixes.includes(0x66) ? 2 : 4);
      return [...offset, ...little(BigInt(random.chance(0.6) ? this.#codeSelector : this.#anySelector()), 2)];
    }
    return immediates.flatMap((operand) => {
      const size = operand.method === 'J' && operand.type === 'z' ? 4 : this.#immediateBytes(operand);
      if (operand.method === 'J') {
        const distance = size === 1 ? random.below(256) - 128 : random.below(0x1000) - 0x800;
        // The bytes of a prologue with any selectors may mean anything, also what leaves flags undefined.
        return [...little(BigInt(this.#segmented ? Math.abs(distance) : distance), size)];
      }
      if (form.mnemonic === 'INT') return [random.pick([0, 1, 3, 4, 13, 14, 32, 33, 255])];
      if (form.mnemonic === 'ENTER')
        return operand.type === 'w' ? [...little(BigInt(random.below(64) * 8), 2)] : [random.below(40)];
      if (form.mnemonic === 'RET' || form.mnemonic === 'RETF') return [...little(BigInt(random.below(64) * 8), 2)];
      return [...little(random.integer(), size)];
    });
  }
}

const isInteger = (type: string): boolean => ['dq', 'q', 'd', 'b'].includes(type);

/** Forms on XMM or MMX registers. */
const isVector = ({ feature }: Form): boolean => feature === 'sse' || feature === 'sse2' || feature === 'mmx';

/** `count` low bytes of a value, least significant first. */
function little(value: bigint, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}

function hexadecimal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Forms of 32-bit code that 64-bit cases do not have, and all those that mean something else there. */
export function exercisedForms32(): readonly Form[] {
  return FORMS.filter((form) => {
    const { only64, feature, mnemonic, name, encoding } = form;
    if (only64 || mnemonic in EXCLUDED || name in EXCLUDED || mnemonic === 'SYSEXIT') return false;
    // Loads of far pointers are in the 64-bit cases; wide rows need REX.W.
    return (
      feature !== 'x87' &&
      (!feature || IMPLEMENTED_FEATURES.has(feature)) &&
      !/^L[DEFGS]S$/.test(mnemonic) &&
      !encoding.includes('REX.W')
    );
  });
}

/** Forms of 64-bit mode with their features implemented, without the excluded ones; x87.test.ts has a generator for the x87's. */
export function exercisedForms(): readonly Form[] {
  return FORMS.filter(
    ({ invalid64, feature, mnemonic, name }) =>
      !invalid64 &&
      feature !== 'x87' &&
      (!feature || IMPLEMENTED_FEATURES.has(feature)) &&
      !(mnemonic in EXCLUDED) &&
      !(name in EXCLUDED),
  );
}
