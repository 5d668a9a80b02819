import type { Address, Instruction, InstructionOf, Register } from '../ir/module.ts';
import { immediate, type MemoryOperand, type Operand, rax, rcx, rdi, register, rsi, type Width } from './operands.ts';
import type { Selector } from './select.ts';
import { selectCopy } from './select-arithmetic.ts';

/** Constant lengths up to this many bytes are moved without a string instruction. */
const inlineLimit = 64n;

/** Emits the instruction when it accesses memory; false when it belongs to another family. */
export function selectMemory(s: Selector, instruction: Instruction): boolean {
  switch (instruction.op) {
    case 'load':
      selectLoad(s, instruction.result, instruction.address);
      return true;
    case 'store':
      if (instruction.volatile || !selectUpdate(s, instruction)) selectStore(s, instruction);
      return true;
    case 'addressOf':
      selectAddressOf(s, instruction.result, instruction.address);
      return true;
    case 'copyMemory':
      selectCopyMemory(s, instruction);
      return true;
    case 'setMemory':
      selectSetMemory(s, instruction);
      return true;
    case 'tryLoad':
    case 'tryStore':
      selectTry(s, instruction);
      return true;
    case 'tryCopy':
      selectTryCopy(s, instruction);
      return true;
    case 'atomicLoad':
      selectLoad(s, instruction.result, instruction.address);
      return true;
    case 'atomicStore':
      selectAtomicStore(s, instruction);
      return true;
    case 'atomicUpdate':
      selectAtomicUpdate(s, instruction);
      return true;
    case 'compareExchange':
      selectCompareExchange(s, instruction);
      return true;
    default:
      return false;
  }
}

/** Loads narrower than 32 bits clear the rest of the register, which breaks false dependencies. */
function selectLoad(s: Selector, result: Register, address: Address): void {
  const width = s.widthOf(result);
  const memory = s.address(address, width);
  if (width < 32) s.emit('movzx', s.reg(result, 32), memory);
  else s.emit('mov', s.reg(result, width), memory);
}

function selectStore(s: Selector, instruction: InstructionOf<'store'>): void {
  const width = s.widthOf(instruction.source);
  const value = s.value(instruction.source, width);
  s.emit('mov', s.address(instruction.address, width), value);
}

const updateOps = ['add', 'sub', 'and', 'or', 'xor'] as const;

/** store(address, load(address) op value) as one instruction on memory; false when the pattern is not there. */
function selectUpdate(s: Selector, instruction: InstructionOf<'store'>): boolean {
  const { source, address } = instruction;
  const width = s.widthOf(source);
  for (const op of updateOps) {
    const operation = s.foldable(source, op);
    if (!operation) continue;
    for (const [loaded, other] of [
      [operation.left, operation.right],
      [operation.right, operation.left],
    ] as const) {
      const load = s.foldableLoad(loaded);
      if (!load || !sameAddress(load.address, address) || (op === 'sub' && loaded !== operation.left)) continue;
      if (loaded === other) continue;
      s.take(source, operation);
      s.release(loaded);
      const value = s.value(other, width);
      const memory = s.address(address, width);
      if (value.kind === 'immediate' && value.value === 1n && (op === 'add' || op === 'sub')) {
        s.emit(op === 'add' ? 'inc' : 'dec', memory);
      } else s.emit(op, memory, value);
      return true;
    }
  }
  return false;
}

function sameAddress(left: Address, right: Address): boolean {
  return (
    (left.displacement ?? 0) === (right.displacement ?? 0) &&
    left.index === right.index &&
    (left.scale ?? 1) === (right.scale ?? 1) &&
    left.segment === right.segment &&
    JSON.stringify(left.base) === JSON.stringify(right.base)
  );
}

function selectAddressOf(s: Selector, result: Register, address: Address): void {
  const into = s.reg(result);
  const memory = s.address(address, 0);
  if (memory.symbol !== undefined && memory.relative) loadSymbolAddress(s, into, memory.symbol, memory.displacement);
  else if (memory.base !== undefined && memory.index === undefined && memory.symbol === undefined) {
    const base = register(memory.base);
    if (memory.displacement === 0) s.move(into, base);
    else s.emit('add3', into, base, immediate(memory.displacement));
  } else s.emit('lea', into, memory);
}

/** Addresses of low images fit 32 bits, which is the shorter form. */
function loadSymbolAddress(s: Selector, into: Operand & { kind: 'register' }, symbol: string, addend: number): void {
  if (s.module.kind === 'user') s.emit('mov', register(into.register, 32), immediate(addend, symbol));
  else s.emit('lea', into, { kind: 'memory', width: 0, displacement: addend, symbol, relative: true });
}

/** The widths of the accesses that cover `length` bytes, widest first. */
function pieces(length: number): { offset: number; width: Width }[] {
  const result: { offset: number; width: Width }[] = [];
  let offset = 0;
  for (const width of [64, 32, 16, 8] as const) {
    while (length - offset >= width / 8) {
      result.push({ offset, width });
      offset += width / 8;
    }
  }
  return result;
}

function memoryAt(base: number, displacement: number, width: Width): MemoryOperand {
  return { kind: 'memory', width, base, displacement };
}

function selectCopyMemory(s: Selector, instruction: InstructionOf<'copyMemory'>): void {
  const { destination, source, length } = instruction;
  const known = s.constantOf(length);
  if (known !== undefined && known >= 0n && known <= inlineLimit) {
    s.release(length);
    const to = s.inRegister(destination).register;
    const from = s.inRegister(source).register;
    for (const { offset, width } of pieces(Number(known))) {
      const piece = s.fresh(width);
      const whole = { ...piece, width: width === 64 ? (64 as const) : (32 as const) };
      s.emit(width < 32 ? 'movzx' : 'mov', whole, memoryAt(from, offset, width));
      s.emit('mov', memoryAt(to, offset, width), piece);
    }
    return;
  }
  const words = known !== undefined && known % 8n === 0n;
  selectCopy(s, register(rdi), destination);
  selectCopy(s, register(rsi), source);
  if (words) {
    s.release(length);
    s.loadConstant(register(rcx), known / 8n);
  } else selectCopy(s, register(rcx), length);
  const string = [rdi, rsi, rcx];
  s.emitWith({ prefixes: ['rep'], uses: string, defines: string }, words ? 'movsq' : 'movsb');
}

function selectSetMemory(s: Selector, instruction: InstructionOf<'setMemory'>): void {
  const { destination, value, length } = instruction;
  const known = s.constantOf(length);
  const byte = s.constantOf(value);
  if (known !== undefined && byte !== undefined && known >= 0n && known <= inlineLimit) {
    s.release(length);
    s.release(value);
    fillPieces(s, s.inRegister(destination).register, Number(known), BigInt.asUintN(8, byte));
    return;
  }
  const words = known !== undefined && byte !== undefined && known % 8n === 0n;
  if (words) {
    s.release(value);
    s.release(length);
    s.loadConstant(register(rax), BigInt.asIntN(64, BigInt.asUintN(8, byte) * 0x0101010101010101n));
    s.loadConstant(register(rcx), known / 8n);
  } else {
    selectCopy(s, register(rax, 8), value);
    selectCopy(s, register(rcx), length);
  }
  selectCopy(s, register(rdi), destination);
  const { uses, defines } = { uses: [rax, rdi, rcx], defines: [rdi, rcx] };
  s.emitWith({ prefixes: ['rep'], uses, defines }, words ? 'stosq' : 'stosb');
}

function fillPieces(s: Selector, to: number, length: number, byte: bigint): void {
  const pattern = byte * 0x0101010101010101n;
  const wide = byte === 0n ? undefined : s.fresh(64);
  if (wide && length >= 8) s.loadConstant(wide, BigInt.asIntN(64, pattern));
  for (const { offset, width } of pieces(length)) {
    const value = width === 64 && wide ? wide : immediate(BigInt.asIntN(width, pattern));
    s.emit('mov', memoryAt(to, offset, width), value);
  }
}

/**
 * An access that may fault: `fault` is 1 before it and 0 after it, and the exception table sends a fault to the
 * place behind both, so that no second path is needed. A load's result is 0 before the access.
 */
function selectTry(s: Selector, instruction: InstructionOf<'tryLoad' | 'tryStore'>): void {
  const fixup = s.newLabel();
  const fault = s.reg(instruction.fault, 32);
  if (instruction.op === 'tryLoad') {
    const width = s.widthOf(instruction.result);
    const memory = s.address(instruction.address, width);
    const result = s.reg(instruction.result, width);
    s.emit('mov', fault, immediate(1));
    s.emit('zero', { ...result, width: 32 });
    s.emitWith({ label: fixup }, 'movtry', result, memory);
  } else {
    const width = s.widthOf(instruction.source);
    const value = s.value(instruction.source, width);
    const memory = s.address(instruction.address, width);
    s.emit('mov', fault, immediate(1));
    s.emitWith({ label: fixup }, 'mov', memory, value);
  }
  s.emit('keep', fault);
  s.emit('zero', fault);
  s.label(fixup);
}

function selectTryCopy(s: Selector, instruction: InstructionOf<'tryCopy'>): void {
  const fixup = s.newLabel();
  selectCopy(s, register(rdi), instruction.destination);
  selectCopy(s, register(rsi), instruction.source);
  selectCopy(s, register(rcx), instruction.length);
  const string = [rdi, rsi, rcx];
  s.emitWith({ prefixes: ['rep'], uses: string, defines: string, label: fixup }, 'movsb');
  s.label(fixup);
  s.move(s.reg(instruction.result), register(rcx));
}

function selectAtomicStore(s: Selector, instruction: InstructionOf<'atomicStore'>): void {
  const width = s.widthOf(instruction.source);
  if (instruction.order !== 'sequential') {
    const value = s.value(instruction.source, width);
    s.emit('mov', s.address(instruction.address, width), value);
    return;
  }
  const value = s.fresh(width);
  selectCopy(s, value, instruction.source);
  s.emit('xchg', s.address(instruction.address, width), value);
}

function selectAtomicUpdate(s: Selector, instruction: InstructionOf<'atomicUpdate'>): void {
  const { operator, result, source } = instruction;
  const width = s.widthOf(result);
  const unused = s.usesOf(result) === 0;
  if (operator === 'exchange' || (operator === 'add' && !unused)) {
    const memory = s.address(instruction.address, width);
    const value = s.fresh(width);
    selectCopy(s, value, source);
    s.emitWith(operator === 'add' ? { prefixes: ['lock'] } : {}, operator === 'add' ? 'xadd' : 'xchg', memory, value);
    s.move(s.reg(result), value);
  } else if (unused) {
    const value = s.value(source, width);
    s.emitWith({ prefixes: ['lock'] }, operator, s.address(instruction.address, width), value);
  } else selectUpdateLoop(s, instruction, operator);
}

/** and, or, xor with the old value wanted: lock cmpxchg until nobody came between. */
function selectUpdateLoop(
  s: Selector,
  instruction: InstructionOf<'atomicUpdate'>,
  operator: 'and' | 'or' | 'xor' | 'add',
): void {
  const width = s.widthOf(instruction.result);
  const memory = s.address(instruction.address, width);
  const value = s.value(instruction.source, width);
  const old = register(rax, width);
  const changed = s.fresh(width);
  const again = s.newLabel();
  s.emit('mov', old, memory);
  s.label(again);
  s.emit('mov', changed, old);
  s.emit(operator, changed, value);
  s.emitWith({ prefixes: ['lock'], uses: [rax], defines: [rax] }, 'cmpxchg', memory, changed);
  s.emit('jne', { kind: 'target', label: again });
  s.emitWith({ uses: [rax] }, 'keep', memory, value);
  s.move(s.reg(instruction.result), old);
}

function selectCompareExchange(s: Selector, instruction: InstructionOf<'compareExchange'>): void {
  const { result, expected, replacement } = instruction;
  const width = s.widthOf(result);
  const memory = s.address(instruction.address, width);
  const value = s.inRegister(replacement, width);
  selectCopy(s, register(rax, width), expected);
  s.emitWith({ prefixes: ['lock'], uses: [rax], defines: [rax] }, 'cmpxchg', memory, value);
  s.move(s.reg(result), register(rax, width));
}
