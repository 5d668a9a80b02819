/** Exception vectors (SDM vol. 3A tables 6-1 and 6-4). */

export const Vector = {
  DIVIDE_ERROR: 0,
  DEBUG: 1,
  NMI: 2,
  BREAKPOINT: 3,
  OVERFLOW: 4,
  BOUND: 5,
  INVALID_OPCODE: 6,
  DEVICE_NOT_AVAILABLE: 7,
  DOUBLE_FAULT: 8,
  INVALID_TSS: 10,
  SEGMENT_NOT_PRESENT: 11,
  STACK_FAULT: 12,
  GENERAL_PROTECTION: 13,
  PAGE_FAULT: 14,
  X87_FLOATING_POINT: 16,
  ALIGNMENT_CHECK: 17,
  MACHINE_CHECK: 18,
  SIMD_FLOATING_POINT: 19,
} as const;

type ExceptionClass = 'benign' | 'contributory' | 'page fault' | 'double fault';

/** How an exception combines with another (SDM vol. 3A table 6-4). */
function classOf(vector: number): ExceptionClass {
  switch (vector) {
    case Vector.DIVIDE_ERROR:
    case Vector.INVALID_TSS:
    case Vector.SEGMENT_NOT_PRESENT:
    case Vector.STACK_FAULT:
    case Vector.GENERAL_PROTECTION:
      return 'contributory';
    case Vector.PAGE_FAULT:
      return 'page fault';
    case Vector.DOUBLE_FAULT:
      return 'double fault';
    default:
      return 'benign';
  }
}

/**
 * What becomes of an exception `second` met while `first` was being delivered (SDM vol. 3A table 6-5).
 * @returns 'serial': deliver the second alone; 'double fault'; or 'shutdown'
 */
export function combine(first: number, second: number): 'serial' | 'double fault' | 'shutdown' {
  const [a, b] = [classOf(first), classOf(second)];
  if (b === 'benign' || a === 'benign') return 'serial';
  if (a === 'double fault') return 'shutdown';
  return a === 'contributory' && b === 'page fault' ? 'serial' : 'double fault';
}

/** Whether delivery pushes an error code. */
export function hasErrorCode(vector: number): boolean {
  return ERROR_CODE_VECTORS.has(vector);
}

const ERROR_CODE_VECTORS: ReadonlySet<number> = new Set([
  Vector.DOUBLE_FAULT,
  Vector.INVALID_TSS,
  Vector.SEGMENT_NOT_PRESENT,
  Vector.STACK_FAULT,
  Vector.GENERAL_PROTECTION,
  Vector.PAGE_FAULT,
  Vector.ALIGNMENT_CHECK,
]);

/** Faults save the address of the instruction that raised them, and RF set (SDM vol. 3B 17.3.1.1). #DB decides for itself. */
export function isFault(vector: number): boolean {
  switch (vector) {
    case Vector.DEBUG:
    case Vector.NMI:
    case Vector.BREAKPOINT:
    case Vector.OVERFLOW:
    case Vector.DOUBLE_FAULT:
    case Vector.MACHINE_CHECK:
      return false;
    default:
      return true;
  }
}

/** Error-code bits of descriptor-related exceptions (SDM vol. 3A 6.13). */
export const ErrorCode = {
  /** The event came from outside the program: an interrupt, or an earlier exception. */
  EXTERNAL: 1,
  /** The index is a vector: the IDT. */
  IDT: 2,
} as const;
