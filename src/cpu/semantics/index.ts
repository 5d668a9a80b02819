import type { Form } from '../decode/forms.ts';
import { ARITHMETIC } from './arithmetic.ts';
import { ATOMIC } from './atomic.ts';
import { BIT } from './bit.ts';
import type { Semantics } from './context.ts';
import { CONTROL } from './control.ts';
import { DECIMAL } from './decimal.ts';
import { LOGIC } from './logic.ts';
import { EMMS, onMmxRegisters } from './mmx.ts';
import { MOVE } from './move.ts';
import { PRIVILEGE } from './privilege.ts';
import { SHIFT } from './shift.ts';
import { SSE_SEMANTICS } from './sse.ts';
import { STACK } from './stack.ts';
import { STRING } from './string.ts';
import { CONTROL_READ, readControlRegister, SYSTEM } from './system.ts';

const BY_MNEMONIC: Readonly<Record<string, Semantics>> = {
  ...ARITHMETIC,
  ...ATOMIC,
  ...BIT,
  ...CONTROL,
  ...DECIMAL,
  ...LOGIC,
  ...MOVE,
  ...PRIVILEGE,
  ...SHIFT,
  ...SSE_SEMANTICS,
  ...STACK,
  ...STRING,
  ...SYSTEM,
};

/** Segment, control and debug registers. */
const SYSTEM_OPERAND = /^(Sw|[CD]n|ES|CS|SS|DS|FS|GS)$/;

/**
 * @returns the meaning of a form, or undefined when it is a TypeScript function: one that moves a system register is, whatever the
 * mnemonic; only reading a control register and pushing a segment register are not
 */
export function semanticsOf(form: Form): Semantics | undefined {
  if (form.name === CONTROL_READ) return readControlRegister;
  if (form.mnemonic !== 'PUSH' && form.operands.some(({ text }) => SYSTEM_OPERAND.test(text))) return undefined;
  if (form.mnemonic === 'EMMS') return EMMS;
  const meaning = BY_MNEMONIC[form.mnemonic];
  return form.feature === 'mmx' && meaning ? onMmxRegisters(meaning) : meaning;
}
