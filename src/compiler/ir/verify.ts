import { intrinsics, linkerSymbols } from './intrinsics.ts';
import {
  type Address,
  type Block,
  bitsOf,
  type Instruction,
  type IrFunction,
  type IrModule,
  type Register,
  type Terminator,
  type Type,
} from './module.ts';
import { printInstruction } from './print.ts';
import { forEachDefinition, forEachUse, successors } from './shapes.ts';

/** Everything wrong with the module, one sentence each; empty when it keeps the rules of module.ts. */
export function verifyModule(module: IrModule): string[] {
  const symbols = new Set(linkerSymbols);
  const problems: string[] = [];
  for (const { name } of [...module.functions, ...module.data]) {
    if (symbols.has(name)) problems.push(`@${name} is defined twice`);
    if (!/^[\w.$-]+$/.test(name)) problems.push(`@${name} is not a symbol name ([A-Za-z0-9_.$-]+)`);
    symbols.add(name);
  }
  for (const object of module.data) {
    const expected = object.section.endsWith('bss') ? 0 : object.size;
    if (object.bytes.length !== expected) {
      problems.push(`@${object.name} holds ${object.bytes.length} bytes, not ${expected}`);
    }
    for (const relocation of object.relocations) {
      if (!symbols.has(relocation.symbol)) problems.push(`@${object.name} refers to unknown @${relocation.symbol}`);
      if (relocation.offset + relocation.size > object.size) problems.push(`@${object.name}: relocation past its end`);
    }
  }
  for (const symbol of Object.values(module.entries)) {
    if (!symbols.has(symbol)) problems.push(`entry @${symbol} is not defined`);
  }
  for (const fn of module.functions) problems.push(...verifyFunction(fn, symbols));
  return problems;
}

/** Everything wrong with one function; `symbols` are the names that it may refer to (absent: any). */
export function verifyFunction(fn: IrFunction, symbols?: ReadonlySet<string>): string[] {
  const verifier = new Verifier(fn, symbols);
  fn.blocks.forEach((block, index) => {
    verifier.block(block, index);
  });
  if (fn.blocks.length === 0) verifier.problems.push(`@${fn.name} has no blocks`);
  if (fn.convention === 'naked') verifier.naked();
  return verifier.problems;
}

class Verifier {
  readonly problems: string[] = [];
  readonly #fn: IrFunction;
  readonly #symbols: ReadonlySet<string> | undefined;

  constructor(fn: IrFunction, symbols: ReadonlySet<string> | undefined) {
    this.#fn = fn;
    this.#symbols = symbols;
  }

  block(block: Block, index: number): void {
    for (const instruction of block.instructions) this.#instruction(instruction, `b${index}`);
    const terminator = block.terminator;
    this.#registersExist(terminator, `b${index}`);
    for (const target of successors(terminator)) {
      if (target <= 0 || target >= this.#fn.blocks.length) this.#report(terminator, `b${index}`, `no block b${target}`);
    }
    this.#terminator(terminator, `b${index}`);
  }

  naked(): void {
    const block = this.#fn.blocks[0];
    const shape = block?.instructions.map((instruction) => instruction.op).join();
    if (this.#fn.blocks.length !== 1 || shape !== 'asm' || block?.terminator.op !== 'unreachable') {
      this.problems.push(`@${this.#fn.name}: a naked function is one asm instruction and unreachable`);
    }
  }

  #report(instruction: Instruction | Terminator, where: string, what: string): void {
    this.problems.push(`@${this.#fn.name} ${where}: ${what}: ${printInstruction(instruction)}`);
  }

  #type(register: Register): Type | undefined {
    return this.#fn.registers[register];
  }

  #registersExist(instruction: Instruction | Terminator, where: string): boolean {
    let fine = true;
    const check = (register: Register) => {
      if (this.#type(register) !== undefined) return;
      this.#report(instruction, where, `no register %${register}`);
      fine = false;
    };
    forEachUse(instruction, check);
    forEachDefinition(instruction, check);
    return fine;
  }

  #expect(instruction: Instruction | Terminator, where: string, pairs: readonly (readonly [Register, Type])[]): void {
    for (const [register, type] of pairs) {
      if (this.#type(register) !== type) {
        this.#report(instruction, where, `%${register} is ${this.#type(register)}, not ${type}`);
      }
    }
  }

  #symbol(instruction: Instruction, where: string, symbol: string): void {
    if (this.#symbols && !this.#symbols.has(symbol)) this.#report(instruction, where, `unknown @${symbol}`);
  }

  #address(instruction: Instruction, where: string, address: Address): void {
    const { base, index, displacement = 0 } = address;
    if (base?.kind === 'register') this.#expect(instruction, where, [[base.register, 'i64']]);
    if (base?.kind === 'symbol') this.#symbol(instruction, where, base.symbol);
    if (base?.kind === 'slot' && !this.#fn.slots[base.slot]) this.#report(instruction, where, `no slot ${base.slot}`);
    if (index !== undefined) this.#expect(instruction, where, [[index, 'i64']]);
    if (displacement !== (displacement | 0))
      this.#report(instruction, where, 'displacement is not a signed 32-bit number');
  }

  #instruction(instruction: Instruction, where: string): void {
    if (!this.#registersExist(instruction, where)) return;
    if ('address' in instruction) this.#address(instruction, where, instruction.address);
    this.#expect(
      instruction,
      where,
      requiredTypes(instruction, (register) => this.#type(register)!),
    );
    switch (instruction.op) {
      case 'zeroExtend':
      case 'signExtend':
      case 'truncate': {
        const grows = bitsOf[this.#type(instruction.result)!] - bitsOf[this.#type(instruction.source)!];
        if (instruction.op === 'truncate' ? grows >= 0 : grows <= 0) this.#report(instruction, where, 'wrong widths');
        break;
      }
      case 'call':
        if (instruction.callee.kind === 'symbol') this.#symbol(instruction, where, instruction.callee.symbol);
        if (instruction.results.length > 2) this.#report(instruction, where, 'more than two results');
        break;
      case 'intrinsic':
        this.#intrinsic(instruction, where);
        break;
      default:
        break;
    }
  }

  #intrinsic(instruction: Instruction & { op: 'intrinsic' }, where: string): void {
    const signature = intrinsics[instruction.name];
    const { arguments: given, results } = instruction;
    if (!signature) this.#report(instruction, where, 'unknown intrinsic');
    else if (given.length !== signature.arguments.length || results.length !== signature.results.length) {
      this.#report(instruction, where, 'wrong number of operands');
    } else {
      this.#expect(instruction, where, [
        ...given.map((register, index) => [register, signature.arguments[index]!] as const),
        ...results.map((register, index) => [register, signature.results[index]!] as const),
      ]);
    }
  }

  #terminator(terminator: Terminator, where: string): void {
    if (terminator.op === 'branch') this.#expect(terminator, where, [[terminator.test, 'i8']]);
    if (terminator.op === 'branchCompare') {
      this.#expect(terminator, where, [[terminator.right, this.#type(terminator.left) ?? 'i8']]);
    }
    if (terminator.op === 'switch') {
      const values = terminator.cases.map((entry) => entry.value);
      if (new Set(values).size !== values.length) this.#report(terminator, where, 'two cases of one value');
    }
    if (terminator.op === 'return') {
      const { results } = this.#fn;
      if (terminator.values.length !== results.length) this.#report(terminator, where, 'wrong number of values');
      else
        this.#expect(
          terminator,
          where,
          results.map((type, index) => [terminator.values[index]!, type] as const),
        );
    }
  }
}

type TypedRegister = readonly [Register, Type];

/** The types that an instruction's operands must have, given the types of its registers. */
function requiredTypes(instruction: Instruction, typeOf: (register: Register) => Type): TypedRegister[] {
  switch (instruction.op) {
    case 'copy':
    case 'neg':
    case 'not':
    case 'byteSwap':
    case 'bitScanForward':
    case 'bitScanReverse':
      return [[instruction.source, typeOf(instruction.result)]];
    case 'compare':
      return [
        [instruction.result, 'i8'],
        [instruction.right, typeOf(instruction.left)],
      ];
    case 'select':
      return [
        [instruction.test, 'i8'],
        [instruction.whenTrue, typeOf(instruction.result)],
        [instruction.whenFalse, typeOf(instruction.result)],
      ];
    case 'addressOf':
      return [[instruction.result, 'i64']];
    case 'call':
      return instruction.callee.kind === 'register' ? [[instruction.callee.register, 'i64']] : [];
    case 'copyMemory':
    case 'tryCopy':
      return [
        [instruction.destination, 'i64'],
        [instruction.source, 'i64'],
        [instruction.length, 'i64'],
      ];
    case 'setMemory':
      return [
        [instruction.destination, 'i64'],
        [instruction.value, 'i8'],
        [instruction.length, 'i64'],
      ];
    case 'tryLoad':
    case 'tryStore':
      return [[instruction.fault, 'i8']];
    case 'atomicUpdate':
      return [[instruction.source, typeOf(instruction.result)]];
    case 'compareExchange':
      return [
        [instruction.expected, typeOf(instruction.result)],
        [instruction.replacement, typeOf(instruction.result)],
      ];
    case 'portIn':
    case 'portOut':
      return [[instruction.port, 'i16']];
    default:
      if (!('left' in instruction)) return [];
      return [
        [instruction.left, typeOf(instruction.result)],
        [instruction.right, typeOf(instruction.result)],
      ];
  }
}
