import { codeSizeOf, disassemble } from './disassembly.ts';
import type { SourcePosition } from './dwarf/line-table.ts';
import type { ImageSet } from './image-set.ts';
import { changedRegisters, formatRegister, snapshotRegisters } from './registers.ts';
import type { DebugTarget, Delivery, StepResult } from './target.ts';
import { hexadecimal } from './value-printer.ts';

export interface MemoryChange {
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

/** One executed instruction, or the delivery of an event before it. */
export interface TraceEntry {
  /** Instructions retired before this one. */
  readonly count: number;
  readonly ring: number;
  readonly rip: bigint;
  readonly symbol: string | undefined;
  readonly position: SourcePosition | undefined;
  readonly text: string;
  readonly registers: readonly (readonly [name: string, value: bigint])[];
  readonly memory: readonly MemoryChange[];
  readonly deliveries: readonly Delivery[];
  readonly ended: string | undefined;
}

/** SDM vol. 3A, table 6-1. */
const EXCEPTION_NAMES: Readonly<Record<number, string>> = {
  0: '#DE',
  1: '#DB',
  2: 'NMI',
  3: '#BP',
  4: '#OF',
  5: '#BR',
  6: '#UD',
  7: '#NM',
  8: '#DF',
  10: '#TS',
  11: '#NP',
  12: '#SS',
  13: '#GP',
  14: '#PF',
  16: '#MF',
  17: '#AC',
  18: '#MC',
  19: '#XM',
};

/** Executes one instruction and tells what it was and what it changed. */
export function traceStep(target: DebugTarget, images: ImageSet): TraceEntry {
  const { state } = target;
  const rip = state.rip;
  const ring = state.cpl;
  const count = target.instructionCount;
  const image = images.at(state, rip);
  const symbolOf = (address: bigint) => image?.symbols.describe(address);
  const read = (address: bigint, length: number) => target.readMemory(address, length);
  const instruction = disassemble(read, rip, codeSizeOf(state), symbolOf);
  const before = snapshotRegisters(state);
  const result = target.step();
  return {
    count,
    ring,
    rip,
    symbol: symbolOf(rip),
    position: image?.positionAt(rip),
    text: instruction?.text ?? '(not mapped)',
    registers: changedRegisters(before, snapshotRegisters(state)),
    memory: storedBytes(target, result),
    deliveries: result.deliveries,
    ended: result.ended,
  };
}

function storedBytes(target: DebugTarget, { stores }: StepResult): MemoryChange[] {
  return stores.flatMap(({ address, size }) => {
    const bytes = target.readMemory(address, size);
    return bytes === undefined ? [] : [{ address, bytes: bytes.slice() }];
  });
}

/** A vector by the manual's name where it has one: `#PF`, `interrupt 0x20`. */
export function vectorName(vector: number): string {
  return EXCEPTION_NAMES[vector] ?? `vector ${hexadecimal(BigInt(vector))}`;
}

export function formatDelivery(delivery: Delivery): string {
  const error = delivery.errorCode === undefined ? '' : ` error ${hexadecimal(BigInt(delivery.errorCode))}`;
  const address = delivery.address === undefined ? '' : ` address ${hexadecimal(delivery.address)}`;
  return `${delivery.kind} ${vectorName(delivery.vector)}${error}${address} from ${hexadecimal(delivery.rip)}`;
}

function formatMemory({ address, bytes }: MemoryChange): string {
  const digits = [...bytes].reverse().map((byte) => byte.toString(16).padStart(2, '0'));
  return `[${hexadecimal(address)}]=0x${digits.join('')}`;
}

/** `file:line` with the file shortened to its path below the repository's src. */
export function formatPosition({ file, line }: SourcePosition): string {
  const start = file.lastIndexOf('/src/');
  return `${start < 0 ? file : file.slice(start + 1)}:${line}`;
}

/** One line: count, ring, rip, symbol, source, disassembly, then what changed; events follow on lines of their own. */
export function formatTraceEntry(entry: TraceEntry): string {
  const place = entry.symbol ?? '?';
  const source = entry.position === undefined ? '' : formatPosition(entry.position);
  const changes = [
    ...entry.registers.map(([name, value]) => `${name}=${formatRegister(name, value)}`),
    ...entry.memory.map(formatMemory),
  ];
  const columns = [
    String(entry.count).padStart(9),
    `r${entry.ring}`,
    entry.rip.toString(16).padStart(16, '0'),
    place.padEnd(28),
    source.padEnd(36),
    entry.text.padEnd(40),
    changes.join(' '),
  ];
  const lines = [
    columns.join(' ').trimEnd(),
    ...entry.deliveries.map((each) => `          ** ${formatDelivery(each)}`),
  ];
  if (entry.ended !== undefined) lines.push(`          ** ${entry.ended}`);
  return lines.join('\n');
}

/** The entry as a JSON value: addresses and registers as hexadecimal strings. */
export function traceEntryToJson(entry: TraceEntry): object {
  return {
    count: entry.count,
    ring: entry.ring,
    rip: hexadecimal(entry.rip),
    symbol: entry.symbol ?? null,
    file: entry.position?.file ?? null,
    line: entry.position?.line ?? null,
    instruction: entry.text,
    registers: Object.fromEntries(entry.registers.map(([name, value]) => [name, hexadecimal(value)])),
    memory: entry.memory.map(({ address, bytes }) => ({ address: hexadecimal(address), bytes: [...bytes] })),
    events: entry.deliveries.map((each) => ({
      kind: each.kind,
      vector: each.vector,
      errorCode: each.errorCode ?? null,
      address: each.address === undefined ? null : hexadecimal(each.address),
    })),
  };
}
