import type { OpcodeRow } from './forms.ts';

export const SSE_ROWS: readonly OpcodeRow[] = [];
