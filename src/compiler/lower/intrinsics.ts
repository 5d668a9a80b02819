import type ts from 'typescript';
import { addresses, type DialectType, ERRNO, integers, isIntegerName, NULL, STRING } from '../frontend/types.ts';
import { at } from '../ir/builder.ts';
import type { Address, Register } from '../ir/module.ts';
import { dialectOnlyHere, notConstant, typeMismatch } from '../rules/values.ts';
import { mayAssign } from './captures.ts';
import { lowerCondition } from './conditional.ts';
import { constructObject } from './construct.ts';
import type { FunctionLowering } from './function.ts';
import { held, integerValue, wrap } from './integers.ts';
import { coerce, kindOf, registersOfValue, settled, valueOfRegisters } from './representation.ts';
import { tryIntrinsics } from './try-access.ts';
import { type Value, VOID_VALUE } from './values.ts';
import { lowerExpression } from './visitors.ts';

export type Intrinsic = (lowering: FunctionLowering, node: ts.CallExpression) => Value;

const { u8, u16, u32, u64, i64 } = integers;

/** Evaluates an argument as the given type; what later arguments assign does not reach it. */
export function argument(lowering: FunctionLowering, node: ts.CallExpression, index: number, type: DialectType): Value {
  const expression = node.arguments[index];
  if (expression === undefined) return VOID_VALUE;
  const value = coerce(lowering, lowerExpression(lowering, expression), type, expression);
  const rest = node.arguments.slice(index + 1);
  return rest.length > 0 && mayAssign(lowering, rest) ? settled(lowering, value, type) : value;
}

export const argumentRegister = (
  lowering: FunctionLowering,
  node: ts.CallExpression,
  index: number,
  type: DialectType,
): Register => registersOfValue(lowering, argument(lowering, node, index, type), type)[0]!;

/** An argument that is an address of any kind. */
export function addressArgument(lowering: FunctionLowering, node: ts.CallExpression, index: number): Address {
  const expression = node.arguments[index];
  const value = expression === undefined ? VOID_VALUE : lowerExpression(lowering, expression);
  return lowering.addressOfInteger(value);
}

const addressRegister = (lowering: FunctionLowering, node: ts.CallExpression, index: number): Register =>
  lowering.pointer(addressArgument(lowering, node, index));

/** A constructor: u8(x) ... usize(x), phys(x), virt(x), userPtr(x). */
function converted(lowering: FunctionLowering, node: ts.CallExpression, type: typeof u8): Value {
  const [operand] = node.arguments;
  const value = operand === undefined ? VOID_VALUE : lowerExpression(lowering, operand);
  if (value.kind === 'integer') return integerValue(type, wrap(value.expression, type.bits, type.signed));
  if (value.kind === 'truth')
    return integerValue(type, { op: 'constant', range: { low: value.value ? 1n : 0n, high: value.value ? 1n : 0n } });
  if (value.kind === 'boolean') return integerValue(type, held(value.register, 8, { low: 0n, high: 1n }));
  if (value.kind !== 'void') lowering.report(typeMismatch(kindOf(value), type.name), node);
  return integerValue(type, { op: 'constant', range: { low: 0n, high: 0n } });
}

const FUNCTIONS: Readonly<Record<string, Intrinsic>> = {
  phys: (lowering, node) => converted(lowering, node, addresses.physical as typeof u8),
  virt: (lowering, node) => converted(lowering, node, addresses.virtual as typeof u8),
  userPtr: (lowering, node) => converted(lowering, node, addresses.user as typeof u8),
  mulLow32(lowering, node) {
    const a = argumentRegister(lowering, node, 0, u32);
    const product = lowering.builder.binary('mul', a, argumentRegister(lowering, node, 1, u32));
    return valueOfRegisters(u32, [product]);
  },
  mulHigh64(lowering, node) {
    const a = argumentRegister(lowering, node, 0, u64);
    const product = lowering.builder.binary('mulHighUnsigned', a, argumentRegister(lowering, node, 1, u64));
    return valueOfRegisters(u64, [product]);
  },
  ok(lowering, node) {
    const [operand] = node.arguments;
    const value = operand === undefined ? VOID_VALUE : lowerExpression(lowering, operand);
    const type = 'type' in value ? value.type : lowering.typeOf(operand ?? node);
    const error = lowering.builder.const('i32', 0n);
    return {
      kind: 'result',
      type: { kind: 'result', value: operand === undefined ? { kind: 'void' } : type },
      value,
      error,
    };
  },
  err(lowering, node) {
    return {
      kind: 'result',
      type: { kind: 'error' },
      value: VOID_VALUE,
      error: argumentRegister(lowering, node, 0, ERRNO),
    };
  },
  panic(lowering, node) {
    const message = argument(lowering, node, 0, STRING);
    if (message.kind === 'string') lowering.module.panics.emitValue(lowering, message);
    return VOID_VALUE;
  },
  assert(lowering, node) {
    const [condition, message] = node.arguments;
    const holds = lowering.label();
    const fails = lowering.label(true);
    lowerCondition(lowering, condition!, holds, fails);
    lowering.enter(fails);
    if (lowering.reachable) {
      const text = message === undefined ? undefined : lowerExpression(lowering, message);
      if (text?.kind === 'string') lowering.module.panics.emitValue(lowering, text);
      else lowering.panic('assertion failed');
    }
    lowering.enter(holds);
    return VOID_VALUE;
  },
  fence: simple('fence'),
  pause: simple('pause'),
  syscall(lowering, node) {
    const given = node.arguments.map((_, index) => argumentRegister(lowering, node, index, u64));
    while (given.length < 7) given.push(lowering.builder.const('i64', 0n));
    return valueOfRegisters(i64, lowering.builder.intrinsic('syscall', given, ['i64']));
  },
  addressOf(lowering, node) {
    const value = lowerExpression(lowering, node.arguments[0]!);
    const address = value.kind === 'pointer' || value.kind === 'array' ? value.address : undefined;
    if (address === undefined) {
      lowering.report(typeMismatch(kindOf(value), 'object'), node);
      return valueOfRegisters(addresses.virtual!, [lowering.builder.const('i64', 0n)]);
    }
    return valueOfRegisters(addresses.virtual!, [lowering.pointer(address)]);
  },
  codeAddress(lowering, node) {
    const code = lowering.module.functionValue(node.arguments[0]!);
    if (code === undefined) {
      const value = coerce(lowering, lowerExpression(lowering, node.arguments[0]!), NULL, node);
      return valueOfRegisters(addresses.virtual!, registersOfValue(lowering, value, NULL));
    }
    return valueOfRegisters(addresses.virtual!, registersOfValue(lowering, code, code.type));
  },
  linkerSymbol(lowering, node) {
    const name = lowering.module.constants.evaluate(node.arguments[0]!);
    if (typeof name !== 'string') {
      lowering.report(notConstant('the name of a symbol'), node);
      return VOID_VALUE;
    }
    return valueOfRegisters(addresses.virtual!, [lowering.builder.addressOf(at.symbol(name))]);
  },
  objectAt(lowering, node) {
    const type = lowering.typeOf(node);
    return { kind: 'pointer', type, address: addressArgument(lowering, node, 1) };
  },
  constructAt: (lowering, node) => {
    const type = lowering.typeOf(node);
    const pointer = addressRegister(lowering, node, 1);
    if (type.kind === 'object') constructObject(lowering, type, pointer);
    return { kind: 'pointer', type, address: at.register(pointer) };
  },
  ...tryIntrinsics,
};

/** A call of one of the library's functions. */
export function lowerIntrinsic(lowering: FunctionLowering, name: string, node: ts.CallExpression): Value {
  if (isIntegerName(name)) return converted(lowering, node, integers[name]);
  const intrinsic = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (intrinsic !== undefined) return intrinsic(lowering, node);
  lowering.report(dialectOnlyHere(`${name}(...)`, 'at module level, in a field, or as a local constant'), node);
  return VOID_VALUE;
}

/** An instruction without operands. */
function simple(name: string): Intrinsic {
  return (lowering) => {
    lowering.builder.intrinsic(name, []);
    return VOID_VALUE;
  };
}

/** An instruction with integer operands and, perhaps, an integer result. */
function machine(name: string, operands: readonly DialectType[], result?: DialectType): Intrinsic {
  return (lowering, node) => {
    const registers = operands.map((type, index) => argumentRegister(lowering, node, index, type));
    const results = result === undefined ? [] : registersOfResult(result);
    const values = lowering.builder.intrinsic(name, registers, results);
    return result === undefined ? VOID_VALUE : valueOfRegisters(result, values);
  };
}

const registersOfResult = (type: DialectType): readonly 'i64'[] | readonly 'i32'[] =>
  type.kind === 'integer' && type.bits === 32 ? ['i32'] : ['i64'];

/** An instruction on the memory at an address. */
const memoryOperand =
  (name: string): Intrinsic =>
  (lowering, node) => {
    lowering.builder.intrinsic(name, [addressRegister(lowering, node, 0)]);
    return VOID_VALUE;
  };

const cpuid =
  (register: number): Intrinsic =>
  (lowering, node) => {
    const leaf = argumentRegister(lowering, node, 0, u32);
    const subleaf = argumentRegister(lowering, node, 1, u32);
    const results = lowering.builder.intrinsic('cpuid', [leaf, subleaf], ['i32', 'i32', 'i32', 'i32']);
    return valueOfRegisters(u32, [results[register]!]);
  };

const CPU: Readonly<Record<string, Intrinsic>> = {
  ...Object.fromEntries(
    ['cli', 'sti', 'hlt', 'stiHlt', 'int3', 'swapgs', 'stac', 'clac', 'wbinvd', 'fninit'].map((name) => [
      name,
      simple(name),
    ]),
  ),
  ...Object.fromEntries(['lgdt', 'lidt', 'invlpg', 'fxsave', 'fxrstor'].map((name) => [name, memoryOperand(name)])),
  ...Object.fromEntries(
    ['readCr0', 'readCr2', 'readCr3', 'readCr4', 'readCr8', 'readFsBase', 'readGsBase', 'readFlags', 'rdtsc'].map(
      (name) => [name, machine(name, [], u64)],
    ),
  ),
  ...Object.fromEntries(
    ['writeCr0', 'writeCr3', 'writeCr4', 'writeCr8', 'writeFsBase', 'writeGsBase', 'writeFlags'].map((name) => [
      name,
      machine(name, [u64]),
    ]),
  ),
  ud2(lowering) {
    lowering.builder.intrinsic('ud2', []);
    lowering.builder.unreachable();
    return VOID_VALUE;
  },
  ltr: machine('ltr', [u16]),
  lldt: machine('lldt', [u16]),
  rdmsr: machine('rdmsr', [u32], u64),
  wrmsr: machine('wrmsr', [u32, u64]),
  stackPointer: machine('readStackPointer', [], addresses.virtual),
  ldmxcsr(lowering, node) {
    const slot = lowering.builder.slot('mxcsr', 4, 4);
    lowering.builder.store(at.slot(slot), argumentRegister(lowering, node, 0, u32));
    lowering.builder.intrinsic('ldmxcsr', [lowering.builder.addressOf(at.slot(slot))]);
    return VOID_VALUE;
  },
  stmxcsr(lowering) {
    const slot = lowering.builder.slot('mxcsr', 4, 4);
    lowering.builder.intrinsic('stmxcsr', [lowering.builder.addressOf(at.slot(slot))]);
    return valueOfRegisters(u32, [lowering.builder.load('i32', at.slot(slot), true)]);
  },
  readCs(lowering) {
    const register = lowering.builder.register('i64');
    lowering.builder.emit({
      op: 'asm',
      text: 'mov {result}, cs',
      mode: 64,
      operands: [{ name: 'result', direction: 'out', register }],
      clobbers: [],
    });
    return integerValue(u16, held(register, 64, u16.range));
  },
  cpuidEax: cpuid(0),
  cpuidEbx: cpuid(1),
  cpuidEcx: cpuid(2),
  cpuidEdx: cpuid(3),
};

const WIDTHS = { 8: u8, 16: u16, 32: u32, 64: u64 } as const;

const loads =
  (bits: 8 | 16 | 32 | 64): Intrinsic =>
  (lowering, node) => {
    const address = addressArgument(lowering, node, 0);
    return valueOfRegisters(WIDTHS[bits], [lowering.builder.load(`i${bits}`, address, true)]);
  };

const stores =
  (bits: 8 | 16 | 32 | 64): Intrinsic =>
  (lowering, node) => {
    const pointer = lowering.settledAddress(addressArgument(lowering, node, 0), node.arguments.slice(1));
    lowering.builder.store(pointer, argumentRegister(lowering, node, 1, WIDTHS[bits]), true);
    return VOID_VALUE;
  };

const MEM: Readonly<Record<string, Intrinsic>> = {
  load8: loads(8),
  load16: loads(16),
  load32: loads(32),
  load64: loads(64),
  store8: stores(8),
  store16: stores(16),
  store32: stores(32),
  store64: stores(64),
  copy(lowering, node) {
    const destination = addressRegister(lowering, node, 0);
    const source = addressRegister(lowering, node, 1);
    lowering.builder.emit({ op: 'copyMemory', destination, source, length: argumentRegister(lowering, node, 2, u64) });
    return VOID_VALUE;
  },
  fill(lowering, node) {
    const destination = addressRegister(lowering, node, 0);
    const value = argumentRegister(lowering, node, 1, u8);
    lowering.builder.emit({ op: 'setMemory', destination, value, length: argumentRegister(lowering, node, 2, u64) });
    return VOID_VALUE;
  },
};

const reads =
  (bits: 8 | 16 | 32): Intrinsic =>
  (lowering, node) => {
    const port = argumentRegister(lowering, node, 0, u16);
    const result = lowering.builder.register(`i${bits}`);
    lowering.builder.emit({ op: 'portIn', result, port });
    return valueOfRegisters(WIDTHS[bits], [result]);
  };

const writes =
  (bits: 8 | 16 | 32): Intrinsic =>
  (lowering, node) => {
    const port = argumentRegister(lowering, node, 0, u16);
    lowering.builder.emit({ op: 'portOut', port, source: argumentRegister(lowering, node, 1, WIDTHS[bits]) });
    return VOID_VALUE;
  };

const PORT: Readonly<Record<string, Intrinsic>> = {
  in8: reads(8),
  in16: reads(16),
  in32: reads(32),
  out8: writes(8),
  out16: writes(16),
  out32: writes(32),
};

function perCpu(lowering: FunctionLowering, node: ts.CallExpression): Address {
  const offset = lowering.module.constants.integer(node.arguments[0]!);
  if (offset === undefined) lowering.report(notConstant('an offset from GS'), node.arguments[0]!);
  return at.segment('gs', Number(offset ?? 0n));
}

const GS: Readonly<Record<string, Intrinsic>> = {
  load64: (lowering, node) => valueOfRegisters(u64, [lowering.builder.load('i64', perCpu(lowering, node), true)]),
  store64(lowering, node) {
    lowering.builder.store(perCpu(lowering, node), argumentRegister(lowering, node, 1, u64), true);
    return VOID_VALUE;
  },
};

const NAMESPACES: Readonly<Record<string, Readonly<Record<string, Intrinsic>>>> = {
  cpu: CPU,
  mem: MEM,
  port: PORT,
  gs: GS,
};

/** A member of `cpu`, `mem`, `port` or `gs`. */
export const namespaceIntrinsic = (namespace: string, name: string): Intrinsic | undefined =>
  Object.hasOwn(NAMESPACES, namespace) ? NAMESPACES[namespace]![name] : undefined;
