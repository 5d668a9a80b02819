/** Value types of WebAssembly, as the text format writes them. */
export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** How a WebAssembly operator is encoded and what it takes and leaves. */
export interface Operator {
  /** Opcode bytes, prefix and LEB128 included. */
  readonly code: readonly number[];
  readonly parameters: readonly ValueType[];
  readonly result: ValueType;
}

/**
 * The numeric and vector operators of WebAssembly 2.0 that take only stack operands and lane immediates, by text-format name.
 * WebAssembly Core Specification 2.0, section 5.4.7 and 5.4.8.
 */
export const OPERATORS = new Map<string, Operator>();

/** Declares operators with consecutive opcodes; `_` skips one. */
function declare(
  prefix: string,
  first: number,
  names: string,
  parameters: readonly ValueType[],
  result: ValueType,
  group?: number,
): void {
  names.split(' ').forEach((name, offset) => {
    if (name === '_') return;
    const value = first + offset;
    const encoded = value < 0x80 ? [value] : [(value & 0x7f) | 0x80, value >> 7];
    OPERATORS.set(prefix + name, { code: group === undefined ? [value] : [group, ...encoded], parameters, result });
  });
}

const VECTOR = 0xfd;
const SATURATING = 0xfc;
const comparisons = 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u';
const floatComparisons = 'eq ne lt gt le ge';

for (const [type, equalZero, comparison, counts, arithmetic] of [
  ['i32', 0x45, 0x46, 0x67, 0x6a],
  ['i64', 0x50, 0x51, 0x79, 0x7c],
] as const) {
  declare(`${type}.`, equalZero, 'eqz', [type], 'i32');
  declare(`${type}.`, comparison, comparisons, [type, type], 'i32');
  declare(`${type}.`, counts, 'clz ctz popcnt', [type], type);
  const names = 'add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr';
  declare(`${type}.`, arithmetic, names, [type, type], type);
}
for (const [type, comparison, unary, binary] of [
  ['f32', 0x5b, 0x8b, 0x92],
  ['f64', 0x61, 0x99, 0xa0],
] as const) {
  declare(`${type}.`, comparison, floatComparisons, [type, type], 'i32');
  declare(`${type}.`, unary, 'abs neg ceil floor trunc nearest sqrt', [type], type);
  declare(`${type}.`, binary, 'add sub mul div min max copysign', [type, type], type);
}
declare('i32.', 0xa7, 'wrap_i64', ['i64'], 'i32');
declare('i64.', 0xac, 'extend_i32_s extend_i32_u', ['i32'], 'i64');
declare('f32.', 0xb2, 'convert_i32_s convert_i32_u', ['i32'], 'f32');
declare('f32.', 0xb4, 'convert_i64_s convert_i64_u', ['i64'], 'f32');
declare('f32.', 0xb6, 'demote_f64', ['f64'], 'f32');
declare('f64.', 0xb7, 'convert_i32_s convert_i32_u', ['i32'], 'f64');
declare('f64.', 0xb9, 'convert_i64_s convert_i64_u', ['i64'], 'f64');
declare('f64.', 0xbb, 'promote_f32', ['f32'], 'f64');
declare('i32.', 0xbc, 'reinterpret_f32', ['f32'], 'i32');
declare('i64.', 0xbd, 'reinterpret_f64', ['f64'], 'i64');
declare('f32.', 0xbe, 'reinterpret_i32', ['i32'], 'f32');
declare('f64.', 0xbf, 'reinterpret_i64', ['i64'], 'f64');
declare('i32.', 0xc0, 'extend8_s extend16_s', ['i32'], 'i32');
declare('i64.', 0xc2, 'extend8_s extend16_s extend32_s', ['i64'], 'i64');
for (const [type, first] of [
  ['i32', 0],
  ['i64', 4],
] as const) {
  declare(`${type}.`, first, 'trunc_sat_f32_s trunc_sat_f32_u', ['f32'], type, SATURATING);
  declare(`${type}.`, first + 2, 'trunc_sat_f64_s trunc_sat_f64_u', ['f64'], type, SATURATING);
}

const vector = (prefix: string, first: number, names: string, operands: 1 | 2): void =>
  declare(`${prefix}.`, first, names, operands === 1 ? ['v128'] : ['v128', 'v128'], 'v128', VECTOR);

vector('i8x16', 0x0d, 'shuffle swizzle', 2);
const splats = [
  ['i8x16', 'i32'],
  ['i16x8', 'i32'],
  ['i32x4', 'i32'],
  ['i64x2', 'i64'],
  ['f32x4', 'f32'],
  ['f64x2', 'f64'],
] as const;
splats.forEach(([shape, lane], index) => {
  declare(`${shape}.`, 0x0f + index, 'splat', [lane], 'v128', VECTOR);
});
declare('i8x16.', 0x15, 'extract_lane_s extract_lane_u', ['v128'], 'i32', VECTOR);
declare('i8x16.', 0x17, 'replace_lane', ['v128', 'i32'], 'v128', VECTOR);
declare('i16x8.', 0x18, 'extract_lane_s extract_lane_u', ['v128'], 'i32', VECTOR);
declare('i16x8.', 0x1a, 'replace_lane', ['v128', 'i32'], 'v128', VECTOR);
splats.slice(2).forEach(([shape, lane], index) => {
  declare(`${shape}.`, 0x1b + 2 * index, 'extract_lane', ['v128'], lane, VECTOR);
  declare(`${shape}.`, 0x1c + 2 * index, 'replace_lane', ['v128', lane], 'v128', VECTOR);
});
vector('i8x16', 0x23, comparisons, 2);
vector('i16x8', 0x2d, comparisons, 2);
vector('i32x4', 0x37, comparisons, 2);
vector('f32x4', 0x41, floatComparisons, 2);
vector('f64x2', 0x47, floatComparisons, 2);
vector('v128', 0x4d, 'not', 1);
vector('v128', 0x4e, 'and andnot or xor', 2);
declare('v128.', 0x52, 'bitselect', ['v128', 'v128', 'v128'], 'v128', VECTOR);
declare('v128.', 0x53, 'any_true', ['v128'], 'i32', VECTOR);
vector('f32x4', 0x5e, 'demote_f64x2_zero', 1);
vector('f64x2', 0x5f, 'promote_low_f32x4', 1);

for (const [shape, first] of [
  ['i8x16', 0x60],
  ['i16x8', 0x80],
  ['i32x4', 0xa0],
  ['i64x2', 0xc0],
] as const) {
  vector(shape, first, 'abs neg', 1);
  declare(`${shape}.`, first + 3, 'all_true bitmask', ['v128'], 'i32', VECTOR);
  declare(`${shape}.`, first + 11, 'shl shr_s shr_u', ['v128', 'i32'], 'v128', VECTOR);
  vector(shape, first + 14, 'add _ _ sub', 2);
}
vector('i8x16', 0x62, 'popcnt', 1);
vector('i8x16', 0x65, 'narrow_i16x8_s narrow_i16x8_u', 2);
vector('i8x16', 0x6f, 'add_sat_s add_sat_u _ sub_sat_s sub_sat_u _ _ min_s min_u max_s max_u _ avgr_u', 2);
vector('i16x8', 0x7c, 'extadd_pairwise_i8x16_s extadd_pairwise_i8x16_u', 1);
vector('i32x4', 0x7e, 'extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u', 1);
vector('i16x8', 0x82, 'q15mulr_sat_s _ _ narrow_i32x4_s narrow_i32x4_u', 2);
vector('i16x8', 0x8f, 'add_sat_s add_sat_u _ sub_sat_s sub_sat_u _ mul min_s min_u max_s max_u _ avgr_u', 2);
vector('i32x4', 0xb5, 'mul min_s min_u max_s max_u dot_i16x8_s', 2);
vector('i64x2', 0xd5, 'mul eq ne lt_s gt_s le_s ge_s', 2);
for (const [shape, source, extend, multiply] of [
  ['i16x8', 'i8x16', 0x87, 0x9c],
  ['i32x4', 'i16x8', 0xa7, 0xbc],
  ['i64x2', 'i32x4', 0xc7, 0xdc],
] as const) {
  const forms = ['low', 'high', 'low', 'high'].map((half, index) => `${half}_${source}_${index < 2 ? 's' : 'u'}`);
  vector(shape, extend, forms.map((form) => `extend_${form}`).join(' '), 1);
  vector(shape, multiply, forms.map((form) => `extmul_${form}`).join(' '), 2);
}
vector('f32x4', 0x67, 'ceil floor trunc nearest', 1);
vector('f64x2', 0x74, 'ceil floor _ _ _ _ trunc', 1);
vector('f64x2', 0x94, 'nearest', 1);
for (const [shape, first] of [
  ['f32x4', 0xe0],
  ['f64x2', 0xec],
] as const) {
  vector(shape, first, 'abs neg _ sqrt', 1);
  vector(shape, first + 4, 'add sub mul div min max pmin pmax', 2);
}
vector('i32x4', 0xf8, 'trunc_sat_f32x4_s trunc_sat_f32x4_u', 1);
vector('f32x4', 0xfa, 'convert_i32x4_s convert_i32x4_u', 1);
vector('i32x4', 0xfc, 'trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero', 1);
vector('f64x2', 0xfe, 'convert_low_i32x4_s convert_low_i32x4_u', 1);
