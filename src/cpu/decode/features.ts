/**
 * Instruction-set features that a row of the opcode table may depend on. `fpu` is the x87 control and state instructions,
 * `x87` its arithmetic. LZCNT and TZCNT without their feature are BSR and BSF, as on processors without them.
 */
export const FEATURES = [
  'fpu',
  'x87',
  'mmx',
  'sse',
  'sse2',
  'sse3',
  'cx16',
  'movbe',
  'crc32',
  'popcnt',
  'lzcnt',
  'bmi1',
  'bmi2',
  'adx',
  'fsgsbase',
  'invpcid',
  'rdtscp',
  'rdpid',
  'smap',
] as const;

export type Feature = (typeof FEATURES)[number];

/**
 * The features whose instructions execute; CPUID advertises them and the decoder knows the rows of no others. CRC32 waits for the
 * rest of SSE4.2, with which it shares its CPUID bit.
 */
export const IMPLEMENTED_FEATURES: ReadonlySet<Feature> = new Set<Feature>([
  'fpu',
  'x87',
  'mmx',
  'sse',
  'sse2',
  'cx16',
  'movbe',
  'popcnt',
  'lzcnt',
  'bmi1',
  'bmi2',
  'adx',
  'fsgsbase',
  'invpcid',
  'rdtscp',
  'smap',
]);
