import { GENERAL_REGISTERS } from '../cpu/decode/format.ts';
import { FLAG } from '../cpu/flags.ts';
import type { CpuState } from '../cpu/state.ts';
import { hexadecimal } from './value-printer.ts';

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const;
const CONTROL = ['cr0', 'cr2', 'cr3', 'cr4', 'efer'] as const;
const XMM = Array.from({ length: 16 }, (_, index) => `xmm${index}`);

/** Every register name that `readRegister` knows, in the order in which a debugger lists them. */
export const REGISTER_NAMES: readonly string[] = [
  ...GENERAL_REGISTERS,
  'rip',
  'rflags',
  ...SEGMENTS,
  'fs.base',
  'gs.base',
  'kernel_gs.base',
  ...CONTROL,
  'mxcsr',
  ...XMM,
];

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** The value of a register by name, zero-extended; undefined for a name that is none. XMM registers have 128 bits. */
export function readRegister(state: CpuState, name: string): bigint | undefined {
  const general = GENERAL_REGISTERS.indexOf(name);
  if (general >= 0) return state.gpr(general);
  const segment = (SEGMENTS as readonly string[]).indexOf(name);
  if (segment >= 0) return BigInt(state.segments[segment]!.selector);
  const xmm = XMM.indexOf(name);
  if (xmm >= 0) return littleEndian(state.xmm(xmm));
  switch (name) {
    case 'rip':
      return state.rip;
    case 'rflags':
      return BigInt(state.rflags);
    case 'mxcsr':
      return BigInt(state.get('mxcsr'));
    case 'fs.base':
      return state.segments[SEGMENTS.indexOf('fs')]!.base;
    case 'gs.base':
      return state.segments[SEGMENTS.indexOf('gs')]!.base;
    case 'kernel_gs.base':
      return state.get64('kernelGsBase');
    default:
      return CONTROL.includes(name as (typeof CONTROL)[number])
        ? state.get64(name as (typeof CONTROL)[number])
        : undefined;
  }
}

const FLAG_NAMES = ['CF', 'PF', 'AF', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF', 'NT', 'RF', 'AC', 'ID'] as const;

/** The names of the flags that are set, as `IF ZF PF`, with IOPL where it is not 0. */
export function flagNames(rflags: number): string {
  const set = FLAG_NAMES.filter((name) => rflags & FLAG[name]);
  const privilege = (rflags & FLAG.IOPL) >> 12;
  return [...set, ...(privilege ? [`IOPL=${privilege}`] : [])].join(' ');
}

/** A register's value as text: hexadecimal, flags by name. */
export function formatRegister(name: string, value: bigint): string {
  if (name === 'rflags') return `${hexadecimal(value)} [${flagNames(Number(value))}]`;
  return hexadecimal(value, name.startsWith('xmm') ? 32 : 0);
}

/** The values of all registers but RIP at one moment. */
export type RegisterSnapshot = ReadonlyMap<string, bigint>;

export function snapshotRegisters(state: CpuState): RegisterSnapshot {
  const names = REGISTER_NAMES.filter((name) => name !== 'rip');
  return new Map(names.map((name) => [name, readRegister(state, name) ?? 0n]));
}

/** The registers whose values differ, with their new values. */
export function changedRegisters(before: RegisterSnapshot, after: RegisterSnapshot): [name: string, value: bigint][] {
  return [...after].filter(([name, value]) => before.get(name) !== value);
}
