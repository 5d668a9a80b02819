import type { BinaryOperator, Condition, Instruction, InstructionOf, Register } from '../ir/module.ts';
import { immediate, type Operand, rax, rcx, rdx, register, type Width } from './operands.ts';
import type { Selector } from './select.ts';

type RegisterOperand = Operand & { kind: 'register' };

/** Condition -> suffix of jcc, setcc, cmovcc. */
export const suffixes: Readonly<Record<Condition, string>> = {
  eq: 'e',
  ne: 'ne',
  ult: 'b',
  ule: 'be',
  ugt: 'a',
  uge: 'ae',
  slt: 'l',
  sle: 'le',
  sgt: 'g',
  sge: 'ge',
};

const swapped: Readonly<Record<Condition, Condition>> = {
  eq: 'eq',
  ne: 'ne',
  ult: 'ugt',
  ule: 'uge',
  ugt: 'ult',
  uge: 'ule',
  slt: 'sgt',
  sle: 'sge',
  sgt: 'slt',
  sge: 'sle',
};

export const inverted: Readonly<Record<Condition, Condition>> = {
  eq: 'ne',
  ne: 'eq',
  ult: 'uge',
  ule: 'ugt',
  ugt: 'ule',
  uge: 'ult',
  slt: 'sge',
  sle: 'sgt',
  sgt: 'sle',
  sge: 'slt',
};

/** 8- and 16-bit arithmetic runs at 32 bits: the upper bits of such registers mean nothing. */
const operationWidth = (width: Width): Width => (width === 64 ? 64 : 32);

/** Emits the instruction when it computes on registers only; false when it belongs to another family. */
export function selectArithmetic(s: Selector, instruction: Instruction): boolean {
  switch (instruction.op) {
    case 'const':
      s.loadConstant(s.reg(instruction.result), BigInt.asIntN(s.widthOf(instruction.result), instruction.value));
      return true;
    case 'copy':
      selectCopy(s, s.reg(instruction.result), instruction.source);
      return true;
    case 'neg':
    case 'not':
    case 'byteSwap':
      selectUnary(s, instruction.op === 'byteSwap' ? 'bswap' : instruction.op, instruction.result, instruction.source);
      return true;
    case 'bitScanForward':
    case 'bitScanReverse':
      selectBitScan(s, instruction.op === 'bitScanForward' ? 'bsf' : 'bsr', instruction.result, instruction.source);
      return true;
    case 'zeroExtend':
    case 'signExtend':
      selectExtension(s, instruction);
      return true;
    case 'truncate':
      selectTruncation(s, instruction.result, instruction.source);
      return true;
    case 'compare': {
      const condition = selectComparison(s, instruction.condition, instruction.left, instruction.right);
      s.emit(`set${suffixes[condition]}`, s.reg(instruction.result, 8));
      return true;
    }
    case 'select':
      selectSelect(s, instruction);
      return true;
    default:
      if (!('left' in instruction)) return false;
      selectBinary(s, instruction.op, instruction.result, instruction.left, instruction.right);
      return true;
  }
}

/** Moves an IR value into a register: a constant, a load or a register move. */
export function selectCopy(s: Selector, into: RegisterOperand, source: Register): void {
  const value = s.constantOf(source);
  if (value === undefined) {
    s.move(into, s.wholeRegister(source));
    return;
  }
  s.release(source);
  s.loadConstant(into, BigInt.asIntN(into.width, value));
}

function selectUnary(s: Selector, mnemonic: string, result: Register, source: Register): void {
  const width = operationWidth(s.widthOf(result));
  const into = s.reg(result, width);
  const from = s.inRegister(source, width);
  s.move(into, from);
  s.emit(mnemonic, into);
}

function selectBitScan(s: Selector, mnemonic: string, result: Register, source: Register): void {
  const width = s.widthOf(result);
  if (width >= 32) {
    s.emit(mnemonic, s.reg(result), s.foldLoad(source, width) ?? s.inRegister(source));
    return;
  }
  const wide = s.fresh(32);
  s.emit('movzx', wide, s.inRegister(source, width));
  s.emit(mnemonic, s.reg(result, 32), wide);
}

function selectExtension(s: Selector, instruction: InstructionOf<'zeroExtend' | 'signExtend'>): void {
  const { op, result, source } = instruction;
  const from = s.widthOf(source);
  const into = s.reg(result, operationWidth(s.widthOf(result)));
  if (op === 'zeroExtend' && s.isLoaded(source)) {
    // Loads clear what lies above the value.
    s.move({ ...into, width: 32 }, s.wholeRegister(source));
    return;
  }
  const loaded = s.foldLoad(source, from);
  if (from === 32) {
    const low = { ...into, width: 32 as const };
    if (op === 'signExtend') s.emit('movsxd', into, loaded ?? s.inRegister(source, 32));
    else if (loaded) s.emit('mov', low, loaded);
    else s.move(low, s.wholeRegister(source));
  } else if (op === 'zeroExtend') {
    s.emit('movzx', { ...into, width: 32 }, loaded ?? s.inRegister(source, from));
  } else s.emit('movsx', into, loaded ?? s.inRegister(source, from));
}

function selectTruncation(s: Selector, result: Register, source: Register): void {
  const width = s.widthOf(result);
  if (width === 32) s.emit('mov', s.reg(result), s.inRegister(source, 32));
  else s.move(s.reg(result, 32), s.inRegister(source, 32));
}

/**
 * Emits cmp or test for `left condition right` and returns the condition to test, which differs when the operands
 * were exchanged.
 */
export function selectComparison(s: Selector, condition: Condition, left: Register, right: Register): Condition {
  const width = s.widthOf(left);
  if (s.constantOf(left) !== undefined && s.constantOf(right) === undefined) {
    return selectComparison(s, swapped[condition], right, left);
  }
  if (s.constantOf(right) === 0n && selectTest(s, condition, left, width)) {
    s.release(right);
    return condition;
  }
  const constant = s.foldImmediate(right);
  if (constant) {
    const operand = s.foldLoad(left, width) ?? s.inRegister(left, width);
    s.emit('cmp', operand, constant);
    return condition;
  }
  const leftLoad = s.foldLoad(left, width);
  if (leftLoad) {
    s.emit('cmp', leftLoad, s.inRegister(right, width));
    return condition;
  }
  const operand = s.foldLoad(right, width) ?? s.inRegister(right, width);
  s.emit('cmp', s.inRegister(left, width), operand);
  return condition;
}

/** Comparison with 0: test, of the operands of an `and` when there is one. False for a value in memory: cmp is shorter. */
function selectTest(s: Selector, condition: Condition, left: Register, width: Width): boolean {
  if (s.foldableLoad(left)) return false;
  const and = condition === 'eq' || condition === 'ne' ? s.foldable(left, 'and') : undefined;
  if (!and) {
    const operand = s.inRegister(left, width);
    s.emit('test', operand, operand);
    return true;
  }
  s.take(left, and);
  const mask = s.foldImmediate(and.right);
  if (mask && width > 8 && mask.value >= 0n && mask.value <= 0x7fn) {
    s.emit('test', s.inRegister(and.left, 8), mask);
  } else {
    const second = mask ?? s.inRegister(and.right, width);
    const first = s.foldLoad(and.left, width) ?? s.inRegister(and.left, width);
    s.emit('test', first, second);
  }
  return true;
}

function selectSelect(s: Selector, instruction: InstructionOf<'select'>): void {
  const { result, test, whenTrue, whenFalse } = instruction;
  const width = operationWidth(s.widthOf(result));
  const into = s.reg(result, width);
  const yes = s.inRegister(whenTrue, width);
  const no = s.wholeRegister(whenFalse);
  const comparison = s.foldable(test, 'compare');
  let condition: Condition = 'ne';
  if (comparison) {
    s.take(test, comparison);
    condition = selectComparison(s, comparison.condition, comparison.left, comparison.right);
  } else {
    const tested = s.inRegister(test, 8);
    s.emit('test', tested, tested);
  }
  s.move(into, { ...no, width });
  s.emit(`cmov${suffixes[condition]}`, into, yes);
}

const commutative = new Set<string>(['add', 'mul', 'and', 'or', 'xor']);
const mnemonics: Partial<Record<BinaryOperator, string>> = { sub: 'sub', and: 'and', or: 'or', xor: 'xor' };

function selectBinary(s: Selector, op: BinaryOperator, result: Register, left: Register, right: Register): void {
  const better = s.constantOf(left) !== undefined || (s.foldableLoad(left) && !s.foldableLoad(right));
  const exchange = commutative.has(op) && s.constantOf(right) === undefined && better;
  selectOrdered(s, op, result, exchange ? right : left, exchange ? left : right);
}

function selectOrdered(s: Selector, op: BinaryOperator, result: Register, left: Register, right: Register): void {
  switch (op) {
    case 'add':
    case 'sub':
      selectSum(s, op, result, left, right);
      break;
    case 'mul':
      selectProduct(s, result, left, right);
      break;
    case 'shl':
    case 'shr':
    case 'sar':
    case 'rotl':
      selectShift(s, op === 'rotl' ? 'rol' : op, result, left, right);
      break;
    case 'mulHighUnsigned':
    case 'mulHighSigned':
      selectHighProduct(s, op === 'mulHighSigned', result, left, right);
      break;
    case 'divUnsigned':
    case 'divSigned':
    case 'remUnsigned':
    case 'remSigned':
      selectDivision(s, op, result, left, right);
      break;
    default:
      selectLogic(s, op, result, left, right);
  }
}

function selectSum(s: Selector, op: 'add' | 'sub', result: Register, left: Register, right: Register): void {
  const width = operationWidth(s.widthOf(result));
  const into = s.reg(result, width);
  const constant = s.constantOf(right);
  const addend = constant === undefined ? undefined : op === 'add' ? constant : -constant;
  if (addend !== undefined && addend >= -0x80000000n && addend <= 0x7fffffffn) {
    s.release(right);
    s.emit('add3', into, s.inRegister(left, width), immediate(addend));
    return;
  }
  if (op === 'add' && !s.foldableLoad(right)) {
    s.emit('add3', into, s.inRegister(left, width), s.inRegister(right, width));
    return;
  }
  selectTwoAddress(s, op, into, left, right);
}

/** into = left; into op= right, where right may be memory or an immediate. */
function selectTwoAddress(s: Selector, mnemonic: string, into: RegisterOperand, left: Register, right: Register): void {
  const second = s.valueOrMemory(right, into.width);
  s.move(into, s.inRegister(left, into.width));
  s.emit(mnemonic, into, second);
}

function selectLogic(s: Selector, op: BinaryOperator, result: Register, left: Register, right: Register): void {
  const into = s.reg(result, operationWidth(s.widthOf(result)));
  const mask = op === 'and' ? BigInt.asUintN(s.widthOf(result), s.constantOf(right) ?? 0n) : 0n;
  if (mask === 0xffn || mask === 0xffffn || (mask === 0xffffffffn && into.width === 64)) {
    s.release(right);
    const bits = mask === 0xffn ? 8 : mask === 0xffffn ? 16 : 32;
    s.emit(bits === 32 ? 'mov' : 'movzx', { ...into, width: 32 }, s.inRegister(left, bits));
    return;
  }
  if (mask > 0n && mask <= 0xffffffffn && into.width === 64) {
    s.release(right);
    const low = { ...into, width: 32 as const };
    s.emit('mov', low, s.inRegister(left, 32));
    s.emit('and', low, immediate(mask));
    return;
  }
  selectTwoAddress(s, mnemonics[op]!, into, left, right);
}

const leaScales = new Map<bigint, 2 | 4 | 8>([
  [3n, 2],
  [5n, 4],
  [9n, 8],
]);

function selectProduct(s: Selector, result: Register, left: Register, right: Register): void {
  const width = operationWidth(s.widthOf(result));
  const into = s.reg(result, width);
  const constant = s.constantOf(right);
  const scale = constant === undefined ? undefined : leaScales.get(constant);
  if (scale) {
    s.release(right);
    const factor = s.inRegister(left, width).register;
    s.emit('lea', into, { kind: 'memory', width: 0, base: factor, index: factor, scale, displacement: 0 });
    return;
  }
  const factor = s.foldImmediate(right);
  if (factor) {
    s.emit('imul', into, s.foldLoad(left, width) ?? s.inRegister(left, width), factor);
    return;
  }
  selectTwoAddress(s, 'imul', into, left, right);
}

function selectShift(s: Selector, mnemonic: string, result: Register, left: Register, right: Register): void {
  const natural = s.widthOf(result);
  const width = mnemonic === 'shl' ? operationWidth(natural) : natural;
  const into = s.reg(result, width);
  const constant = s.constantOf(right);
  if (constant !== undefined) {
    s.release(right);
    const count = constant & BigInt(natural - 1);
    const from = s.inRegister(left, width);
    if (mnemonic === 'shl' && count === 1n) s.emit('add3', into, from, from);
    else {
      s.move(into, from);
      if (count !== 0n) s.emit(mnemonic, into, immediate(count));
    }
    return;
  }
  const from = s.inRegister(left, width);
  s.move(register(rcx, 32), s.inRegister(right, 32));
  if (natural < 32) s.emit('and', register(rcx, 32), immediate(natural - 1));
  s.move(into, from);
  s.emit(mnemonic, into, register(rcx, 8));
}

/** A value widened to 32 bits when it is narrower. */
function widened(s: Selector, source: Register, signed: boolean): RegisterOperand {
  const width = s.widthOf(source);
  if (width >= 32) return s.inRegister(source, width);
  const wide = s.fresh(32);
  s.emit(signed ? 'movsx' : 'movzx', wide, s.inRegister(source, width));
  return wide;
}

function selectHighProduct(s: Selector, signed: boolean, result: Register, left: Register, right: Register): void {
  const width = s.widthOf(result);
  if (width < 32) {
    const first = widened(s, left, signed);
    const second = widened(s, right, signed);
    const product = s.fresh(32);
    s.move(product, first);
    s.emit('imul', product, second);
    s.emit(signed ? 'sar' : 'shr', product, immediate(width));
    s.move(s.reg(result, 32), product);
    return;
  }
  const factor = s.foldLoad(right, width) ?? s.inRegister(right, width);
  const first = s.inRegister(left, width);
  s.move(register(rax, width), first);
  s.emitWith({ uses: [rax], defines: [rax, rdx] }, signed ? 'imul' : 'mul', factor);
  s.move(s.reg(result, width), register(rdx, width));
}

function selectDivision(s: Selector, op: BinaryOperator, result: Register, left: Register, right: Register): void {
  const signed = op === 'divSigned' || op === 'remSigned';
  const width = operationWidth(s.widthOf(result));
  const dividend = widened(s, left, signed);
  const divisor = s.foldLoad(right, width) ?? widened(s, right, signed);
  s.move(register(rax, width), dividend);
  if (signed) s.emitWith({ uses: [rax], defines: [rdx] }, width === 64 ? 'cqo' : 'cdq');
  else s.emit('zero', register(rdx, 32));
  s.emitWith({ uses: [rax, rdx], defines: [rax, rdx] }, signed ? 'idiv' : 'div', divisor);
  const from = op === 'divUnsigned' || op === 'divSigned' ? rax : rdx;
  s.move(s.reg(result, width), register(from, width));
}
