import type { OpcodeRow } from './forms.ts';

export const X87_ROWS: readonly OpcodeRow[] = [];
