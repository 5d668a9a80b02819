import * as iced from 'iced-x86';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import { Instruction, NO_REGISTER } from '../../src/cpu/decode/instruction.ts';
import { REGISTER_NAMES } from '../../src/debugger/cases/case.ts';
import { CODE_PAGE, EXCLUDED } from './native-generator.ts';
import { Random } from './native-random.ts';

const CODE_BYTES = 16;
const PREFIXES = [0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x40, 0x48, 0x41, 0x44, 0x4f, 0x64, 0x2e];
const DATA = 0x2000_0000n;
const DATA_BYTES = 0x5000n;
const RAX = 0;
const RSP = 4;

/**
 * Where the host process that runs cases has memory of its own, roughly: its program below the code page, its stack and libraries
 * in the upper third of the user half. A case must not touch it.
 */
function isForeign(address: bigint): boolean {
  return (
    (address > 0x1_0000n && address < BigInt(CODE_PAGE) - 0x1_0000n) ||
    (address > 0x5000_0000_0000n && address < 1n << 47n)
  );
}

/** Segment selectors whose descriptors a Linux kernel fills with values of its own: TSS, LDT, TLS and CPU number. */
const isKernelsSelector = (selector: bigint) => (selector & 0xfff8n) >= 0x38n && (selector & 0xfff8n) < 0x80n;

/**
 * Writes cases of a single step over random bytes, in the line format of native-oracle.c. Left out are those that the host answers
 * otherwise by right: instructions of extensions that it has and we have not, and what EXCLUDED and `unlike` name.
 */
export class ByteCaseGenerator {
  readonly #random: Random;
  readonly #decoder = new Decoder();
  readonly #instruction = new Instruction();
  readonly #theirs = new iced.Instruction();
  #id = 0;
  /** Byte sequences that were left out. */
  skipped = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** The next case's line. */
  next(): string {
    for (;;) {
      const code = this.#bytes();
      const registers = this.#registers();
      if (this.#isComparable(code, registers)) return this.#line(code, registers);
      this.skipped++;
    }
  }

  /** Random bytes, often behind prefixes and opcode escapes, so that all maps are met. */
  #bytes(): Uint8Array {
    const random = this.#random;
    const code = random.bytes(CODE_BYTES);
    let at = 0;
    for (let count = random.below(4); count > 0; count--) code[at++] = random.pick(PREFIXES);
    const map = random.below(8);
    if (map < 3) code[at++] = 0x0f;
    else if (map === 3) code.set([0x0f, random.pick([0x38, 0x3a])], at);
    else if (map === 4) code.set([0xc4, 0xe2 & (random.bits() | 0x1f)], at);
    return code;
  }

  #registers(): bigint[] {
    const random = this.#random;
    return Array.from({ length: 16 }, (_, index) =>
      index === RSP || random.chance(0.7) ? DATA + BigInt(random.below(0x3000) & -8) : random.integer(),
    );
  }

  #line(code: Uint8Array, registers: readonly bigint[]): string {
    const random = this.#random;
    const hexadecimal = Array.from(code, (byte) => byte.toString(16).padStart(2, '0')).join('');
    const flags = (0x202 | (random.bits() & 0xcd5)).toString(16);
    const fields = registers.map((value, index) => `${REGISTER_NAMES[index]}=${value.toString(16)}`);
    return [`id=${this.#id++}`, `code=${hexadecimal}`, 'step=1', `fl=${flags}`, ...fields].join(' ');
  }

  #isComparable(code: Uint8Array, registers: readonly bigint[]): boolean {
    const instruction = this.#instruction;
    const length = this.#decoder.decode(code, 0, CODE_BYTES, 64, instruction);
    if (length < 0) return this.#isUndefinedThere(code);
    if (instruction.description.mnemonic in EXCLUDED || instruction.description.name in EXCLUDED) return false;
    return !this.#isUnlike(code.subarray(0, length), registers) && !this.#touchesForeign(registers);
  }

  /** Whether a sequence that we do not decode means nothing to any processor, so that the host must raise #UD or #GP too. */
  #isUndefinedThere(code: Uint8Array): boolean {
    // With LOCK, AMD's processors take MOV CR0 as MOV CR8, and fault in the memory operand before they refuse the prefix.
    if (code.includes(0xf0)) return false;
    // 0F 01 with mod = 3 belongs to hypervisors and extensions, whatever prefixes stand before it.
    if (code.some((byte, at) => byte === 0x0f && code[at + 1] === 1 && code[at + 2]! >= 0xc0)) return false;
    const decoder = new iced.Decoder(64, code, iced.DecoderOptions.None);
    decoder.decodeOut(this.#theirs);
    decoder.free();
    return this.#theirs.code === iced.Code.INVALID;
  }

  /** Where AMD's processors rightly differ from Intel's, which ours follow, or where the host's kernel answers. */
  #isUnlike(code: Uint8Array, registers: readonly bigint[]): boolean {
    const { description, rex, opcode, immediate, repeat } = this.#instruction;
    const { mnemonic, forced64, operands } = description;
    // 66 makes near branches 16 bits wide.
    if (forced64 && code.includes(0x66)) return true;
    // REX.W gives no 64-bit offsets to far pointers.
    if (operands.some(({ type }) => type === 'p') && rex & 8) return true;
    if (mnemonic.startsWith('LOOP') && repeat !== 0) return true;
    if (mnemonic === 'SYSEXIT') return true;
    // Linux answers INT 80h itself.
    if (mnemonic === 'INT' && immediate === 0x80) return true;
    if (/^(LAR|LSL|VERR|VERW)$/.test(mnemonic) || operands.some(({ method }) => method === 'S')) {
      return this.#instruction.memory || isKernelsSelector(registers[this.#instruction.rm]! & 0xffffn);
    }
    return /^(RETF|IRET|JMPF|CALLF|LSS|LFS|LGS)$/.test(mnemonic) || (mnemonic === 'POP' && opcode >= 0xa0);
  }

  #touchesForeign(registers: readonly bigint[]): boolean {
    const {
      base,
      index,
      scale,
      displacement,
      displacementHigh,
      ripRelative,
      addressSize,
      memory,
      description,
      length,
    } = this.#instruction;
    if (description.mnemonic === 'XLAT' && isForeign(registers[3]! + (registers[RAX]! & 0xffn))) return true;
    if (description.string || description.mnemonic.startsWith('MASKMOV')) {
      return [6, 7].some((register) => isForeign(BigInt.asUintN(addressSize, registers[register]!)));
    }
    if (/^(ENTER|LEAVE)$/.test(description.mnemonic) && isForeign(registers[5]!)) return true;
    if (!memory || description.mnemonic === 'LEA') return false;
    let address = (BigInt(displacementHigh) << 32n) + BigInt(displacement >>> 0);
    if (ripRelative) address += BigInt(CODE_PAGE + 0x800 + length);
    if (base !== NO_REGISTER) address += registers[base]!;
    if (index !== NO_REGISTER) address += registers[index]! << BigInt(scale);
    address = BigInt.asUintN(addressSize, address);
    const register = registers[this.#instruction.reg]!;
    // A bit offset in a register may lead anywhere from the operand.
    const far = description.name.startsWith('BT') && BigInt.asIntN(64, register) >> 20n !== 0n;
    return isForeign(address) || (far && address >= DATA && address < DATA + DATA_BYTES);
  }
}
