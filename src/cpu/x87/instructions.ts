/** x87 arithmetic instructions: operands, stack, condition codes (SDM vol. 1 8.3; vol. 2A). */

import type { Instruction } from '../decode/instruction.ts';
import { conditionHolds, FLAG } from '../flags.ts';
import { effectiveAddress, operandAddress, readData, writeData } from '../system/operands.ts';
import { Access } from '../system/page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system/system-unit.ts';
import { add, compare, divide, multiply, type Ordering, squareRoot, subtract } from './arithmetic.ts';
import { checkPending, requireX87 } from './control.ts';
import { loadDecimal, loadInteger, loadReal, storeDecimal, storeInteger, storeReal, widenReal } from './conversion.ts';
import { type Environment, Exception, Rounding } from './environment.ts';
import {
  absolute,
  type Extended,
  exact,
  fromBytes,
  INDEFINITE,
  isNan,
  kindOf,
  negated,
  toBytes,
  zero,
} from './extended.ts';
import { extract, partialRemainder, roundToInteger, scaleByPower } from './remainder.ts';
import {
  arcTangentOf,
  constant,
  constants,
  cosine,
  exponentialMinusOne,
  logarithm,
  logarithmPlusOne,
  outOfRange,
  sine,
  tangent,
} from './transcendental.ts';
import { Status, X87 } from './unit.ts';

type Body = (x87: X87, env: Environment, instruction: Instruction, system: SystemUnit) => void;
type Binary = (env: Environment, a: Extended, b: Extended) => Extended;

/** What every arithmetic instruction does first; afterwards it is the last instruction that the pointers tell of. */
function instructionOf(body: Body): InstructionFunction {
  return (system, instruction) => {
    requireX87(system);
    checkPending(system);
    const { state } = system;
    const x87 = new X87(state);
    const start = state.rip - BigInt(instruction.length);
    const data = instruction.memory ? effectiveAddress(system, instruction) : undefined;
    body(x87, x87.environment(), instruction, system);
    state.set64('x87InstructionPointer', BigInt.asUintN(state.mode64 ? 64 : 32, start));
    if (data !== undefined) state.set64('x87DataPointer', data);
    state.set('x87Opcode', ((instruction.opcode & 7) << 8) | instruction.modrm);
  };
}

function readMemory(system: SystemUnit, instruction: Instruction, bits: 16 | 32 | 64): bigint {
  const bytes = (bits / 8) as 2 | 4 | 8;
  return readData(system, operandAddress(system, instruction, bytes, false), bytes);
}

/** Checks that a result can be stored before anything changes. @returns how to store it */
function memoryWriter(system: SystemUnit, instruction: Instruction, bits: 16 | 32 | 64): (value: bigint) => void {
  const bytes = (bits / 8) as 2 | 4 | 8;
  const address = operandAddress(system, instruction, bytes, true);
  system.memory.check(address, bytes, system.dataAccess | Access.WRITE);
  return (value) => writeData(system, address, bytes, value);
}

/** Ends an instruction whose result goes to ST(index). */
function deliver(x87: X87, env: Environment, index: number, result: Extended, pops = 0): void {
  if (!x87.settle(env)) return;
  x87.write(index, result);
  for (let i = 0; i < pops; i++) x87.pop();
}

/** Both operands of an operation; undefined after a stack fault, whose masked result is the indefinite. */
function compute(x87: X87, env: Environment, operation: Binary, first: number, second: number): Extended {
  if (x87.isEmpty(first) || x87.isEmpty(second)) {
    env.raise(Exception.INVALID | Exception.STACK);
    return INDEFINITE;
  }
  return operation(env, x87.read(first), x87.read(second));
}

const reverse =
  (operation: Binary): Binary =>
  (env, a, b) =>
    operation(env, b, a);

/** Operations of D8, DC, DE and DA with register and memory forms, by the stem of their mnemonics. */
const operations: readonly (readonly [string, Binary])[] = [
  ['ADD', add],
  ['MUL', multiply],
  ['SUB', subtract],
  ['SUBR', reverse(subtract)],
  ['DIV', divide],
  ['DIVR', reverse(divide)],
];

function withRegister(operation: Binary): Body {
  return (x87, env, instruction) => {
    const index = instruction.modrm & 7;
    const toTop = instruction.description.operands[0]?.text === 'ST0';
    if (toTop) deliver(x87, env, 0, compute(x87, env, operation, 0, index));
    else deliver(x87, env, index, compute(x87, env, operation, index, 0));
  };
}

function withRegisterAndPop(operation: Binary): Body {
  return (x87, env, instruction) => {
    const index = instruction.modrm & 7;
    deliver(x87, env, index, compute(x87, env, operation, index, 0), 1);
  };
}

/** ST(0) and a real in memory. */
function withReal(operation: (x87: X87, env: Environment, value: Extended) => void, bits: 32 | 64): Body {
  return (x87, env, instruction, system) => {
    operation(x87, env, widenReal(readMemory(system, instruction, bits), bits));
  };
}

function applyToTop(operation: Binary): (x87: X87, env: Environment, value: Extended) => void {
  return (x87, env, value) => {
    const top = x87.operand(env, 0);
    const stackFault = (env.flags & Exception.STACK) !== 0;
    deliver(x87, env, 0, stackFault ? INDEFINITE : operation(env, top, value));
  };
}

function withInteger(operation: (x87: X87, env: Environment, value: Extended) => void, bits: 16 | 32): Body {
  return (x87, env, instruction, system) => {
    operation(x87, env, loadInteger(readMemory(system, instruction, bits), bits));
  };
}

const ORDER_CODES: Readonly<Record<Ordering, number>> = {
  greater: 0,
  less: Status.C0,
  equal: Status.C3,
  unordered: Status.C0 | Status.C2 | Status.C3,
};
const ORDER_FLAGS: Readonly<Record<Ordering, number>> = {
  greater: 0,
  less: FLAG.CF,
  equal: FLAG.ZF,
  unordered: FLAG.CF | FLAG.PF | FLAG.ZF,
};

/** The ordering of ST(0) and another value; the codes are set even when an unmasked exception keeps the stack from moving. */
function order(
  x87: X87,
  env: Environment,
  other: Extended | undefined,
  quiet: boolean,
): { readonly ordering: Ordering; readonly accepted: boolean } {
  let ordering: Ordering = 'unordered';
  if (x87.isEmpty(0) || other === undefined) env.raise(Exception.INVALID | Exception.STACK);
  else ordering = compare(env, x87.read(0), other, quiet);
  return { ordering, accepted: x87.settle(env) };
}

function compareTop(quiet: boolean, pops: number): (x87: X87, env: Environment, value: Extended | undefined) => void {
  return (x87, env, value) => {
    const { ordering, accepted } = order(x87, env, value, quiet);
    x87.condition(Status.C0 | Status.C2 | Status.C3, ORDER_CODES[ordering]);
    for (let i = 0; accepted && i < pops; i++) x87.pop();
  };
}

function compareRegister(quiet: boolean, pops: number, index?: number): Body {
  const body = compareTop(quiet, pops);
  return (x87, env, instruction) => {
    const other = index ?? instruction.modrm & 7;
    body(x87, env, x87.isEmpty(other) ? undefined : x87.read(other));
  };
}

/** FCOMI and its kin: the ordering goes to ZF, PF, CF; OF, SF and AF are cleared. */
function compareToFlags(quiet: boolean, pops: number): Body {
  return (x87, env, instruction, { state }) => {
    const other = instruction.modrm & 7;
    const { ordering, accepted } = order(x87, env, x87.isEmpty(other) ? undefined : x87.read(other), quiet);
    state.setStatusFlags(ORDER_FLAGS[ordering]);
    for (let i = 0; accepted && i < pops; i++) x87.pop();
  };
}

/** An operation on ST(0) alone. */
function unary(operation: (env: Environment, value: Extended) => Extended): Body {
  return (x87, env) => {
    const value = x87.operand(env, 0);
    const stackFault = (env.flags & Exception.STACK) !== 0;
    deliver(x87, env, 0, stackFault ? INDEFINITE : operation(env, value));
  };
}

/** An operation on ST(1) and ST(0) that leaves its result in ST(1) and pops. */
function binaryPop(operation: (env: Environment, st0: Extended, st1: Extended) => Extended): Body {
  return (x87, env) => deliver(x87, env, 1, compute(x87, env, operation, 0, 1), 1);
}

/** Sine, cosine: C2 set and nothing else done for arguments beyond 2^63. */
function circular(operation: (env: Environment, value: Extended) => Extended): Body {
  const body = unary(operation);
  return (x87, env, instruction, system) => {
    const tooLarge = !x87.isEmpty(0) && outOfRange(x87.read(0));
    x87.condition(Status.C1 | Status.C2, tooLarge ? Status.C2 : 0);
    if (!tooLarge) body(x87, env, instruction, system);
  };
}

/** FSINCOS, FPTAN: one result in place, one pushed. */
function circularPair(
  operation: (env: Environment, value: Extended) => { readonly place: Extended; readonly push: Extended },
): Body {
  return (x87, env) => {
    const value = x87.operand(env, 0);
    const empty = (env.flags & Exception.STACK) !== 0;
    if (!empty && x87.isEmpty(7) && outOfRange(value)) {
      x87.condition(Status.C1 | Status.C2, Status.C2);
      return;
    }
    x87.condition(Status.C2, 0);
    pairResults(x87, env, empty ? { place: INDEFINITE, push: INDEFINITE } : undefined, () => operation(env, value));
  };
}

/** @param fixed results that a stack underflow has decided already */
function pairResults(
  x87: X87,
  env: Environment,
  fixed: { readonly place: Extended; readonly push: Extended } | undefined,
  operation: () => { readonly place: Extended; readonly push: Extended },
): void {
  const overflow = fixed === undefined && !x87.isEmpty(7);
  if (overflow) env.raise(Exception.INVALID | Exception.STACK);
  const { place, push } = overflow ? { place: INDEFINITE, push: INDEFINITE } : (fixed ?? operation());
  const accepted = x87.settle(env);
  if (overflow) x87.condition(Status.C1, Status.C1);
  if (!accepted) return;
  x87.write(0, place);
  x87.top -= 1;
  x87.write(0, push);
}

function tangentAndOne(env: Environment, value: Extended): { place: Extended; push: Extended } {
  const place = tangent(env, value);
  return { place, push: isNan(kindOf(place)) ? place : exact(false, 1n, 0) };
}

function sineAndCosine(env: Environment, value: Extended): { place: Extended; push: Extended } {
  const push = cosine(env, value);
  return { place: sine(env, value), push };
}

const extractBody: Body = (x87, env) => {
  const value = x87.operand(env, 0);
  const empty = (env.flags & Exception.STACK) !== 0;
  pairResults(x87, env, empty ? { place: INDEFINITE, push: INDEFINITE } : undefined, () => {
    const { exponent, significand } = extract(env, value);
    return { place: exponent, push: significand };
  });
};

/** The three low bits of a quotient, in C0, C3 and C1. */
function quotientCodes(quotient: number): number {
  const bit = (mask: number, code: number): number => ((quotient & mask) !== 0 ? code : 0);
  return bit(4, Status.C0) | bit(2, Status.C3) | bit(1, Status.C1);
}

function remainder(nearest: boolean): Body {
  return (x87, env) => {
    x87.condition(Status.C2, 0);
    if (x87.isEmpty(0) || x87.isEmpty(1)) {
      env.raise(Exception.INVALID | Exception.STACK);
      deliver(x87, env, 0, INDEFINITE);
      return;
    }
    const { value, quotient } = partialRemainder(env, x87.read(0), x87.read(1), nearest);
    if (!x87.settle(env)) return;
    x87.write(0, value);
    if (quotient === undefined) return;
    const codes = quotient === 'partial' ? Status.C2 : quotientCodes(quotient);
    x87.condition(Status.C0 | Status.C1 | Status.C2 | Status.C3, codes);
  };
}

const EXAMINED = {
  unsupported: 0,
  quiet: Status.C0,
  signaling: Status.C0,
  normal: Status.C2,
  infinity: Status.C2 | Status.C0,
  zero: Status.C3,
  denormal: Status.C3 | Status.C2,
} as const;

const examine: Body = (x87) => {
  const value = x87.read(0);
  const kind = x87.isEmpty(0) ? Status.C3 | Status.C0 : EXAMINED[kindOf(value)];
  x87.condition(Status.C0 | Status.C1 | Status.C2 | Status.C3, kind | (value.negative ? Status.C1 : 0));
};

const exchange: Body = (x87, env, instruction) => {
  const index = instruction.modrm & 7;
  const [top, other] = [x87.operand(env, 0), x87.operand(env, index)];
  if (!x87.settle(env)) return;
  x87.write(0, other);
  x87.write(index, top);
};

const loadRegister: Body = (x87, env, instruction) => {
  x87.push(env, x87.operand(env, instruction.modrm & 7));
};

function storeRegister(pops: number): Body {
  return (x87, env, instruction) => deliver(x87, env, instruction.modrm & 7, x87.operand(env, 0), pops);
}

/** An undocumented form of FSTP ST(i) that passes over an empty ST(0) without an exception. */
const storeUnlessEmpty: Body = (x87, _env, instruction) => {
  x87.condition(Status.C1, 0);
  if (!x87.isEmpty(0)) x87.write(instruction.modrm & 7, x87.read(0));
  x87.pop();
};

function loadFromReal(bits: 32 | 64): Body {
  return (x87, env, instruction, system) => x87.push(env, loadReal(env, readMemory(system, instruction, bits), bits));
}

function loadFromInteger(bits: 16 | 32 | 64): Body {
  return (x87, env, instruction, system) => x87.push(env, loadInteger(readMemory(system, instruction, bits), bits));
}

const EXTENDED_BYTES = 10;

const loadExtended: Body = (x87, env, instruction, system) => {
  const address = operandAddress(system, instruction, EXTENDED_BYTES, false);
  x87.push(env, fromBytes(system.memory.readBytes(address, EXTENDED_BYTES, system.dataAccess)));
};

const storeExtended: Body = (x87, env, instruction, system) => {
  const address = operandAddress(system, instruction, EXTENDED_BYTES, true);
  system.memory.check(address, EXTENDED_BYTES, system.dataAccess | Access.WRITE);
  const value = x87.operand(env, 0);
  if (!x87.settle(env)) return;
  system.memory.writeBytes(address, toBytes(value), system.dataAccess);
  x87.pop();
};

/** Stores ST(0) and perhaps pops; an unmasked overflow or underflow keeps both from happening. */
function storeToReal(bits: 32 | 64, pops: number): Body {
  return (x87, env, instruction, system) => {
    const write = memoryWriter(system, instruction, bits);
    const raw = storeReal(env, x87.operand(env, 0), bits);
    if (!x87.settle(env) || raw === undefined) return;
    write(raw);
    for (let i = 0; i < pops; i++) x87.pop();
  };
}

function storeToInteger(bits: 16 | 32 | 64, pops: number, truncate = false): Body {
  return (x87, env, instruction, system) => {
    const write = memoryWriter(system, instruction, bits);
    const value = x87.operand(env, 0);
    const raw = storeInteger(env, value, bits, truncate ? Rounding.TOWARD_ZERO : env.rounding);
    if (!x87.settle(env)) return;
    write(raw);
    for (let i = 0; i < pops; i++) x87.pop();
  };
}

function bytesToBits(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, EXTENDED_BYTES);
  return (BigInt(view.getUint16(8, true)) << 64n) | view.getBigUint64(0, true);
}

const loadFromDecimal: Body = (x87, env, instruction, system) => {
  const address = operandAddress(system, instruction, EXTENDED_BYTES, false);
  x87.push(env, loadDecimal(bytesToBits(system.memory.readBytes(address, EXTENDED_BYTES, system.dataAccess))));
};

const storeToDecimal: Body = (x87, env, instruction, system) => {
  const address = operandAddress(system, instruction, EXTENDED_BYTES, true);
  system.memory.check(address, EXTENDED_BYTES, system.dataAccess | Access.WRITE);
  const bits = storeDecimal(env, x87.operand(env, 0));
  if (!x87.settle(env)) return;
  const bytes = new Uint8Array(EXTENDED_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt.asUintN(64, bits), true);
  view.setUint16(8, Number(bits >> 64n), true);
  system.memory.writeBytes(address, bytes, system.dataAccess);
  x87.pop();
};

/** FCMOVcc: the condition is one of B, E, BE, U or its negation, as Jcc encodes them. */
function moveIf(condition: number): Body {
  return (x87, env, instruction, { state }) => {
    const index = instruction.modrm & 7;
    const stackFault = x87.isEmpty(0) || x87.isEmpty(index);
    if (!stackFault) {
      if (conditionHolds(condition, state.rflags)) x87.write(0, x87.read(index));
      return;
    }
    env.raise(Exception.INVALID | Exception.STACK);
    deliver(x87, env, 0, INDEFINITE);
  };
}

function moveTop(step: number): Body {
  return (x87) => {
    x87.top += step;
    x87.condition(Status.C1, 0);
  };
}

function freeRegister(pops: number): Body {
  return (x87, _env, instruction) => {
    x87.condition(Status.C1, 0);
    x87.free(instruction.modrm & 7);
    for (let i = 0; i < pops; i++) x87.pop();
  };
}

const testTop: Body = (x87, env) => compareTop(false, 0)(x87, env, zero(false));

const bodies: readonly (readonly [string, Body])[] = [
  ...operations.flatMap(([stem, operation]): (readonly [string, Body])[] => [
    [`F${stem}_ST0_STi`, withRegister(operation)],
    [`F${stem}_STi_ST0`, withRegister(operation)],
    [`F${stem}P`, withRegisterAndPop(operation)],
    [`F${stem}_Mfs`, withReal(applyToTop(operation), 32)],
    [`F${stem}_Mfd`, withReal(applyToTop(operation), 64)],
    [`FI${stem}_Md`, withInteger(applyToTop(operation), 32)],
    [`FI${stem}_Mw`, withInteger(applyToTop(operation), 16)],
  ]),
  ...(['FCOM', 'FCOMP'] as const).flatMap((name, pops): (readonly [string, Body])[] => [
    [`${name}_STi`, compareRegister(false, pops)],
    [`${name}_Mfs`, withReal(compareTop(false, pops), 32)],
    [`${name}_Mfd`, withReal(compareTop(false, pops), 64)],
    [`${name.replace('F', 'FI')}_Md`, withInteger(compareTop(false, pops), 32)],
    [`${name.replace('F', 'FI')}_Mw`, withInteger(compareTop(false, pops), 16)],
  ]),
  ['FCOMPP', compareRegister(false, 2, 1)],
  ['FUCOM', compareRegister(true, 0)],
  ['FUCOMP', compareRegister(true, 1)],
  ['FUCOMPP', compareRegister(true, 2, 1)],
  ['FCOMI', compareToFlags(false, 0)],
  ['FCOMIP', compareToFlags(false, 1)],
  ['FUCOMI', compareToFlags(true, 0)],
  ['FUCOMIP', compareToFlags(true, 1)],
  ['FTST', testTop],
  ['FXAM', examine],
  ['FLD_Mfs', loadFromReal(32)],
  ['FLD_Mfd', loadFromReal(64)],
  ['FLD_Mft', loadExtended],
  ['FLD_STi', loadRegister],
  ['FST_Mfs', storeToReal(32, 0)],
  ['FST_Mfd', storeToReal(64, 0)],
  ['FST_STi', storeRegister(0)],
  ['FSTP_Mfs', storeToReal(32, 1)],
  ['FSTP_Mfd', storeToReal(64, 1)],
  ['FSTP_Mft', storeExtended],
  ['FSTP_STi', storeRegister(1)],
  ['FSTPNCE', storeUnlessEmpty],
  ['FILD_Mw', loadFromInteger(16)],
  ['FILD_Md', loadFromInteger(32)],
  ['FILD_Mq', loadFromInteger(64)],
  ['FIST_Mw', storeToInteger(16, 0)],
  ['FIST_Md', storeToInteger(32, 0)],
  ['FISTP_Mw', storeToInteger(16, 1)],
  ['FISTP_Md', storeToInteger(32, 1)],
  ['FISTP_Mq', storeToInteger(64, 1)],
  ['FISTTP_Mw', storeToInteger(16, 1, true)],
  ['FISTTP_Md', storeToInteger(32, 1, true)],
  ['FISTTP_Mq', storeToInteger(64, 1, true)],
  ['FBLD', loadFromDecimal],
  ['FBSTP', storeToDecimal],
  ['FXCH', exchange],
  ['FCHS', unary((_env, value) => negated(value))],
  ['FABS', unary((_env, value) => absolute(value))],
  ['FSQRT', unary(squareRoot)],
  ['FRNDINT', unary(roundToInteger)],
  ['FSCALE', (x87, env) => deliver(x87, env, 0, compute(x87, env, scaleByPower, 0, 1))],
  ['FXTRACT', extractBody],
  ['FPREM', remainder(false)],
  ['FPREM1', remainder(true)],
  ['F2XM1', unary(exponentialMinusOne)],
  ['FYL2X', binaryPop(logarithm)],
  ['FYL2XP1', binaryPop(logarithmPlusOne)],
  ['FPATAN', binaryPop((env, x, y) => arcTangentOf(env, y, x))],
  ['FSIN', circular(sine)],
  ['FCOS', circular(cosine)],
  ['FSINCOS', circularPair(sineAndCosine)],
  ['FPTAN', circularPair(tangentAndOne)],
  ...Object.entries(constants).map(([name, value]): readonly [string, Body] => [
    name,
    (x87, env) => x87.push(x87.environment(), constant(env, value)),
  ]),
  ['FCMOVB', moveIf(2)],
  ['FCMOVE', moveIf(4)],
  ['FCMOVBE', moveIf(6)],
  ['FCMOVU', moveIf(10)],
  ['FCMOVNB', moveIf(3)],
  ['FCMOVNE', moveIf(5)],
  ['FCMOVNBE', moveIf(7)],
  ['FCMOVNU', moveIf(11)],
  ['FINCSTP', moveTop(1)],
  ['FDECSTP', moveTop(-1)],
  ['FFREE', freeRegister(0)],
  ['FFREEP', freeRegister(1)],
  ['FNOP', () => {}],
];

export const x87Instructions: readonly (readonly [string, InstructionFunction])[] = bodies.map(
  ([name, body]) => [name, instructionOf(body)] as const,
);
