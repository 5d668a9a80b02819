import type { BinaryOperator, Condition } from './module.ts';

/** Whether `left condition right` holds for unsigned bigints of a width in bits. */
export function evaluateCondition(condition: Condition, left: bigint, right: bigint, bits: number): boolean {
  const signed = condition.startsWith('s');
  const a = signed ? BigInt.asIntN(bits, left) : left;
  const b = signed ? BigInt.asIntN(bits, right) : right;
  switch (condition) {
    case 'eq':
      return a === b;
    case 'ne':
      return a !== b;
    case 'ult':
    case 'slt':
      return a < b;
    case 'ule':
    case 'sle':
      return a <= b;
    case 'ugt':
    case 'sgt':
      return a > b;
    default:
      return a >= b;
  }
}

/** The value of a binary operation on unsigned bigints of a width in bits, before wrapping. */
export function evaluateBinary(op: BinaryOperator, left: bigint, right: bigint, bits: number): bigint {
  const signedLeft = BigInt.asIntN(bits, left);
  const signedRight = BigInt.asIntN(bits, right);
  const count = right % BigInt(bits);
  switch (op) {
    case 'add':
      return left + right;
    case 'sub':
      return left - right;
    case 'mul':
      return left * right;
    case 'and':
      return left & right;
    case 'or':
      return left | right;
    case 'xor':
      return left ^ right;
    case 'shl':
      return left << count;
    case 'shr':
      return left >> count;
    case 'sar':
      return signedLeft >> count;
    case 'rotl':
      return (left << count) | (left >> (BigInt(bits) - count));
    case 'mulHighUnsigned':
      return (left * right) >> BigInt(bits);
    case 'mulHighSigned':
      return (signedLeft * signedRight) >> BigInt(bits);
    case 'divUnsigned':
      return left / right;
    case 'divSigned':
      return signedLeft / signedRight;
    case 'remUnsigned':
      return left % right;
    case 'remSigned':
      return signedLeft % signedRight;
  }
}

/** byteSwap, or the index of a set bit (0 when there is none), of an unsigned value of so many bytes. */
export function evaluateBits(
  op: 'byteSwap' | 'bitScanForward' | 'bitScanReverse',
  value: bigint,
  bytes: number,
): bigint {
  if (op === 'byteSwap') {
    let result = 0n;
    for (let index = 0; index < bytes; index++) result = (result << 8n) | ((value >> BigInt(8 * index)) & 0xffn);
    return result;
  }
  if (value === 0n) return 0n;
  const digits = value.toString(2);
  return BigInt(op === 'bitScanReverse' ? digits.length - 1 : digits.length - 1 - digits.lastIndexOf('1'));
}
