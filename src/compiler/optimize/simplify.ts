import { evaluateBinary, evaluateBits } from '../ir/arithmetic.ts';
import {
  type BinaryOperator,
  bitsOf,
  type Instruction,
  type InstructionOf,
  type Register,
  type Type,
} from '../ir/module.ts';
import { foldAddress } from './addresses.ts';
import { invertedCondition, sameComparison, simplifyComparison } from './comparisons.ts';
import { divideByConstant } from './division.ts';
import { lengthOf, type Values } from './values.ts';

/** What became of an instruction: a value that exists already, or the instruction to keep (perhaps another one). */
export type Simplified = { readonly value: Register } | { readonly instruction: Instruction };

const same = (instruction: Instruction): Simplified => ({ instruction });
const value = (register: Register): Simplified => ({ value: register });

/** Applies the rewriting rules to one instruction, whose operands are final. */
export function simplify(v: Values, instruction: Instruction): Simplified {
  v.span = instruction.span;
  switch (instruction.op) {
    case 'copy':
      return value(instruction.source);
    case 'neg':
    case 'not':
    case 'byteSwap':
    case 'bitScanForward':
    case 'bitScanReverse':
      return simplifyUnary(v, instruction);
    case 'zeroExtend':
      return simplifyZeroExtension(v, instruction);
    case 'signExtend':
      return simplifySignExtension(v, instruction);
    case 'truncate':
      return simplifyTruncation(v, instruction);
    case 'compare': {
      const comparison = simplifyComparison(v, instruction);
      if (typeof comparison === 'boolean') return constant(v, 'i8', comparison ? 1n : 0n);
      if ('boolean' in comparison) return value(comparison.boolean);
      return same(sameComparison(comparison, instruction) ? instruction : { ...instruction, ...comparison });
    }
    case 'select':
      return simplifySelect(v, instruction);
    default:
      if ('left' in instruction) return simplifyBinary(v, instruction);
      if ('address' in instruction) {
        const address = foldAddress(v, instruction.address);
        if (instruction.op === 'addressOf') {
          const { base, index, displacement = 0 } = address;
          if (base?.kind === 'register' && index === undefined && displacement === 0) return value(base.register);
        }
        return same(address === instruction.address ? instruction : ({ ...instruction, address } as Instruction));
      }
      return same(instruction);
  }
}

function constant(v: Values, type: Type, number: bigint): Simplified {
  return value(v.makeConstant(type, number));
}

type Unary = InstructionOf<'neg' | 'not' | 'byteSwap' | 'bitScanForward' | 'bitScanReverse'>;

function simplifyUnary(v: Values, instruction: Unary): Simplified {
  const { op, source, result } = instruction;
  const type = v.typeOf(result);
  const known = v.constant(source);
  const inner = v.definition(source);
  if (inner?.op === op && (op === 'neg' || op === 'not' || op === 'byteSwap')) return value(inner.source);
  if (known === undefined) return same(instruction);
  if (op === 'neg') return constant(v, type, -known);
  if (op === 'not') return constant(v, type, ~known);
  return constant(v, type, evaluateBits(op, known, bitsOf[type] / 8));
}

function simplifyZeroExtension(v: Values, instruction: InstructionOf<'zeroExtend'>): Simplified {
  const { source, result } = instruction;
  const type = v.typeOf(result);
  const known = v.constant(source);
  if (known !== undefined) return constant(v, type, known);
  const inner = v.definition(source);
  if (inner?.op === 'zeroExtend') return same({ ...instruction, source: inner.source });
  if (inner?.op !== 'truncate') return same(instruction);
  const original = inner.source;
  const limit = (1n << BigInt(v.bitsOf(source))) - 1n;
  const fits = v.bound(original) <= limit;
  if (v.typeOf(original) === type) {
    if (fits) return value(original);
    const mask = v.makeConstant(type, limit);
    return same({ op: 'and', result, left: original, right: mask, span: instruction.span });
  }
  if (!fits) return same(instruction);
  const op = v.bitsOf(original) > bitsOf[type] ? 'truncate' : 'zeroExtend';
  return same({ ...instruction, op, source: original });
}

function simplifySignExtension(v: Values, instruction: InstructionOf<'signExtend'>): Simplified {
  const { source, result } = instruction;
  const known = v.constant(source);
  if (known !== undefined) return constant(v, v.typeOf(result), BigInt.asIntN(v.bitsOf(source), known));
  const inner = v.definition(source);
  if (inner?.op === 'signExtend') return same({ ...instruction, source: inner.source });
  if (v.isNonNegative(source))
    return simplifyZeroExtension(v, { ...instruction, op: 'zeroExtend' } as InstructionOf<'zeroExtend'>);
  return same(instruction);
}

const narrowable = new Set<string>(['add', 'sub', 'mul', 'and', 'or', 'xor']);

function simplifyTruncation(v: Values, instruction: InstructionOf<'truncate'>): Simplified {
  const { source, result } = instruction;
  const type = v.typeOf(result);
  const known = v.constant(source);
  if (known !== undefined) return constant(v, type, known);
  const inner = v.definition(source);
  if (!inner) return same(instruction);
  if (inner.op === 'truncate') return same({ ...instruction, source: inner.source });
  if (inner.op === 'zeroExtend' || inner.op === 'signExtend') {
    const original = v.bitsOf(inner.source);
    if (original === bitsOf[type]) return value(inner.source);
    return same({ ...instruction, op: original > bitsOf[type] ? 'truncate' : inner.op, source: inner.source });
  }
  if (v.typeOf(source) !== 'i64') return same(instruction);
  const narrow = narrowOperation(v, source, inner);
  if (narrow === undefined) return same(instruction);
  return type === 'i32' ? value(narrow) : same({ ...instruction, source: narrow });
}

/** The low 32 bits of a 64-bit operation that is used for nothing else, computed in 32 bits. */
function narrowOperation(v: Values, source: Register, inner: Instruction): Register | undefined {
  if (!v.usedOnce(source)) return undefined;
  const result = () => v.fresh('i32');
  if (narrowable.has(inner.op) && 'left' in inner) {
    const { op, left, right, span } = inner as InstructionOf<'add'>;
    return v.emit({ op, result: result(), left: lowHalf(v, left), right: lowHalf(v, right), span });
  }
  if (inner.op === 'neg' || inner.op === 'not') {
    return v.emit({ ...inner, result: result(), source: lowHalf(v, inner.source) });
  }
  if (inner.op === 'select') {
    const [whenTrue, whenFalse] = [lowHalf(v, inner.whenTrue), lowHalf(v, inner.whenFalse)];
    return v.emit({ ...inner, result: result(), whenTrue, whenFalse });
  }
  if (inner.op === 'shl' || inner.op === 'shr' || inner.op === 'sar') {
    const count = v.constant(inner.right);
    const bound = inner.op === 'shl' ? 0n : v.bound(inner.left);
    if (count === undefined || count >= 32n || bound > (inner.op === 'sar' ? 0x7fffffffn : 0xffffffffn))
      return undefined;
    const right = v.makeConstant('i32', count);
    return v.emit({ ...inner, result: result(), left: lowHalf(v, inner.left), right });
  }
  return undefined;
}

/** A 64-bit value's low half; made without an instruction where the value is an extension or a constant. */
function lowHalf(v: Values, register: Register): Register {
  const simplified = simplifyTruncation(v, {
    op: 'truncate',
    result: v.fresh('i32'),
    source: register,
    span: v.span,
  } as InstructionOf<'truncate'>);
  if ('value' in simplified) return simplified.value;
  return v.emit(simplified.instruction as Instruction & { result: Register });
}

function simplifySelect(v: Values, instruction: InstructionOf<'select'>): Simplified {
  const { test, whenTrue, whenFalse, result } = instruction;
  const known = v.constant(test);
  if (known !== undefined) return value(known !== 0n ? whenTrue : whenFalse);
  if (whenTrue === whenFalse) return value(whenTrue);
  const type = v.typeOf(result);
  const [yes, no] = [v.constant(whenTrue), v.constant(whenFalse)];
  if (v.bound(test) <= 1n && yes === 1n && no === 0n) {
    return type === 'i8' ? value(test) : same({ op: 'zeroExtend', result, source: test, span: instruction.span });
  }
  const tested = v.definition(test);
  if (tested?.op === 'compare' && yes === 0n && no === 1n) {
    const condition = invertedCondition[tested.condition];
    const inverse = v.emit({ ...tested, condition, result: v.fresh('i8') });
    return type === 'i8' ? value(inverse) : same({ op: 'zeroExtend', result, source: inverse, span: instruction.span });
  }
  return same(instruction);
}

type Binary = InstructionOf<BinaryOperator>;
const commutative = new Set<string>(['add', 'mul', 'and', 'or', 'xor', 'mulHighUnsigned', 'mulHighSigned']);

function simplifyBinary(v: Values, instruction: Binary): Simplified {
  const { op, result } = instruction;
  let { left, right } = instruction;
  if (commutative.has(op) && v.constant(left) !== undefined && v.constant(right) === undefined) {
    [left, right] = [right, left];
  }
  const type = v.typeOf(result);
  const [a, b] = [v.constant(left), v.constant(right)];
  const divides = op.startsWith('div') || op.startsWith('rem');
  if (a !== undefined && b !== undefined && !(divides && b === 0n)) {
    return constant(v, type, evaluateBinary(op, a, b, bitsOf[type]));
  }
  const ordered = left === instruction.left ? instruction : { ...instruction, left, right };
  return binaryRules[op](v, ordered, b, type) ?? same(ordered);
}

type Rule = (v: Values, instruction: Binary, constant: bigint | undefined, type: Type) => Simplified | undefined;

const ruleAdd: Rule = (v, { result, left, right, span }, c, type) => {
  if (c === 0n) return value(left);
  const inner = v.definition(left);
  if (c !== undefined && inner?.op === 'add') {
    const first = v.constant(inner.right);
    const sum = first === undefined ? 0n : BigInt.asIntN(bitsOf[type], first + c);
    if (first !== undefined && (v.usedOnce(left) || BigInt.asIntN(32, sum) === sum)) {
      return same({ op: 'add', result, left: inner.left, right: v.makeConstant(type, sum), span });
    }
  }
  const negated = v.definition(right);
  return negated?.op === 'neg' ? same({ op: 'sub', result, left, right: negated.source, span }) : undefined;
};

const ruleSub: Rule = (v, { result, left, right, span }, c, type) => {
  if (left === right) return constant(v, type, 0n);
  if (c !== undefined) {
    return (
      ruleAdd(
        v,
        { op: 'add', result, left, right: v.makeConstant(type, -c), span },
        BigInt.asUintN(bitsOf[type], -c),
        type,
      ) ?? same({ op: 'add', result, left, right: v.makeConstant(type, -c), span })
    );
  }
  return v.constant(left) === 0n ? same({ op: 'neg', result, source: right, span }) : undefined;
};

const ruleMul: Rule = (v, { result, left, right, span }, c, type) => {
  if (c === 0n) return value(right);
  if (c === 1n) return value(left);
  if (c === undefined || (c & (c - 1n)) !== 0n) return undefined;
  const count = v.makeConstant(type, BigInt(lengthOf(c) - 1));
  return same({ op: 'shl', result, left, right: count, span });
};

const ruleAnd: Rule = (v, { result, left, right, span }, c, type) => {
  if (left === right) return value(left);
  if (c === undefined) return undefined;
  if (c === 0n) return value(right);
  const bound = v.bound(left);
  const covering = (1n << BigInt(lengthOf(bound))) - 1n;
  if ((c & covering) === covering) return value(left);
  const inner = v.definition(left);
  const first = inner?.op === 'and' ? v.constant(inner.right) : undefined;
  if (inner?.op === 'and' && first !== undefined) {
    return same({ op: 'and', result, left: inner.left, right: v.makeConstant(type, first & c), span });
  }
  return undefined;
};

const ruleOr: Rule = (v, { result, left, right, span }, c, type) => {
  if (left === right || c === 0n) return value(left);
  const rotation = rotationOf(v, left, right, type) ?? rotationOf(v, right, left, type);
  return rotation ? same({ op: 'rotl', result, ...rotation, span }) : undefined;
};

/** (x << c) | (x >> width - c) */
function rotationOf(
  v: Values,
  left: Register,
  right: Register,
  type: Type,
): { left: Register; right: Register } | undefined {
  const [up, down] = [v.definition(left), v.definition(right)];
  if (up?.op !== 'shl' || down?.op !== 'shr' || up.left !== down.left) return undefined;
  const [c, d] = [v.constant(up.right), v.constant(down.right)];
  if (c === undefined || d === undefined || c + d !== BigInt(bitsOf[type])) return undefined;
  return { left: up.left, right: up.right };
}

const ruleXor: Rule = (v, { result, left, right, span }, c, type) => {
  if (left === right) return constant(v, type, 0n);
  if (c === 0n) return value(left);
  const inner = v.definition(left);
  if (c === 1n && inner?.op === 'compare') {
    return same({ ...inner, condition: invertedCondition[inner.condition], result, span });
  }
  if (c === (1n << BigInt(bitsOf[type])) - 1n) return same({ op: 'not', result, source: left, span });
  const first = c !== undefined && inner?.op === 'xor' ? v.constant(inner.right) : undefined;
  if (first !== undefined && inner?.op === 'xor') {
    return same({ op: 'xor', result, left: inner.left, right: v.makeConstant(type, first ^ c!), span });
  }
  return undefined;
};

const ruleShift: Rule = (v, instruction, c, type) => {
  const { op, result, left, span } = instruction;
  if (v.constant(left) === 0n) return value(left);
  if (c === undefined) return maskedCount(v, instruction, type);
  const bits = BigInt(bitsOf[type]);
  const count = c % bits;
  if (count === 0n) return value(left);
  if (op === 'sar' && v.isNonNegative(left)) return same({ ...instruction, op: 'shr' });
  const inner = v.definition(left);
  if (op !== 'rotl' && inner?.op === op) {
    const first = v.constant(inner.right);
    if (first !== undefined && (first % bits) + count < bits) {
      return same({ op, result, left: inner.left, right: v.makeConstant(type, (first % bits) + count), span });
    }
  }
  if (op === 'shr' && v.bound(left) >> count === 0n) return constant(v, type, 0n);
  return c === count ? undefined : same({ ...instruction, right: v.makeConstant(type, count) });
};

/** A count that is masked with width - 1 needs no mask: the operation takes it modulo the width. */
function maskedCount(v: Values, instruction: Binary, type: Type): Simplified | undefined {
  const inner = v.definition(instruction.right);
  if (inner?.op !== 'and') return undefined;
  const mask = v.constant(inner.right);
  const needed = BigInt(bitsOf[type] - 1);
  return mask !== undefined && (mask & needed) === needed ? same({ ...instruction, right: inner.left }) : undefined;
}

const ruleDivision: Rule = (v, instruction, c, type) => {
  const { op, result, left, right, span } = instruction;
  if (c === 1n) return op.startsWith('div') ? value(left) : constant(v, type, 0n);
  if (v.isNonNegative(left) && v.isNonNegative(right) && (op === 'divSigned' || op === 'remSigned')) {
    const unsigned = op === 'divSigned' ? 'divUnsigned' : 'remUnsigned';
    return simplifyBinary(v, { ...instruction, op: unsigned });
  }
  const narrow =
    type === 'i64' && !op.endsWith('Signed') && v.bound(left) <= 0xffffffffn && v.bound(right) <= 0xffffffffn;
  if (narrow) {
    const halves = { op, result: v.fresh('i32'), left: lowHalf(v, left), right: lowHalf(v, right), span } as Binary;
    const quotient = simplifyBinary(v, halves);
    const source =
      'value' in quotient ? quotient.value : v.emit(quotient.instruction as Instruction & { result: Register });
    return same({ op: 'zeroExtend', result, source, span });
  }
  return c === undefined || c === 0n ? undefined : divideByConstant(v, instruction, c, type);
};

const none: Rule = () => undefined;

const binaryRules: Readonly<Record<BinaryOperator, Rule>> = {
  add: ruleAdd,
  sub: ruleSub,
  mul: ruleMul,
  and: ruleAnd,
  or: ruleOr,
  xor: ruleXor,
  shl: ruleShift,
  shr: ruleShift,
  sar: ruleShift,
  rotl: ruleShift,
  mulHighUnsigned: none,
  mulHighSigned: none,
  divUnsigned: ruleDivision,
  divSigned: ruleDivision,
  remUnsigned: ruleDivision,
  remSigned: ruleDivision,
};
