/** A program of many instructions that each execute once: what code costs that never gets hot. */

const LOAD_ADDRESS = 0x40_0000;
const HEADER_BYTES = 0x78;
/** Offset of a timespec of one second behind the two lines. */
const SECOND_AT = 16;
const INSTRUCTIONS_PER_FUNCTION = 8;
/** Neither RSP nor, for byte forms, the registers whose low byte needs REX. */
const REGISTERS = [0, 1, 2, 3, 5, 6, 7];
const BYTE_REGISTERS = [0, 1, 2, 3];

/** ADD, SUB, XOR, AND, OR, MOV, CMP, TEST Ev, Gv. */
const REGISTER_OPCODES = [0x01, 0x29, 0x31, 0x21, 0x09, 0x89, 0x39, 0x85];
/** ADD, OR, AND, SUB, XOR, CMP as digits of 81 /digit id. */
const IMMEDIATE_DIGITS = [0, 1, 4, 5, 6, 7];

const little32 = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >> shift) & 255);

class CodeWriter {
  readonly bytes: number[] = [];
  #state = 1;

  random(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  emit(...bytes: number[]): void {
    this.bytes.push(...bytes);
  }

  emit32(value: number): void {
    this.emit(...little32(value));
  }

  /** One of the numbers, by default of the registers. */
  pick(from: readonly number[] = REGISTERS): number {
    return from[this.random(from.length)]!;
  }

  /** The bytes of one instruction of the kinds that compilers emit most. */
  instruction(): number[] {
    const reg = this.pick() << 3;
    const rm = this.pick();
    const value = little32(this.random(2 ** 31));
    switch (this.random(9)) {
      case 0:
        return [0xb8 + rm, ...value];
      case 1:
        return [0x81, 0xc0 | (this.pick(IMMEDIATE_DIGITS) << 3) | rm, ...value];
      case 2:
        return [0x8b, 0x44 | reg, 0x24, 0xc0 + 4 * this.random(12)];
      case 3:
        return [0x89, 0x44 | reg, 0x24, 0xc0 + 4 * this.random(12)];
      case 4:
        return [0xc1, 0xe0 | rm, 1 + this.random(31)];
      case 5:
        return [0x0f, 0xaf, 0xc0 | reg | rm];
      case 6:
        return [0x0f, 0xb6, 0xc0 | reg | this.pick(BYTE_REGISTERS)];
      case 7:
        // A conditional jump to the next instruction: executed once, whichever way it goes.
        return [0x70 | this.random(16), 0];
      default:
        return [this.pick(REGISTER_OPCODES), 0xc0 | reg | rm];
    }
  }

  /** write(1, text, length). */
  write(address: number, length: number): void {
    this.emit(0xb8);
    this.emit32(1);
    this.emit(0xbf);
    this.emit32(1);
    this.emit(0xbe);
    this.emit32(address);
    this.emit(0xba);
    this.emit32(length);
    this.emit(0x0f, 0x05);
  }

  /** Sleeps for a second, whose timespec is at an address, and ends: nanosleep and exit_group(0). */
  exit(second: number): void {
    this.emit(0xb8, ...little32(35), 0xbf, ...little32(second), 0x31, 0xf6, 0x0f, 0x05);
    this.emit(0xb8);
    this.emit32(231);
    this.emit(0x31, 0xff, 0x0f, 0x05);
  }
}

/**
 * A static ELF64 executable that speaks the benchmark's protocol (tests/bench/guests.ts): a row of calls to functions that
 * are called once.
 */
export function coldProgram(count: number): Uint8Array {
  const data = new Uint8Array(SECOND_AT + 16);
  data.set(new TextEncoder().encode('begin\nend 0\n'));
  data[SECOND_AT] = 1;
  const textAddress = LOAD_ADDRESS + HEADER_BYTES;
  const functions = new CodeWriter();
  const starts = Array.from({ length: count }, () => {
    const start = functions.bytes.length;
    for (let i = 0; i < INSTRUCTIONS_PER_FUNCTION; i++) functions.emit(...functions.instruction());
    functions.emit(0xc3);
    return start;
  });
  const main = new CodeWriter();
  main.write(textAddress, 6);
  const callsAt = main.bytes.length;
  const callBytes = 5 * count;
  const tail = new CodeWriter();
  tail.write(textAddress + 6, 6);
  tail.exit(textAddress + SECOND_AT);
  const functionsAt = callsAt + callBytes + tail.bytes.length;
  starts.forEach((start, index) => {
    main.emit(0xe8);
    main.emit32(functionsAt + start - (callsAt + 5 * (index + 1)));
  });
  const code = [...main.bytes, ...tail.bytes, ...functions.bytes];
  return executable(Uint8Array.from([...data, ...code]), data.length);
}

/** @param contents loaded right behind the headers @param entry offset in them where execution begins */
function executable(contents: Uint8Array, entry: number): Uint8Array {
  const image = new Uint8Array(HEADER_BYTES + contents.length);
  const view = new DataView(image.buffer);
  // ELF header: 64-bit, little-endian, version 1, ET_EXEC, EM_X86_64 (System V ABI, chapter 4).
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(LOAD_ADDRESS + HEADER_BYTES + entry), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  // PT_LOAD, readable and executable.
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  view.setBigUint64(80, BigInt(LOAD_ADDRESS), true);
  view.setBigUint64(88, BigInt(LOAD_ADDRESS), true);
  view.setBigUint64(96, BigInt(image.length), true);
  view.setBigUint64(104, BigInt(image.length), true);
  view.setBigUint64(112, 4096n, true);
  image.set(contents, HEADER_BYTES);
  return image;
}
