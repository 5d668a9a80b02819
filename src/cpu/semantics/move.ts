/** Data transfer (SDM vol. 1, 7.3.1). */
import { i64, RAX, RBX, type Semantics, select, signExtend, truncate } from './context.ts';
import type { I64 } from './nodes.ts';

const move: Semantics = (c) => c.write(0, c.read(1));

const moveZeroExtended: Semantics = (c) => c.write(0, c.read(1));

const moveSignExtended: Semantics = (c) => c.write(0, c.result(signExtend(c.read(1), c.width(1))));

const loadAddress: Semantics = (c) => c.write(0, c.result(c.operandOffset()));

/** The source is read, and may fault, whether or not the condition holds; a 32-bit destination loses its upper half either way. */
const moveIf: Semantics = (c) => {
  const source = c.read(1);
  c.write(0, select(source, c.read(0), c.condition()));
};

/** With memory always locked; the register operand is written after the store cannot fault any more. */
const exchange: Semantics = (c) => {
  const a = c.readForWrite(0);
  const b = c.read(1);
  c.write(0, b);
  c.write(1, a);
};

function reverseBytes(value: I64, bits: number): I64 {
  const swap = (v: I64, mask: bigint, shift: number): I64 => {
    const low = i64.const(mask);
    const by = i64.const(shift);
    return i64.or(i64.shl(i64.and(v, low), by), i64.and(i64.shr_u(v, by), low));
  };
  const pairs = swap(value, 0x00ff00ff00ff00ffn, 8);
  if (bits === 16) return pairs;
  const words = swap(pairs, 0x0000ffff0000ffffn, 16);
  return bits === 32 ? words : i64.rotl(words, i64.const(32));
}

/** BSWAP of a 16-bit register is undefined; processors clear it. */
const byteSwap: Semantics = (c) => {
  const value = c.read(0);
  c.write(0, c.size === 16 ? i64.const(0) : c.result(reverseBytes(value, c.size)));
};

const moveByteSwapped: Semantics = (c) => c.write(0, c.result(reverseBytes(c.read(1), c.size)));

/** AL from the table at rBX. */
const translateByte: Semantics = (c) => {
  const bits = c.variant.addressSize;
  const offset = truncate(i64.add(c.readRegister(RBX, bits), c.readRegister(RAX, 8)), bits);
  c.writeRegister(RAX, 8, c.load(c.linear(offset, 8), 8, 'operand'));
};

export const MOVE: Record<string, Semantics> = {
  MOV: move,
  MOVZX: moveZeroExtended,
  MOVSX: moveSignExtended,
  MOVSXD: moveSignExtended,
  MOVNTI: move,
  LEA: loadAddress,
  CMOVcc: moveIf,
  XCHG: exchange,
  BSWAP: byteSwap,
  MOVBE: moveByteSwapped,
  XLAT: translateByte,
  NOP: () => {},
  PAUSE: () => {},
};
