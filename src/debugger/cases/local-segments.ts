import { CaseMemory } from './case.ts';

/** A segment of the LDT of cases. */
export interface LocalSegment {
  readonly selector: number;
  readonly base: number;
  /** In bytes, or in pages when the granularity flag says so. */
  readonly limit: number;
  /** P, DPL, S and type of the descriptor. */
  readonly access: number;
  /** G, D/B, L, AVL of the descriptor. */
  readonly flags: number;
}

const Access = {
  READ_ONLY: 0xf1,
  WRITABLE: 0xf3,
  DOWN_READ_ONLY: 0xf5,
  DOWN: 0xf7,
  EXECUTE_ONLY: 0xf9,
  CODE: 0xfb,
} as const;
const [BIG, PAGES] = [4, 8];
const { CODE, DATA } = CaseMemory;

const segments: readonly (readonly [base: number, limit: number, access: number, flags: number])[] = [
  [DATA, 0x3fff, Access.WRITABLE, BIG],
  [DATA, 0x4fff, Access.READ_ONLY, BIG],
  [DATA, 0x1fff, Access.DOWN, BIG],
  [DATA, 0x1fff, Access.DOWN, 0],
  [DATA, 0x0fff, Access.DOWN_READ_ONLY, BIG],
  [DATA, 0x2fff, Access.CODE, BIG],
  [DATA, 0x3fff, Access.WRITABLE, 0],
  [DATA, 2, Access.WRITABLE, BIG | PAGES],
  [0, 0xf_ffff, Access.EXECUTE_ONLY, BIG | PAGES],
  [0, 0x1_0000, Access.CODE, BIG | PAGES],
  [CODE, 0x828, Access.CODE, BIG],
  [CODE, 0xfff, Access.CODE, 0],
];

/** Segments that cases in compatibility mode may load, as tests/oracle/native-oracle.c has them too. Entry 0 of the LDT is empty. */
export const LOCAL_SEGMENTS: readonly LocalSegment[] = segments.map(([base, limit, access, flags], index) => ({
  selector: ((index + 1) << 3) | 7,
  base,
  limit,
  access,
  flags,
}));

/** The descriptor as it stands in the table. */
export function localDescriptor({ base, limit, access, flags }: LocalSegment): bigint {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high = ((base >>> 16) & 0xff) | (access << 8) | (limit & 0xf_0000) | (flags << 20) | (base & 0xff00_0000);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}
