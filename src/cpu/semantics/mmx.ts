/**
 * What instructions on MMX registers do around their meaning, which they share with those on XMM registers: they are x87
 * instructions as far as access and pending exceptions go, and leave the x87 stack full with its top at R0 (SDM vol. 3A chapter 12).
 */
import { Cr0 } from '../system/control-bits.ts';
import { Vector } from '../system/vectors.ts';
import { Status } from '../x87/unit.ts';
import { type Context, i32, type Semantics } from './context.ts';

/** Raises what MMX instructions raise before they look at their operands. */
function requireMmx(c: Context): void {
  const cr0 = c.field('cr0');
  const isSet = (bit: number) => i32.and(cr0, i32.const(bit));
  c.raiseIf(isSet(Cr0.EM), Vector.INVALID_OPCODE);
  c.raiseIf(isSet(Cr0.TS), Vector.DEVICE_NOT_AVAILABLE);
  c.if(i32.and(c.field('x87Status'), i32.const(Status.ERROR_SUMMARY)), () =>
    c.raiseIf(isSet(Cr0.NE), Vector.X87_FLOATING_POINT),
  );
}

/** @param tags bits of the registers that are not empty afterwards */
function leaveStack(c: Context, tags: number): void {
  c.setField('x87Status', i32.and(c.field('x87Status'), i32.const(~Status.TOP)));
  c.setField('x87Tag', i32.const(tags));
}

/** CVTPI2PD from memory touches no MMX register and does not count as an MMX instruction (SDM vol. 2A, CVTPI2PD). */
const isOutside = (c: Context): boolean => c.variant.form.mnemonic === 'CVTPI2PD' && c.variant.memory;

/** @param meaning the instruction's own part */
export const onMmxRegisters =
  (meaning: Semantics): Semantics =>
  (c) => {
    if (isOutside(c)) {
      meaning(c);
      return;
    }
    requireMmx(c);
    meaning(c);
    leaveStack(c, 0xff);
  };

export const EMMS: Semantics = (c) => {
  requireMmx(c);
  leaveStack(c, 0);
};
