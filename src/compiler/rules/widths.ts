import { rule } from './rule.ts';

/** Rules about integers: declared widths, exactness, division, shifts. */

export const undeclaredWidth = rule('VG1001', 'guarantee', (found: string, wanted: string) => ({
  rule: `a computed ${found} has no width, and ${wanted} needs one`,
  fix: `wrap it in a constructor, as in ${wanted}(...)`,
  reason: 'widths are declared, never inferred: the constructor is where the wrap is read',
}));

export const undeclaredType = rule('VG1011', 'guarantee', (name: string, found: string) => ({
  rule: `${name} is a ${found} of no declared width`,
  fix: found === 'bigint' ? `declare its type, as in ${name}: u64` : `declare its type, as in ${name}: u32`,
  reason: 'widths are declared, never inferred: Node keeps any integer, the machine a fixed number of bits',
}));

export const literalOutOfRange = rule('VG1002', 'guarantee', (value: string, type: string) => ({
  rule: `${value} does not fit ${type}`,
  fix: `use a wider type, or ${type}(${value}) if the wrap is meant`,
  reason: 'Node would keep the whole value, the machine could not',
}));

export const inexact = rule('VG1003', 'guarantee', (operator: string) => ({
  rule: `the result of ${operator} may leave the integers that a number holds exactly (2^53)`,
  fix: 'use mulLow32(a, b), or widen first: u64(a) * u64(b)',
  reason: 'Node would round the result, the machine would not',
}));

export const mayWrap = rule('VG1004', 'guarantee', (operator: string, type: string) => ({
  rule: `${operator} may leave the range of ${type}`,
  fix: `write x = ${type}(x + 1), or let a condition bound the variable first`,
  reason: 'Node does not wrap: the value would no longer be what its type says',
}));

export const bareQuotient = rule('VG1005', 'guarantee', (operator: string) => ({
  rule: `the result of ${operator} on numbers must go straight into a constructor`,
  fix: operator === '/' ? 'write u32(a / b)' : 'write u32(a % b), or make sure that the divisor is not zero',
  reason:
    'Node divides to a fraction, or to NaN and infinity where the divisor is zero; the constructor makes an integer of it',
}));

export const unwrappedOperand = rule('VG1006', 'guarantee', (operator: string) => ({
  rule: `an operand of ${operator} may exceed 64 bits`,
  fix: 'wrap the operand first: u64(...) or i64(...)',
  reason: 'wrapping at the end gives the same result for + - * & | ^ ~ << only',
}));

export const mixedSigns = rule('VG1007', 'guarantee', (operator: string) => ({
  rule: `the operands of ${operator} fit neither one unsigned nor one signed 64-bit type`,
  fix: 'convert one of them: i64(x) or u64(x)',
  reason: 'the machine compares and divides either unsigned or signed',
}));

export const shiftCount = rule('VG1008', 'guarantee', () => ({
  rule: 'the shift count of a bigint must be provably between 0 and 63',
  fix: 'use a literal, or mask the count: u64(x << (n & 63n))',
  reason: 'Node shifts by the true count, the machine by its low six bits',
}));

export const negativeExponent = rule('VG1009', 'guarantee', () => ({
  rule: '** is only for constants',
  fix: 'multiply, or shift',
  reason: 'there is no instruction for it, and a power outgrows every width',
}));

export const fraction = rule('VG1010', 'guarantee', () => ({
  rule: 'a number that is not an integer',
  fix: 'scale it to an integer',
  reason: 'the kernel has no floating point',
}));
