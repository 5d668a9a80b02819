import { Descriptor, SystemType } from '../../cpu/system/descriptors.ts';
import type { WalkLevel } from '../../cpu/system/page-walk.ts';
import { hexadecimal, unsignedLittleEndian } from '../value-printer.ts';
import type { Session } from './session.ts';

const SYSTEM_NAMES = new Map(
  Object.entries(SystemType).map(([name, type]) => [type as number, name.toLowerCase().replaceAll('_', ' ')]),
);

function describeDescriptor(descriptor: Descriptor): string {
  const common = `dpl ${descriptor.dpl}${descriptor.present ? '' : ', not present'}`;
  if (descriptor.isSystem) return `${SYSTEM_NAMES.get(descriptor.type) ?? `system type ${descriptor.type}`}, ${common}`;
  if (descriptor.isCode) {
    const width = descriptor.isLong ? '64-bit' : descriptor.isBig ? '32-bit' : '16-bit';
    return `${width} code${descriptor.isConforming ? ', conforming' : ''}, ${common}`;
  }
  return `data${descriptor.isWritable ? ', writable' : ''}, ${common}`;
}

/** The global descriptor table, a line a descriptor; null descriptors after the first are left out. */
export function globalDescriptorTable(session: Session): string[] {
  const { state } = session.target;
  const base = state.get64('gdtrBase');
  const limit = state.get('gdtrLimit') & 0xffff;
  const lines = [`GDT at ${hexadecimal(base)}, limit ${hexadecimal(BigInt(limit))}`];
  for (let selector = 0; selector + 7 <= limit; selector += 8) {
    const raw = session.readPointer(BigInt.asUintN(64, base + BigInt(selector)));
    if (raw === undefined) return [...lines, '  (not mapped)'];
    const descriptor = new Descriptor(Number(raw & 0xffff_ffffn), Number(raw >> 32n));
    if (raw === 0n) continue;
    const isWide = descriptor.isSystem && descriptor.type !== 0;
    const high = isWide ? (session.readPointer(BigInt.asUintN(64, base + BigInt(selector + 8))) ?? 0n) : 0n;
    const segmentBase = ((high & 0xffff_ffffn) << 32n) | BigInt(descriptor.base);
    const place = `base ${hexadecimal(segmentBase)} limit ${hexadecimal(BigInt(descriptor.limit))}`;
    lines.push(`  ${hexadecimal(BigInt(selector), 4)}  ${place}  ${describeDescriptor(descriptor)}`);
    if (isWide) selector += 8;
  }
  return lines;
}

/** The interrupt descriptor table of long mode, a line a present gate, with the handler's symbol. */
export function interruptDescriptorTable(session: Session): string[] {
  const { state } = session.target;
  const base = state.get64('idtrBase');
  const limit = state.get('idtrLimit') & 0xffff;
  const lines = [`IDT at ${hexadecimal(base)}, limit ${hexadecimal(BigInt(limit))}`];
  for (let vector = 0; vector < 256 && vector * 16 + 15 <= limit; vector++) {
    const bytes = session.target.readMemory(BigInt.asUintN(64, base + BigInt(vector * 16)), 16);
    if (bytes === undefined) return [...lines, '  (not mapped)'];
    const low = unsignedLittleEndian(bytes);
    const descriptor = new Descriptor(Number(low & 0xffff_ffffn), Number(low >> 32n));
    if (!descriptor.present) continue;
    const offset = (low & 0xffffn) | ((low >> 32n) & 0xffff_0000n) | (unsignedLittleEndian(bytes.subarray(8)) << 32n);
    const selector = (low >> 16n) & 0xffffn;
    const stack = Number((low >> 32n) & 7n);
    const handler = `${hexadecimal(selector, 4)}:${session.describe(BigInt.asUintN(64, offset))}`;
    lines.push(
      `  ${vector.toString().padStart(3)}  ${handler}  ${describeDescriptor(descriptor)}${stack ? `, IST ${stack}` : ''}`,
    );
  }
  return lines;
}

/** Bits of a page-table entry (SDM vol. 3A, tables 4-15 to 4-20). */
const ENTRY_BITS: readonly (readonly [bit: bigint, name: string])[] = [
  [0n, 'present'],
  [1n, 'writable'],
  [2n, 'user'],
  [3n, 'write-through'],
  [4n, 'cache-disabled'],
  [5n, 'accessed'],
  [6n, 'dirty'],
  [63n, 'no-execute'],
];

function entryBits({ entry, structure }: WalkLevel): string {
  const names = ENTRY_BITS.filter(([bit]) => (entry >> bit) & 1n).map(([, name]) => name);
  const large = (entry >> 7n) & 1n && (structure === 'PD' || structure === 'PDPT');
  if (large) names.push('large');
  if ((entry >> 8n) & 1n && (large || structure === 'PT')) names.push('global');
  return names.join(', ') || 'not present';
}

/** The page walk of an address, a line a level. */
export function pageWalk(address: bigint, levels: readonly WalkLevel[], physical: number | undefined): string[] {
  const lines = levels.map((level) => {
    const where = hexadecimal(BigInt(level.entryAddress), 10);
    return `  ${level.structure.padEnd(4)} [${level.index.toString().padStart(3)}] at ${where}: ${hexadecimal(level.entry, 16)}  ${entryBits(level)}`;
  });
  const result = physical === undefined ? 'not mapped' : `physical ${hexadecimal(BigInt(physical))}`;
  return [`linear ${hexadecimal(address, 16)}`, ...lines, `  ${result}`];
}
