/**
 * Random machine-code programs for comparing engines: blocks of random instructions joined by conditional jumps, loops, calls, computed
 * jumps, stores into their own code, faults and, at ring 0, changes of the page tables. Every program ends: a counter in R14 runs out.
 */
import { CODE, DATA } from './long-mode.ts';

/** A small reproducible generator of random numbers (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** @returns an integer from 0 to below `limit` */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  chance(one: number, of: number): boolean {
    return this.below(of) < one;
  }
}

/** Where a program runs. */
export interface Place {
  /** Linear address of its first byte. */
  readonly code: number;
  /** Of the table of computed jumps. */
  readonly jumpTable: number;
  /** At ring 0, with the pages of WINDOW. */
  readonly isKernel: boolean;
  /** An ordinary instruction, and what has to follow it there. */
  readonly settle?: (instruction: number[]) => number[];
}

/** Random choices for a program at a place. */
class ProgramRandom extends Random {
  readonly place: Place;

  constructor(seed: number, place: Place) {
    super(seed);
    this.place = place;
  }
}

const FUEL = 14;
const BASE = 15;
/** Registers that random instructions may change. */
const FREE = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13];
export const INTERRUPT_VECTOR = 0x40;
/** The handler of exceptions, then that of interrupts, then the table of computed jumps. */
export const HANDLERS = CODE - 0x800;
const JUMP_TABLE = DATA + 0x8000;
const TABLE_ENTRIES = 4;
/** Linear addresses of small pages whose entries programs change, and of the entries. */
export const WINDOW = 0x40_0000;
export const WINDOW_PAGES = 4;
export const WINDOW_TABLE = 0x30_0000;
const IN_KERNEL: Place = { code: CODE, jumpTable: JUMP_TABLE, isKernel: true };

type Emitter = (random: ProgramRandom) => number[];

const rex = (wide: boolean, reg: number, index: number, rm: number): number =>
  0x40 | (wide ? 8 : 0) | ((reg >> 3) << 2) | ((index >> 3) << 1) | (rm >> 3);
const le32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255];

interface Operand {
  readonly rm: number;
  readonly index: number;
  readonly tail: number[];
}

const register = (rm: number, reg: number): Operand => ({ rm, index: 0, tail: [0xc0 | ((reg & 7) << 3) | (rm & 7)] });

/** [R15 + disp], or in the window; now and then across a page boundary. */
function memory(random: ProgramRandom, reg: number): Operand {
  const field = (reg & 7) << 3;
  if (random.place.isKernel && random.chance(1, 8)) {
    const address = WINDOW + random.below(WINDOW_PAGES * 4096 - 16);
    return { rm: 4, index: 0, tail: [field | 4, 0x25, ...le32(address)] };
  }
  if (random.chance(1, 3)) return { rm: BASE, index: 0, tail: [0x40 | field | (BASE & 7), random.below(128)] };
  const displacement = random.chance(1, 8) ? 4096 - random.below(9) : random.below(0x4000);
  return { rm: BASE, index: 0, tail: [0x80 | field | (BASE & 7), ...le32(displacement)] };
}

const either = (random: ProgramRandom, reg: number): Operand =>
  random.chance(2, 3) ? register(random.pick(FREE), reg) : memory(random, reg);

/** An instruction with ModRM at a random operand size. */
function sized(random: Random, opcode: (byte: boolean) => number[], reg: number, rm: Operand, bytes = true): number[] {
  const size = random.below(bytes ? 4 : 3);
  const byte = size === 3;
  return [...(size === 2 ? [0x66] : []), rex(size === 0, reg, rm.index, rm.rm), ...opcode(byte), ...rm.tail];
}

const alu: Emitter = (random) => {
  const reg = random.pick(FREE);
  const operation = random.below(8);
  const direction = random.below(2);
  return sized(random, (byte) => [operation * 8 + direction * 2 + (byte ? 0 : 1)], reg, either(random, reg));
};
const aluImmediate: Emitter = (random) => {
  const operation = random.below(8);
  const rm = either(random, operation);
  return [rex(random.chance(1, 2), operation, rm.index, rm.rm), 0x83, ...rm.tail, random.below(256)];
};
const shift: Emitter = (random) => {
  const operation = random.pick([0, 1, 2, 3, 4, 5, 7]);
  const rm = either(random, operation);
  const form = random.below(3);
  const opcode = (byte: boolean) => [(form === 0 ? 0xc0 : form === 1 ? 0xd0 : 0xd2) + (byte ? 0 : 1)];
  return [...sized(random, opcode, operation, rm), ...(form === 0 ? [random.below(256)] : [])];
};
const unary: Emitter = (random) => {
  const [opcode, operation] = random.pick([
    [0xfe, 0],
    [0xfe, 1],
    [0xf6, 2],
    [0xf6, 3],
    [0xf6, 4],
    [0xf6, 5],
  ] as const);
  return sized(random, (byte) => [opcode + (byte ? 0 : 1)], operation, either(random, operation));
};
const move: Emitter = (random) => {
  const reg = random.pick(FREE);
  return sized(random, (byte) => [random.pick([0x88, 0x8a]) + (byte ? 0 : 1)], reg, either(random, reg));
};
const twoByte: Emitter = (random) => {
  const reg = random.pick(FREE);
  const opcode = random.pick([0xaf, 0xb6, 0xb7, 0xbe, 0xbf, 0xa3, 0xab, 0xb3, 0xbc, 0xbd, 0x40 + random.below(16)]);
  const needsRegister = opcode === 0xa3 || opcode === 0xab || opcode === 0xb3;
  const rm = needsRegister ? register(random.pick(FREE), reg) : either(random, reg);
  return sized(random, () => [0x0f, opcode], reg, rm, false);
};
const setByte: Emitter = (random) => {
  const rm = either(random, 0);
  return [rex(false, 0, rm.index, rm.rm), 0x0f, 0x90 + random.below(16), ...rm.tail];
};
const exchange: Emitter = (random) => {
  const reg = random.pick(FREE);
  const opcode = random.pick([[0x86], [0x0f, 0xc0], [0x0f, 0xb0]]);
  return sized(random, (byte) => [...opcode.slice(0, -1), opcode.at(-1)! + (byte ? 0 : 1)], reg, either(random, reg));
};
const lea: Emitter = (random) => {
  const reg = random.pick(FREE);
  const base = random.pick(FREE.filter((each) => (each & 7) !== 5));
  const index = random.pick(FREE);
  return [
    rex(true, reg, index, base),
    0x8d,
    ((reg & 7) << 3) | 4,
    (random.below(4) << 6) | ((index & 7) << 3) | (base & 7),
  ];
};
const stack: Emitter = (random) => [
  ...[rex(false, 0, 0, 8), 0x50 + random.below(6)],
  ...[rex(false, 0, 0, 8), 0x58 + random.below(6)],
];
const highByte: Emitter = (random) => [
  random.pick([0x00, 0x28, 0x30, 0x88, 0x38]),
  0xc0 | (random.below(8) << 3) | random.pick([0, 1, 2, 3, 5, 6, 7]),
];
const flags: Emitter = (random) => random.pick([[0x9e], [0x9f], [0xf5], [0xf8], [0xf9], [0xfc]]);
/** With a displacement that is a multiple of 16. */
function aligned(tail: readonly number[]): number[] {
  if (tail.length === 1) return [...tail];
  const low = tail.length === 2 ? 1 : tail.length - 4;
  return tail.map((byte, at) => (at === low ? byte & (low === 1 && tail.length === 2 ? 0x70 : 0xf0) : byte));
}

const vector: Emitter = (random) => {
  const opcode = random.pick([0xfe, 0xd4, 0xef, 0xdb, 0xeb, 0x6f, 0x62, 0xf4, 0x76, 0x66]);
  const rm = random.chance(1, 2) ? register(random.below(16), random.below(16)) : memory(random, random.below(8));
  return [0x66, rex(false, 0, rm.index, rm.rm), 0x0f, opcode, ...aligned(rm.tail)];
};
/** On MMX registers, now and then EMMS or a push onto the x87 stack that they lie in. */
const mmx: Emitter = (random) => {
  if (random.chance(1, 6))
    return random.pick([
      [0x0f, 0x77],
      [0xd9, 0xe8],
      [0xdb, 0xe3],
    ]);
  const opcode = random.pick([0xfe, 0xd4, 0xef, 0x6f, 0x7f, 0x62, 0x68, 0x63, 0x6e, 0x7e, 0xf6]);
  const rm = random.chance(2, 3) ? register(random.below(8), random.below(8)) : memory(random, random.below(8));
  return [rex(random.chance(1, 2), 0, rm.index, rm.rm), 0x0f, opcode, ...rm.tail];
};
const scalarDouble: Emitter = (random) => [
  0xf2,
  0x0f,
  random.pick([0x58, 0x59, 0x5c, 0x2a, 0x10]),
  0xc0 | random.below(64),
];
const reloadCr3: Emitter = () => [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
/** XOR QWORD [entry], a bit that says present, writable, accessed or dirty, or which frame; INVLPG [page], or a reload of CR3. */
const remap: Emitter = (random) => {
  const page = random.below(WINDOW_PAGES);
  const change = random.pick([1, 2, 0x20, 0x40, 0x1000, 0x2000]);
  const entry = [0x48, 0x81, 0x34, 0x25, ...le32(WINDOW_TABLE + 8 * page), ...le32(change)];
  const drop = [0x0f, 0x01, 0x3c, 0x25, ...le32(WINDOW + 4096 * page)];
  return [...entry, ...(random.chance(1, 3) ? reloadCr3(random) : drop)];
};

const ORDINARY: readonly Emitter[] = [
  ...[alu, alu, alu, aluImmediate, aluImmediate, shift, unary, move, move, move, twoByte, twoByte],
  ...[setByte, exchange, lea, stack, highByte, flags, vector, mmx, scalarDouble],
];

/** A random program: bytes at CODE, a jump table and random data. */
export class RandomProgram {
  readonly code: number[] = [];
  readonly data: Uint8Array;
  /** RIPs of the computed jumps' targets. */
  readonly table: number[] = [];
  readonly #random: ProgramRandom;
  readonly #place: Place;
  readonly #fixups: { at: number; block: number }[] = [];
  readonly #starts: number[] = [];
  /** Offsets of immediate bytes that programs may overwrite. */
  readonly #immediates: number[] = [];

  constructor(seed: number, place = IN_KERNEL) {
    this.#place = place;
    this.#random = new ProgramRandom(seed, place);
    this.data = Uint8Array.from({ length: 0x5000 }, () => this.#random.below(256));
    const blocks = 2 + this.#random.below(8);
    for (let block = 0; block < blocks; block++) this.#block(block, blocks);
    this.#starts.push(this.code.length);
    if (place.isKernel) this.code.push(0xf4);
    for (const { at, block } of this.#fixups) this.#patch(at, this.#starts[block]!);
    for (let entry = 0; entry < TABLE_ENTRIES; entry++)
      this.table.push(place.code + this.#starts[this.#random.below(blocks)]!);
  }

  #block(number: number, count: number): void {
    const random = this.#random;
    this.#starts.push(this.code.length);
    // Fuel: DEC R14; JS to the end.
    this.code.push(0x49, 0xff, 0xce);
    this.#jump([0x0f, 0x88], count);
    if (this.#place.isKernel && random.chance(1, 20)) this.#jumpToPageEnd();
    for (let left = 1 + random.below(10); left > 0; left--) this.code.push(...this.#ordinary());
    if (random.chance(1, 6)) this.#overwritable();
    if (this.#place.isKernel && random.chance(1, 12)) this.code.push(...random.pick([reloadCr3, remap, remap])(random));
    if (random.chance(1, 25)) this.#fault();
    this.#ending(number, count);
  }

  #ordinary(): number[] {
    const instruction = this.#random.pick(ORDINARY)(this.#random);
    return this.#place.settle?.(instruction) ?? instruction;
  }

  #ending(number: number, count: number): void {
    const random = this.#random;
    const target = random.below(count + 1);
    switch (random.below(6)) {
      case 0:
        this.#jump([0xe9], target);
        break;
      case 1:
        this.#call();
        break;
      case 2:
        // AND EAX, 3; JMP [RAX*8 + JUMP_TABLE].
        this.code.push(0x83, 0xe0, 3, 0xff, 0x24, 0xc5, ...le32(this.#place.jumpTable));
        break;
      case 3:
        this.#jump([0x0f, 0x80 + random.below(16)], number);
        break;
      default:
        this.#jump([0x0f, 0x80 + random.below(16)], target);
    }
  }

  /** CALL of a short function that stands right behind a jump over it. */
  #call(): void {
    const body = [...this.#ordinary(), ...this.#ordinary(), 0xc3];
    this.code.push(0xe8, ...le32(5), 0xe9, ...le32(body.length), ...body);
  }

  /** MOV EAX, imm32, and a store into an immediate of the program: this one's or an earlier one's. */
  #overwritable(): void {
    this.code.push(0xb8, ...le32(this.#random.below(2 ** 31)));
    this.#immediates.push(this.code.length - 4);
    const address = this.#place.code + this.#random.pick(this.#immediates);
    this.code.push(0x88, 0x0c, 0x25, ...le32(address));
  }

  /** Moves on so that an instruction crosses into the next page. */
  #jumpToPageEnd(): void {
    const here = this.code.length + 5;
    const gap = 4096 - (here % 4096) - this.#random.below(6);
    if (gap < 0 || gap > 1024) return;
    this.code.push(0xe9, ...le32(gap), ...new Array<number>(gap).fill(0x90));
  }

  #fault(): void {
    const random = this.#random;
    this.code.push(
      ...random.pick([
        [0x0f, 0x0b],
        [0x48, 0x8b, 0x04, 0x25, ...le32(0x7fff0000)],
        [0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x48, 0x8b, 0x00],
        [0x31, 0xc9, 0xf7, 0xf1],
        [0x66, 0x41, 0x0f, 0x6f, 0x47, 0x01],
      ]),
    );
  }

  #jump(opcode: readonly number[], block: number): void {
    this.code.push(...opcode);
    this.#fixups.push({ at: this.code.length, block });
    this.code.push(0, 0, 0, 0);
  }

  #patch(at: number, target: number): void {
    this.code.splice(at, 4, ...le32(target - (at + 4)));
  }
}

export { BASE, FUEL, JUMP_TABLE };
