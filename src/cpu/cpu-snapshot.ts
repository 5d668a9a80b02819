import { FIELDS, type FieldName, MTRRS, PDPTES, X87_REGISTERS } from './layout.ts';
import type { CpuState } from './state.ts';
import { MTRR_COUNT } from './system/model-specific-registers.ts';

/** Fields that an engine uses between instructions or derives from others: no part of the architectural state. */
const ENGINE_FIELDS: readonly FieldName[] = [
  'flagsKind',
  'systemFlags',
  'flagsA',
  'flagsB',
  'mode',
  'tlbRead',
  'tlbWrite',
  'fetchContext',
  'userFetchContext',
  'supervisorFetchContext',
  'interruptPending',
  'eventFlags',
  'resumeTicks',
  'faultVector',
  'faultErrorCode',
  'faultHasErrorCode',
  'faultAddress',
  'exitReason',
  'exitRecord',
  'leaveCost',
  'deviceAccess',
  'calledTicks',
  'calledRecord',
  'attention',
  'overrun',
  'covered',
  'devicePage',
  'transfer',
  'ramAddress',
  'stringLimit',
  'walkTable',
  'walkReserved',
  'walkSupervisorWrite',
  'walkGlobal',
  'memoryBytes',
  'watchedPages',
  'spansUsed',
  'deliversFaults',
  'faultTicks',
];

const ARCHITECTURAL_FIELDS = (Object.keys(FIELDS) as FieldName[]).filter((name) => !ENGINE_FIELDS.includes(name));

export interface SegmentSnapshot {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  readonly attributes: number;
}

/** Everything the processor remembers at an instruction boundary, the same whichever engine got there. */
export interface CpuSnapshot {
  readonly instructionCount: number;
  readonly rflags: number;
  readonly gpr: readonly bigint[];
  readonly xmm: readonly bigint[];
  /** ES CS SS DS FS GS LDTR TR. */
  readonly segments: readonly SegmentSnapshot[];
  /** Control, debug and model-specific registers, and the state of event delivery, by the names of layout.ts. */
  readonly fields: Readonly<Record<string, bigint>>;
  /** R0 to R7 in 16-byte slots, as two words each. */
  readonly x87: readonly bigint[];
  readonly pdptes: readonly bigint[];
  readonly mtrrs: readonly bigint[];
}

/** Addresses and lengths, in 64-bit words, of the register files that are plain words. */
const WORD_FILES = {
  x87: [X87_REGISTERS, 16],
  pdptes: [PDPTES, 4],
  mtrrs: [MTRRS, MTRR_COUNT],
} as const;

/** @param instructionCount instructions retired so far */
export function captureCpu(state: CpuState, instructionCount: number): CpuSnapshot {
  const words = ([address, length]: readonly [number, number]) => [
    ...state.u64.subarray(address >> 3, (address >> 3) + length),
  ];
  return {
    instructionCount,
    rflags: state.rflags,
    gpr: Array.from({ length: 16 }, (_, index) => state.gpr(index)),
    xmm: Array.from({ length: 16 }, (_, index) => toBigInt(state.xmm(index))),
    segments: state.segments.map(({ selector, base, limit, attributes }) => ({ selector, base, limit, attributes })),
    fields: Object.fromEntries(ARCHITECTURAL_FIELDS.map((name) => [name, readField(state, name)])),
    x87: words(WORD_FILES.x87),
    pdptes: words(WORD_FILES.pdptes),
    mtrrs: words(WORD_FILES.mtrrs),
  };
}

/** Writes a snapshot back. The caller recomputes what is derived and drops what is cached. */
export function restoreCpu(state: CpuState, snapshot: CpuSnapshot): void {
  for (const name of ARCHITECTURAL_FIELDS) writeField(state, name, snapshot.fields[name] ?? 0n);
  for (const [index, value] of snapshot.gpr.entries()) state.setGpr(index, value);
  for (const [index, value] of snapshot.xmm.entries()) {
    for (let byte = 0; byte < 16; byte++) state.xmm(index)[byte] = Number((value >> BigInt(8 * byte)) & 0xffn);
  }
  for (const [index, segment] of snapshot.segments.entries()) Object.assign(state.segments[index]!, segment);
  for (const name of Object.keys(WORD_FILES) as (keyof typeof WORD_FILES)[]) {
    state.u64.set(snapshot[name], WORD_FILES[name][0] >> 3);
  }
  state.rflags = snapshot.rflags;
}

function readField(state: CpuState, name: FieldName): bigint {
  return FIELDS[name].width === 8 ? state.get64(name) : BigInt(state.get(name) >>> 0);
}

function writeField(state: CpuState, name: FieldName, value: bigint): void {
  if (FIELDS[name].width === 8) state.set64(name, value);
  else state.set(name, Number(BigInt.asIntN(32, value)));
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
