import type { Address, VirtAddr } from './addresses.ts';
import {
  type i64,
  i64 as toI64,
  u16 as toU16,
  u32 as toU32,
  u64 as toU64,
  type u16,
  type u32,
  type u64,
} from './integers.ts';
import { plugged, unconnected } from './socket.ts';

function execute(name: string, ...operands: (number | bigint)[]): number | bigint {
  return plugged().privileged?.(name, operands) ?? unconnected(`cpu.${name}`);
}

const act = (name: string) => (): void => {
  execute(name);
};
const read = (name: string) => (): u64 => toU64(execute(name));
const write =
  (name: string) =>
  (value: u64): void => {
    execute(name, value);
  };
const at =
  (name: string) =>
  (address: Address): void => {
    execute(name, address);
  };

/** Privileged and special instructions, one each. In Node a test's fake processor answers. */
export const cpu = {
  cli: act('cli'),
  sti: act('sti'),
  hlt: act('hlt'),
  /** STI; HLT: no interrupt can come between the two (SDM vol. 2, STI). */
  stiHlt: act('stiHlt'),
  int3: act('int3'),
  ud2: (): never => {
    execute('ud2');
    return unconnected('cpu.ud2');
  },
  swapgs: act('swapgs'),
  stac: act('stac'),
  clac: act('clac'),
  wbinvd: act('wbinvd'),
  fninit: act('fninit'),
  /** Operand: the address of the 10-byte pseudo-descriptor. */
  lgdt: at('lgdt'),
  lidt: at('lidt'),
  ltr: (selector: u16): void => {
    execute('ltr', selector);
  },
  lldt: (selector: u16): void => {
    execute('lldt', selector);
  },
  invlpg: at('invlpg'),
  fxsave: at('fxsave'),
  fxrstor: at('fxrstor'),
  ldmxcsr: (value: u32): void => {
    execute('ldmxcsr', value);
  },
  stmxcsr: (): u32 => toU32(execute('stmxcsr')),
  rdmsr: (register: u32): u64 => toU64(execute('rdmsr', register)),
  wrmsr: (register: u32, value: u64): void => {
    execute('wrmsr', register, value);
  },
  rdtsc: read('rdtsc'),
  /** CPUID, one result register a call. */
  cpuidEax: (leaf: u32, subleaf: u32): u32 => toU32(execute('cpuidEax', leaf, subleaf)),
  cpuidEbx: (leaf: u32, subleaf: u32): u32 => toU32(execute('cpuidEbx', leaf, subleaf)),
  cpuidEcx: (leaf: u32, subleaf: u32): u32 => toU32(execute('cpuidEcx', leaf, subleaf)),
  cpuidEdx: (leaf: u32, subleaf: u32): u32 => toU32(execute('cpuidEdx', leaf, subleaf)),
  readCr0: read('readCr0'),
  readCr2: read('readCr2'),
  readCr3: read('readCr3'),
  readCr4: read('readCr4'),
  readCr8: read('readCr8'),
  writeCr0: write('writeCr0'),
  writeCr3: write('writeCr3'),
  writeCr4: write('writeCr4'),
  writeCr8: write('writeCr8'),
  readFsBase: read('readFsBase'),
  readGsBase: read('readGsBase'),
  writeFsBase: write('writeFsBase'),
  writeGsBase: write('writeGsBase'),
  readFlags: read('readFlags'),
  writeFlags: write('writeFlags'),
  readCs: (): u16 => toU16(execute('readCs')),
  /** The stack pointer where the call stands. */
  stackPointer: (): VirtAddr => toU64(execute('stackPointer')) as VirtAddr,
} as const;

/** Linux x86-64 system call: number in RAX, arguments in RDI RSI RDX R10 R8 R9; RCX and R11 are lost. User programs only. */
export function syscall(number: u64, a0?: u64, a1?: u64, a2?: u64, a3?: u64, a4?: u64, a5?: u64): i64 {
  const operands = [a0 ?? 0n, a1 ?? 0n, a2 ?? 0n, a3 ?? 0n, a4 ?? 0n, a5 ?? 0n];
  return toI64(plugged().systemCall?.(number, operands) ?? unconnected('syscall'));
}
