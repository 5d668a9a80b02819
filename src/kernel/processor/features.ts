/** Turns on what CPUID offers: no-execute, write protection, FXSAVE, and the guards between kernel and user memory. */
import { cpu, u64 } from '#dialect';
import { guardUserMemory } from '../memory/user-copy.ts';
import { Efer, Msr } from './msr.ts';

/** CR0 and CR4 bits (SDM vol. 3A 2.5). */
const Cr0 = {
  MONITOR_COPROCESSOR: 1n << 1n,
  EMULATION: 1n << 2n,
  NUMERIC_ERROR: 1n << 5n,
  WRITE_PROTECT: 1n << 16n,
} as const;
const Cr4 = {
  GLOBAL_PAGES: 1n << 7n,
  FXSAVE: 1n << 9n,
  SIMD_EXCEPTIONS: 1n << 10n,
  SMEP: 1n << 20n,
  SMAP: 1n << 21n,
} as const;

/** CPUID leaf 7, EBX. */
const SMEP = 1 << 7;
const SMAP = 1 << 20;
const STRUCTURED_FEATURES = 7;

export function initializeFeatures(): void {
  cpu.wrmsr(Msr.EFER, u64(cpu.rdmsr(Msr.EFER) | Efer.NXE | Efer.SCE));
  cpu.writeCr0(u64((cpu.readCr0() & ~Cr0.EMULATION) | Cr0.MONITOR_COPROCESSOR | Cr0.NUMERIC_ERROR | Cr0.WRITE_PROTECT));
  cpu.writeCr4(u64(cpu.readCr4() | Cr4.GLOBAL_PAGES | Cr4.FXSAVE | Cr4.SIMD_EXCEPTIONS));
  cpu.fninit();
  if (cpu.cpuidEax(0, 0) < STRUCTURED_FEATURES) return;
  const offered = cpu.cpuidEbx(STRUCTURED_FEATURES, 0);
  if ((offered & SMEP) !== 0) cpu.writeCr4(u64(cpu.readCr4() | Cr4.SMEP));
  if ((offered & SMAP) === 0) return;
  cpu.writeCr4(u64(cpu.readCr4() | Cr4.SMAP));
  cpu.clac();
  guardUserMemory();
}

/** CPUID leaf 1, EDX: what AT_HWCAP tells programs. */
export function hardwareCapabilities(): u64 {
  return u64(cpu.cpuidEdx(1, 0));
}
