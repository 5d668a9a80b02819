import { evaluateBinary, evaluateBits, evaluateCondition } from './arithmetic.ts';
import {
  type Address,
  bitsOf,
  bytesOf,
  type Instruction,
  type IrFunction,
  type IrModule,
  type Register,
  type Terminator,
} from './module.ts';

export interface EvaluatorOptions {
  /** bytes of memory; default 1 MiB */
  readonly memorySize?: number;
  /** stops with an error after so many instructions; default 10 million */
  readonly limit?: number;
  readonly portIn?: (port: number, bytes: number) => bigint;
  readonly portOut?: (port: number, bytes: number, value: bigint) => void;
  /** results of an intrinsic, by name and arguments */
  readonly intrinsic?: (name: string, given: readonly bigint[]) => readonly bigint[];
}

/** An access outside memory, as a page fault would be. */
class MemoryFault extends Error {}

interface Activation {
  readonly fn: IrFunction;
  readonly registers: bigint[];
  readonly slots: bigint[];
}

const memoryBase = 0x10000n;
const functionBase = 0x7f000000n;

/**
 * Runs IR directly over a byte array: what a module means, independent of any machine. Values are unsigned bigints
 * below 2^width. Data objects lie from 0x10000 up in module order, the stack grows down from the end of memory.
 */
export class Evaluator {
  readonly memory: Uint8Array;
  readonly #view: DataView;
  readonly #module: IrModule;
  readonly #options: EvaluatorOptions;
  readonly #functions = new Map<string, IrFunction>();
  readonly #addresses = new Map<string, bigint>();
  readonly #byAddress = new Map<bigint, IrFunction>();
  #stack: bigint;
  #remaining: number;

  constructor(module: IrModule, options: EvaluatorOptions = {}) {
    this.#module = module;
    this.#options = options;
    this.memory = new Uint8Array(options.memorySize ?? 1 << 20);
    this.#view = new DataView(this.memory.buffer);
    this.#stack = memoryBase + BigInt(this.memory.length);
    this.#remaining = options.limit ?? 10_000_000;
    this.#placeFunctions();
    this.#placeData();
  }

  #placeFunctions(): void {
    this.#module.functions.forEach((fn, index) => {
      const address = functionBase + BigInt(index * 16);
      this.#functions.set(fn.name, fn);
      this.#addresses.set(fn.name, address);
      this.#byAddress.set(address, fn);
    });
  }

  #placeData(): void {
    let next = memoryBase;
    for (const object of this.#module.data) {
      const alignment = BigInt(object.alignment);
      next = ((next + alignment - 1n) / alignment) * alignment;
      this.#addresses.set(object.name, next);
      this.memory.set(object.bytes, Number(next - memoryBase));
      next += BigInt(object.size);
    }
    for (const object of this.#module.data) {
      for (const { offset, symbol, addend, size } of object.relocations) {
        this.write(this.addressOf(object.name) + BigInt(offset), size, this.addressOf(symbol) + addend);
      }
    }
  }

  /** The address of a function or data object. Throws for a name that the module does not define. */
  addressOf(symbol: string): bigint {
    const address = this.#addresses.get(symbol);
    if (address === undefined) throw new Error(`@${symbol} has no address`);
    return address;
  }

  read(address: bigint, bytes: number): bigint {
    const at = this.#locate(address, bytes);
    let value = 0n;
    for (let index = bytes - 1; index >= 0; index--) value = (value << 8n) | BigInt(this.#view.getUint8(at + index));
    return value;
  }

  write(address: bigint, bytes: number, value: bigint): void {
    const at = this.#locate(address, bytes);
    for (let index = 0; index < bytes; index++) {
      this.#view.setUint8(at + index, Number((value >> BigInt(8 * index)) & 0xffn));
    }
  }

  #locate(address: bigint, bytes: number): number {
    const offset = address - memoryBase;
    if (offset < 0n || offset + BigInt(bytes) > BigInt(this.memory.length)) {
      throw new MemoryFault(`no memory at 0x${address.toString(16)}`);
    }
    return Number(offset);
  }

  /** Calls a function; arguments and results are taken modulo their widths. */
  call(name: string, given: readonly bigint[]): bigint[] {
    const fn = this.#functions.get(name);
    if (!fn) throw new Error(`no function @${name}`);
    return this.#call(fn, given);
  }

  #call(fn: IrFunction, given: readonly bigint[]): bigint[] {
    const saved = this.#stack;
    const slots = fn.slots.map(({ size, alignment }) => {
      this.#stack = ((this.#stack - BigInt(size)) / BigInt(alignment)) * BigInt(alignment);
      return this.#stack;
    });
    const activation: Activation = { fn, registers: new Array<bigint>(fn.registers.length).fill(0n), slots };
    fn.parameters.forEach((parameter, index) => {
      set(activation, parameter.register, given[index] ?? 0n);
    });
    const results = this.#run(activation);
    this.#stack = saved;
    return results;
  }

  #run(activation: Activation): bigint[] {
    let block = activation.fn.blocks[0]!;
    for (;;) {
      for (const instruction of block.instructions) this.#step(activation, instruction);
      const next = this.#follow(activation, block.terminator);
      if (typeof next !== 'number') return next;
      block = activation.fn.blocks[next]!;
    }
  }

  #follow(activation: Activation, terminator: Terminator): number | bigint[] {
    const get = (register: Register) => activation.registers[register]!;
    switch (terminator.op) {
      case 'jump':
        this.#count();
        return terminator.target;
      case 'branch':
        return get(terminator.test) !== 0n ? terminator.then : terminator.otherwise;
      case 'branchCompare': {
        const bits = bitsOf[activation.fn.registers[terminator.left]!];
        const taken = evaluateCondition(terminator.condition, get(terminator.left), get(terminator.right), bits);
        return taken ? terminator.then : terminator.otherwise;
      }
      case 'switch': {
        const bits = bitsOf[activation.fn.registers[terminator.value]!];
        const value = get(terminator.value);
        const found = terminator.cases.find((entry) => BigInt.asUintN(bits, entry.value) === value);
        return found?.target ?? terminator.otherwise;
      }
      case 'return':
        return terminator.values.map(get);
      case 'unreachable':
        throw new Error(`@${activation.fn.name} reached unreachable code`);
    }
  }

  #count(): void {
    if (--this.#remaining < 0) throw new Error('the evaluation took too many steps');
  }

  #address(activation: Activation, address: Address): bigint {
    const { base, index, scale = 1, displacement = 0 } = address;
    let sum = BigInt(displacement);
    if (base?.kind === 'register') sum += activation.registers[base.register]!;
    if (base?.kind === 'symbol') sum += this.addressOf(base.symbol);
    if (base?.kind === 'slot') sum += activation.slots[base.slot]!;
    if (index !== undefined) sum += activation.registers[index]! * BigInt(scale);
    return BigInt.asUintN(64, sum);
  }

  #step(activation: Activation, instruction: Instruction): void {
    this.#count();
    const get = (register: Register) => activation.registers[register]!;
    const put = (register: Register, value: bigint) => set(activation, register, value);
    const bits = (register: Register) => bitsOf[activation.fn.registers[register]!];
    const bytes = (register: Register) => bytesOf[activation.fn.registers[register]!];
    switch (instruction.op) {
      case 'const':
        put(instruction.result, instruction.value);
        break;
      case 'copy':
      case 'zeroExtend':
      case 'truncate':
        put(instruction.result, get(instruction.source));
        break;
      case 'signExtend':
        put(instruction.result, BigInt.asIntN(bits(instruction.source), get(instruction.source)));
        break;
      case 'neg':
        put(instruction.result, -get(instruction.source));
        break;
      case 'not':
        put(instruction.result, ~get(instruction.source));
        break;
      case 'byteSwap':
      case 'bitScanForward':
      case 'bitScanReverse':
        put(instruction.result, evaluateBits(instruction.op, get(instruction.source), bytes(instruction.source)));
        break;
      case 'compare': {
        const width = bits(instruction.left);
        const holds = evaluateCondition(instruction.condition, get(instruction.left), get(instruction.right), width);
        put(instruction.result, holds ? 1n : 0n);
        break;
      }
      case 'select':
        put(instruction.result, get(instruction.test) !== 0n ? get(instruction.whenTrue) : get(instruction.whenFalse));
        break;
      case 'addressOf':
        put(instruction.result, this.#address(activation, instruction.address));
        break;
      case 'call':
        this.#callInstruction(activation, instruction);
        break;
      case 'portIn':
        put(instruction.result, this.#options.portIn?.(Number(get(instruction.port)), bytes(instruction.result)) ?? 0n);
        break;
      case 'portOut':
        this.#options.portOut?.(Number(get(instruction.port)), bytes(instruction.source), get(instruction.source));
        break;
      case 'intrinsic': {
        const results = this.#options.intrinsic?.(instruction.name, instruction.arguments.map(get)) ?? [];
        instruction.results.forEach((result, index) => {
          put(result, results[index] ?? 0n);
        });
        break;
      }
      case 'bind':
        break;
      case 'asm':
        throw new Error('asm cannot be evaluated');
      default:
        if ('left' in instruction) {
          const { op, left, right, result } = instruction;
          put(result, evaluateBinary(op, get(left), get(right), bits(result)));
        } else this.#memoryStep(activation, instruction);
    }
  }

  #callInstruction(activation: Activation, instruction: Instruction & { op: 'call' }): void {
    const { callee } = instruction;
    const fn =
      callee.kind === 'symbol'
        ? this.#functions.get(callee.symbol)
        : this.#byAddress.get(activation.registers[callee.register]!);
    if (!fn) throw new Error('call of an address that is no function');
    const given = instruction.arguments.map((register) => activation.registers[register]!);
    const results = this.#call(fn, given);
    instruction.results.forEach((result, index) => {
      set(activation, result, results[index] ?? 0n);
    });
  }

  #memoryStep(activation: Activation, instruction: Instruction): void {
    const get = (register: Register) => activation.registers[register]!;
    const put = (register: Register, value: bigint) => set(activation, register, value);
    const bytes = (register: Register) => bytesOf[activation.fn.registers[register]!];
    const address = 'address' in instruction ? this.#address(activation, instruction.address) : 0n;
    switch (instruction.op) {
      case 'load':
      case 'atomicLoad':
        put(instruction.result, this.read(address, bytes(instruction.result)));
        break;
      case 'store':
      case 'atomicStore':
        this.write(address, bytes(instruction.source), get(instruction.source));
        break;
      case 'copyMemory': {
        const [to, from] = [get(instruction.destination), get(instruction.source)];
        for (let index = 0n; index < get(instruction.length); index++)
          this.write(to + index, 1, this.read(from + index, 1));
        break;
      }
      case 'setMemory': {
        const to = get(instruction.destination);
        for (let index = 0n; index < get(instruction.length); index++)
          this.write(to + index, 1, get(instruction.value));
        break;
      }
      case 'tryLoad': {
        const value = this.#attempt(() => this.read(address, bytes(instruction.result)));
        put(instruction.result, value ?? 0n);
        put(instruction.fault, value === undefined ? 1n : 0n);
        break;
      }
      case 'tryStore': {
        const done = this.#attempt(
          () => this.write(address, bytes(instruction.source), get(instruction.source)) ?? true,
        );
        put(instruction.fault, done ? 0n : 1n);
        break;
      }
      case 'tryCopy': {
        const [to, from, length] = [get(instruction.destination), get(instruction.source), get(instruction.length)];
        let index = 0n;
        while (index < length && this.#attempt(() => this.write(to + index, 1, this.read(from + index, 1)) ?? true))
          index++;
        put(instruction.result, length - index);
        break;
      }
      case 'atomicUpdate': {
        const width = bytes(instruction.result);
        const old = this.read(address, width);
        const { operator } = instruction;
        const operand = get(instruction.source);
        this.write(
          address,
          width,
          operator === 'exchange' ? operand : evaluateBinary(operator, old, operand, width * 8),
        );
        put(instruction.result, old);
        break;
      }
      case 'compareExchange': {
        const width = bytes(instruction.result);
        const old = this.read(address, width);
        if (old === get(instruction.expected)) this.write(address, width, get(instruction.replacement));
        put(instruction.result, old);
        break;
      }
      default:
        throw new Error(`'${instruction.op}' cannot be evaluated`);
    }
  }

  /** The action's value, or undefined when it touches memory that does not exist. */
  #attempt<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (error instanceof MemoryFault) return undefined;
      throw error;
    }
  }
}

function set(activation: Activation, register: Register, value: bigint): void {
  activation.registers[register] = BigInt.asUintN(bitsOf[activation.fn.registers[register]!], value);
}
