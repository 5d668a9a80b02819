/** Which instructions need the XMM registers, and whether the system lets them (SDM vol. 3A 2.5, 13.1.1). */

import { GuestException } from '../bus.ts';
import type { Form } from '../decode/forms.ts';
import type { CpuState } from '../state.ts';
import { Cr0, Cr4 } from './control-bits.ts';
import { undefinedOpcode } from './faults.ts';
import { Vector } from './vectors.ts';

/** Belong to SSE or SSE2 but touch no XMM register: CR0.EM, CR0.TS and CR4.OSFXSR do not matter. */
const EXEMPT: ReadonlySet<string> = new Set(['LFENCE', 'MFENCE', 'SFENCE', 'CLFLUSH', 'MOVNTI', 'PAUSE']);

export function usesVectors(form: Form): boolean {
  const { feature, mnemonic, operands } = form;
  if (feature === 'mmx') return operands.some(({ method }) => 'VWU'.includes(method));
  const vector = feature === 'sse' || feature === 'sse2' || feature === 'sse3';
  return vector && !EXEMPT.has(mnemonic) && !mnemonic.startsWith('PREFETCH');
}

/** @throws GuestException #UD when CR0.EM is set or CR4.OSFXSR clear, else #NM when CR0.TS is set */
export function requireVectors(state: CpuState): void {
  const cr0 = state.get('cr0');
  if ((cr0 & Cr0.EM) !== 0 || (state.get('cr4') & Cr4.OSFXSR) === 0) throw undefinedOpcode();
  if ((cr0 & Cr0.TS) !== 0) throw new GuestException(Vector.DEVICE_NOT_AVAILABLE);
}
