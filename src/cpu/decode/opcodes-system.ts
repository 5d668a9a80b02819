import type { OpcodeRow } from './forms.ts';

export const SYSTEM_ROWS: readonly OpcodeRow[] = [];
