/** @returns whether bits 63:47 of a 64-bit address are all equal */
export function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
}
