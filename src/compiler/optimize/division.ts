import {
  type BinaryOperator,
  bitsOf,
  type Instruction,
  type InstructionOf,
  type Register,
  type Type,
} from '../ir/module.ts';
import type { Simplified } from './simplify.ts';
import { lengthOf, type Values } from './values.ts';

/**
 * Division by a constant without a division: shifts and masks for powers of two, else the high half of a product
 * (Granlund and Montgomery: Division by Invariant Integers using Multiplication). Undefined where the divide
 * instruction stays.
 */
export function divideByConstant(
  v: Values,
  instruction: InstructionOf<BinaryOperator>,
  divisor: bigint,
  type: Type,
): Simplified | undefined {
  const { op, left, result, span } = instruction;
  const remainder = op === 'remUnsigned' || op === 'remSigned';
  const signed = op === 'divSigned' || op === 'remSigned';
  if (!signed && (divisor & (divisor - 1n)) === 0n) {
    const right = v.makeConstant(type, remainder ? divisor - 1n : BigInt(lengthOf(divisor) - 1));
    return { instruction: { op: remainder ? 'and' : 'shr', result, left, right, span } };
  }
  if (type !== 'i32' && type !== 'i64') return undefined;
  const quotient = signed ? signedQuotient(v, left, divisor, type) : unsignedQuotient(v, left, divisor, type);
  if (quotient === undefined) return undefined;
  if (!remainder) return { value: quotient };
  const product = binary(v, 'mul', type, quotient, v.makeConstant(type, divisor));
  return { instruction: { op: 'sub', result, left, right: product, span } };
}

function binary(v: Values, op: BinaryOperator, type: Type, left: Register, right: Register): Register {
  return v.emit({ op, result: v.fresh(type), left, right, span: v.span } as Instruction & { result: Register });
}

function shifted(v: Values, op: 'shr' | 'sar', type: Type, left: Register, count: bigint): Register {
  return count === 0n ? left : binary(v, op, type, left, v.makeConstant(type, count));
}

/** The smallest shift and multiplier with floor(n * multiplier / 2^(bits + shift)) = floor(n / divisor) for all n. */
function reciprocal(divisor: bigint, bits: bigint): { multiplier: bigint; shift: bigint } {
  for (let shift = 0n; ; shift++) {
    const power = 1n << (bits + shift);
    const multiplier = power / divisor + 1n;
    if (multiplier * divisor - power <= 1n << shift) return { multiplier, shift };
  }
}

function unsignedQuotient(v: Values, dividend: Register, divisor: bigint, type: Type): Register | undefined {
  const bits = BigInt(bitsOf[type]);
  const { multiplier, shift } = reciprocal(divisor, bits);
  if (type === 'i32') return unsignedQuotient32(v, dividend, multiplier, shift);
  // A multiplier of 65 bits would need a correction that is longer than the divide instruction.
  if (multiplier >= 1n << bits) return undefined;
  const high = binary(v, 'mulHighUnsigned', type, dividend, v.makeConstant(type, multiplier));
  return shifted(v, 'shr', type, high, shift);
}

/** In 64-bit arithmetic a 33-bit multiplier needs no correction: the dividend has 32 bits. */
function unsignedQuotient32(v: Values, dividend: Register, multiplier: bigint, shift: bigint): Register {
  const wide = v.emit({ op: 'zeroExtend', result: v.fresh('i64'), source: dividend, span: v.span });
  const product =
    multiplier < 1n << 32n
      ? shifted(v, 'shr', 'i64', binary(v, 'mul', 'i64', wide, v.makeConstant('i64', multiplier)), 32n + shift)
      : binary(v, 'mulHighUnsigned', 'i64', wide, v.makeConstant('i64', multiplier << (32n - shift)));
  return v.emit({ op: 'truncate', result: v.fresh('i32'), source: product, span: v.span });
}

/** Quotient towards zero. */
function signedQuotient(v: Values, dividend: Register, pattern: bigint, type: Type): Register | undefined {
  const bits = BigInt(bitsOf[type]);
  const divisor = BigInt.asIntN(Number(bits), pattern);
  const magnitude = divisor < 0n ? -divisor : divisor;
  if (magnitude < 2n || magnitude >= 1n << (bits - 1n)) return undefined;
  const sign = shifted(v, 'sar', type, dividend, bits - 1n);
  let quotient: Register;
  if ((magnitude & (magnitude - 1n)) === 0n) {
    const shift = BigInt(lengthOf(magnitude) - 1);
    const bias = shifted(v, 'shr', type, sign, bits - shift);
    quotient = shifted(v, 'sar', type, binary(v, 'add', type, dividend, bias), shift);
  } else {
    const shift = BigInt(lengthOf(magnitude - 1n)) - 1n;
    const multiplier = (1n << (bits + shift)) / magnitude + 1n;
    const high = binary(v, 'mulHighSigned', type, dividend, v.makeConstant(type, multiplier));
    const sum = multiplier >= 1n << (bits - 1n) ? binary(v, 'add', type, high, dividend) : high;
    quotient = binary(v, 'sub', type, shifted(v, 'sar', type, sum, shift), sign);
  }
  if (divisor > 0n) return quotient;
  return v.emit({ op: 'neg', result: v.fresh(type), source: quotient, span: v.span });
}
