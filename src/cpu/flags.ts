/**
 * Lazy status flags. An instruction leaves (kind, a, b); the six flags are worked out when something looks.
 * The stored kind is `kind * 4 + log2(size / 8)`. Values are zero-extended to 64 bits unless the table says otherwise.
 */

export const FLAG = {
  CF: 1 << 0,
  PF: 1 << 2,
  AF: 1 << 4,
  ZF: 1 << 6,
  SF: 1 << 7,
  TF: 1 << 8,
  IF: 1 << 9,
  DF: 1 << 10,
  OF: 1 << 11,
  IOPL: 3 << 12,
  NT: 1 << 14,
  RF: 1 << 16,
  VM: 1 << 17,
  AC: 1 << 18,
  VIF: 1 << 19,
  VIP: 1 << 20,
  ID: 1 << 21,
} as const;

export const STATUS_FLAGS = FLAG.CF | FLAG.PF | FLAG.AF | FLAG.ZF | FLAG.SF | FLAG.OF;
/** Bits of RFLAGS that exist, without the status flags and without bit 1 (always set). */
export const SYSTEM_FLAGS =
  FLAG.TF | FLAG.IF | FLAG.DF | FLAG.IOPL | FLAG.NT | FLAG.RF | FLAG.VM | FLAG.AC | FLAG.VIF | FLAG.VIP | FLAG.ID;
export const RFLAGS_FIXED = 1 << 1;

export const KIND = {
  /** a: the six flags as they stand in RFLAGS. */
  RAW: 0,
  /** a: result, b: second addend; carry-in was 0. */
  ADD: 1,
  /** The same with carry-in 1. */
  ADC: 2,
  /** a: minuend, b: subtrahend; borrow-in was 0. */
  SUB: 3,
  /** The same with borrow-in 1. */
  SBB: 4,
  /** a: result; CF, OF and AF are 0. */
  LOGIC: 5,
  /** a: result, b: the old CF (0 or 1), which is kept. */
  INC: 6,
  DEC: 7,
  /** a: result, b: the operand shifted by one place less: CF is its top bit. OF is CF xor SF; AF is 0. */
  SHL: 8,
  /** a: result, b: the operand shifted by one place less: CF is its bit 0. OF is the xor of the result's two top bits. */
  SHR: 9,
  /** As SHR, with OF 0. */
  SAR: 10,
  /** a: result, b: nonzero when CF and OF are set. SF, ZF, PF of the result, AF 0. */
  MUL: 11,
} as const;

/** Number of distinct stored kinds, for tables. */
export const STORED_KINDS = 48;

export const storedKind = (kind: number, size: number): number => kind * 4 + (31 - Math.clz32(size >> 3));

const PARITY = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = byte;
  bits ^= bits >> 4;
  bits ^= bits >> 2;
  bits ^= bits >> 1;
  return bits & 1 ? 0 : FLAG.PF;
});

/**
 * @param stored a stored kind with its two values
 * @returns CF PF AF ZF SF OF as they stand in RFLAGS
 */
export function statusFlags(stored: number, a: bigint, b: bigint): number {
  const kind = stored >> 2;
  if (kind === KIND.RAW) return Number(a) & STATUS_FLAGS;
  const size = 8 << (stored & 3);
  const truncate = (value: bigint) => BigInt.asUintN(size, value);
  const top = (value: bigint) => Number((value >> BigInt(size - 1)) & 1n);
  const carryIn = kind === KIND.ADC || kind === KIND.SBB ? 1n : 0n;
  let result = a;
  let carry = 0;
  let overflow = 0;
  let adjust = 0;
  switch (kind) {
    case KIND.ADD:
    case KIND.ADC: {
      const first = truncate(a - b - carryIn);
      carry = Number(carryIn === 0n ? a < b : a <= b);
      overflow = top((first ^ result) & (b ^ result));
      adjust = Number(((first ^ b ^ result) >> 4n) & 1n);
      break;
    }
    case KIND.SUB:
    case KIND.SBB:
      result = truncate(a - b - carryIn);
      carry = Number(carryIn === 0n ? a < b : a <= b);
      overflow = top((a ^ b) & (a ^ result));
      adjust = Number(((a ^ b ^ result) >> 4n) & 1n);
      break;
    case KIND.INC:
      carry = Number(b);
      overflow = Number(result === 1n << BigInt(size - 1));
      adjust = Number((result & 15n) === 0n);
      break;
    case KIND.DEC:
      carry = Number(b);
      overflow = Number(result === (1n << BigInt(size - 1)) - 1n);
      adjust = Number((result & 15n) === 15n);
      break;
    case KIND.SHL:
      carry = top(b);
      overflow = carry ^ top(result);
      break;
    case KIND.SHR:
      carry = Number(b & 1n);
      overflow = top(result ^ truncate(result << 1n));
      break;
    case KIND.SAR:
      carry = Number(b & 1n);
      break;
    case KIND.MUL:
      carry = Number(b !== 0n);
      overflow = carry;
      break;
  }
  return (
    (carry ? FLAG.CF : 0) |
    PARITY[Number(result & 0xffn)]! |
    (adjust ? FLAG.AF : 0) |
    (result === 0n ? FLAG.ZF : 0) |
    (top(result) ? FLAG.SF : 0) |
    (overflow ? FLAG.OF : 0)
  );
}

/** Condition codes as encoded in Jcc, SETcc and CMOVcc. @returns whether condition `code` (0 to 15) holds */
export function conditionHolds(code: number, flags: number): boolean {
  const test = (): boolean => {
    const signDiffers = ((flags & FLAG.SF) !== 0) !== ((flags & FLAG.OF) !== 0);
    switch (code >> 1) {
      case 0:
        return (flags & FLAG.OF) !== 0;
      case 1:
        return (flags & FLAG.CF) !== 0;
      case 2:
        return (flags & FLAG.ZF) !== 0;
      case 3:
        return (flags & (FLAG.CF | FLAG.ZF)) !== 0;
      case 4:
        return (flags & FLAG.SF) !== 0;
      case 5:
        return (flags & FLAG.PF) !== 0;
      case 6:
        return signDiffers;
      default:
        return signDiffers || (flags & FLAG.ZF) !== 0;
    }
  };
  return test() !== ((code & 1) === 1);
}
