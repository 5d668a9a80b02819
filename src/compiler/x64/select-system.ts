import type { AsmOperand, Instruction, InstructionOf, Register } from '../ir/module.ts';
import { registerNames } from './conventions.ts';
import { immediate, type Operand, rax, rbx, rcx, rdi, rdx, register, rsi, rsp, type Width } from './operands.ts';
import type { Selector } from './select.ts';
import { selectCopy } from './select-arithmetic.ts';

/** Emits ports, intrinsics and inline assembly; false for other instructions. */
export function selectSystem(s: Selector, instruction: Instruction): boolean {
  switch (instruction.op) {
    case 'portIn': {
      const width = s.widthOf(instruction.result);
      const port = selectPort(s, instruction.port);
      s.emitWith({ defines: [rax] }, 'in', register(rax, width), port);
      s.move(s.reg(instruction.result), register(rax, width));
      return true;
    }
    case 'portOut': {
      const width = s.widthOf(instruction.source);
      const port = selectPort(s, instruction.port);
      selectCopy(s, register(rax, width), instruction.source);
      s.emit('out', port, register(rax, width));
      return true;
    }
    case 'intrinsic':
      selectIntrinsic(s, instruction);
      return true;
    case 'asm':
      selectAssembly(s, instruction);
      return true;
    default:
      return false;
  }
}

/** Ports below 256 are an immediate, others go through dx. */
function selectPort(s: Selector, port: Register): Operand {
  const known = s.constantOf(port);
  if (known !== undefined && known >= 0n && known <= 0xffn) {
    s.release(port);
    return immediate(known);
  }
  selectCopy(s, register(rdx, 16), port);
  return register(rdx, 16);
}

type IntrinsicRule = (s: Selector, given: readonly Register[], results: readonly Register[]) => void;

const plain =
  (mnemonic: string): IntrinsicRule =>
  (s) =>
    s.emit(mnemonic);

/** An instruction whose one operand is memory at the given address. */
const atAddress =
  (mnemonic: string): IntrinsicRule =>
  (s, [address]) =>
    s.emit(mnemonic, s.address({ base: { kind: 'register', register: address! } }, 0));

const onRegister =
  (mnemonic: string, width: Width): IntrinsicRule =>
  (s, [operand]) =>
    s.emit(mnemonic, s.inRegister(operand!, width));

const readControl =
  (number: number): IntrinsicRule =>
  (s, _given, [result]) =>
    s.emit('mov', s.reg(result!), { kind: 'control', register: number });

const writeControl =
  (number: number): IntrinsicRule =>
  (s, [value]) =>
    s.emitWith({ uses: [] }, 'mov', { kind: 'control', register: number }, s.inRegister(value!));

const intoResult =
  (mnemonic: string): IntrinsicRule =>
  (s, _given, [result]) =>
    s.emit(mnemonic, s.reg(result!));

/** edx:eax as one 64-bit value in the result */
function joinHalves(s: Selector, result: Register): void {
  const high = s.fresh(64);
  s.emit('mov', { ...high, width: 32 }, register(rdx, 32));
  s.emit('shl', high, immediate(32));
  const low = s.fresh(64);
  s.emit('mov', { ...low, width: 32 }, register(rax, 32));
  s.emit('or', high, low);
  s.move(s.reg(result), high);
}

const intrinsicRules: Readonly<Record<string, IntrinsicRule>> = {
  cli: plain('cli'),
  sti: plain('sti'),
  hlt: plain('hlt'),
  stiHlt: (s) => {
    s.emit('sti');
    s.emit('hlt');
  },
  pause: plain('pause'),
  fence: plain('mfence'),
  int3: plain('int3'),
  ud2: plain('ud2'),
  swapgs: plain('swapgs'),
  stac: plain('stac'),
  clac: plain('clac'),
  wbinvd: plain('wbinvd'),
  fninit: plain('fninit'),
  lgdt: atAddress('lgdt'),
  lidt: atAddress('lidt'),
  sgdt: atAddress('sgdt'),
  sidt: atAddress('sidt'),
  ltr: onRegister('ltr', 16),
  lldt: onRegister('lldt', 16),
  invlpg: atAddress('invlpg'),
  rdmsr: (s, [msr], [result]) => {
    selectCopy(s, register(rcx, 32), msr!);
    s.emitWith({ uses: [rcx], defines: [rax, rdx] }, 'rdmsr');
    joinHalves(s, result!);
  },
  wrmsr: (s, [msr, value]) => {
    const whole = s.inRegister(value!);
    s.move(register(rdx), whole);
    s.emit('shr', register(rdx), immediate(32));
    s.move(register(rax), whole);
    selectCopy(s, register(rcx, 32), msr!);
    s.emitWith({ uses: [rcx, rax, rdx] }, 'wrmsr');
  },
  rdtsc: (s, _given, [result]) => {
    s.emitWith({ defines: [rax, rdx] }, 'rdtsc');
    joinHalves(s, result!);
  },
  cpuid: (s, [leaf, subleaf], results) => {
    selectCopy(s, register(rax, 32), leaf!);
    selectCopy(s, register(rcx, 32), subleaf!);
    s.emitWith({ uses: [rax, rcx], defines: [rax, rbx, rcx, rdx] }, 'cpuid');
    [rax, rbx, rcx, rdx].forEach((from, index) => {
      s.move(s.reg(results[index]!), register(from, 32));
    });
  },
  readCr0: readControl(0),
  readCr2: readControl(2),
  readCr3: readControl(3),
  readCr4: readControl(4),
  readCr8: readControl(8),
  writeCr0: writeControl(0),
  writeCr2: writeControl(2),
  writeCr3: writeControl(3),
  writeCr4: writeControl(4),
  writeCr8: writeControl(8),
  readFsBase: intoResult('rdfsbase'),
  readGsBase: intoResult('rdgsbase'),
  writeFsBase: onRegister('wrfsbase', 64),
  writeGsBase: onRegister('wrgsbase', 64),
  readFlags: (s, _given, [result]) => {
    s.emit('pushfq');
    s.emit('pop', s.reg(result!));
  },
  writeFlags: (s, [value]) => {
    s.emit('push', s.inRegister(value!));
    s.emit('popfq');
  },
  readStackPointer: (s, _given, [result]) => s.emit('mov', s.reg(result!), register(rsp)),
  readFramePointer: (s, _given, [result]) => {
    s.machine.hasCalls = true;
    s.emit('mov', s.reg(result!), register(5));
  },
  fxsave: atAddress('fxsave64'),
  fxrstor: atAddress('fxrstor64'),
  ldmxcsr: atAddress('ldmxcsr'),
  stmxcsr: atAddress('stmxcsr'),
  syscall: (s, given, [result]) => {
    const into = [rax, rdi, rsi, rdx, 10, 8, 9];
    given.forEach((argument, index) => {
      selectCopy(s, register(into[index]!), argument);
    });
    s.emitWith({ uses: into, defines: [rax, rcx, 11] }, 'syscall');
    s.move(s.reg(result!), register(rax));
  },
};

function selectIntrinsic(s: Selector, instruction: InstructionOf<'intrinsic'>): void {
  intrinsicRules[instruction.name]!(s, instruction.arguments, instruction.results);
}

function physicalNumber(name: string): number {
  const number = registerNames.indexOf(name);
  if (number < 0) throw new Error(`asm: '${name}' is not a 64-bit general register`);
  return number;
}

/**
 * Inline assembly. Operands pinned to a machine register are moved there and back; the others get any register,
 * distinct from each other. The template is assembled when registers are known.
 */
function selectAssembly(s: Selector, instruction: InstructionOf<'asm'>): void {
  const { operands, clobbers, text, mode } = instruction;
  const physical = (operand: AsmOperand) =>
    operand.physical === undefined
      ? undefined
      : register(physicalNumber(operand.physical), s.widthOf(operand.register));
  const machineOperands = operands.map((operand) => physical(operand) ?? s.fresh(s.widthOf(operand.register)));
  operands.forEach((operand, index) => {
    if (operand.direction !== 'out') selectCopy(s, machineOperands[index]!, operand.register);
  });
  const lost = clobbers.filter((name) => name !== 'flags' && name !== 'memory').map(physicalNumber);
  const names = operands.map((operand) => operand.name);
  const directions = operands.map((operand) => operand.direction);
  if (s.ir.convention !== 'naked') s.machine.hasCalls = true;
  s.emitWith({ defines: lost, assembly: { text, mode, names, directions } }, 'assembly', ...machineOperands);
  operands.forEach((operand, index) => {
    if (operand.direction !== 'in') s.move(s.reg(operand.register), machineOperands[index]!);
  });
}
