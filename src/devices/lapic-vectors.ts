/** A 256-bit register of the local APIC (ISR, TMR, IRR): eight 32-bit words, bit n of word w is vector 32w + n. */
export type VectorRegister = number[];

export function emptyVectorRegister(): VectorRegister {
  return [0, 0, 0, 0, 0, 0, 0, 0];
}

export function hasVector(register: VectorRegister, vector: number): boolean {
  return ((register[vector >> 5]! >>> (vector & 31)) & 1) !== 0;
}

export function setVector(register: VectorRegister, vector: number, value: boolean): void {
  const bit = 1 << (vector & 31);
  const word = register[vector >> 5]!;
  register[vector >> 5] = (value ? word | bit : word & ~bit) >>> 0;
}

/**
 * The highest vector set, or -1 when the register is empty.
 * @param limit no vector above it is set
 */
export function highestVector(register: VectorRegister, limit = 255): number {
  for (let word = limit >> 5; word >= 0; word--) {
    const bits = register[word]!;
    if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
  }
  return -1;
}
