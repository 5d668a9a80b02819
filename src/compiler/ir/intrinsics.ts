import type { Type } from './module.ts';

export interface Intrinsic {
  readonly arguments: readonly Type[];
  readonly results: readonly Type[];
}

const none: readonly Type[] = [];
const word: readonly Type[] = ['i64'];

/** Every `intrinsic` instruction's name with its argument and result types. Addresses are i64. */
export const intrinsics: Readonly<Record<string, Intrinsic>> = {
  cli: { arguments: none, results: none },
  sti: { arguments: none, results: none },
  hlt: { arguments: none, results: none },
  /** sti; hlt with no interrupt in between */
  stiHlt: { arguments: none, results: none },
  pause: { arguments: none, results: none },
  /** mfence */
  fence: { arguments: none, results: none },
  int3: { arguments: none, results: none },
  ud2: { arguments: none, results: none },
  swapgs: { arguments: none, results: none },
  stac: { arguments: none, results: none },
  clac: { arguments: none, results: none },
  wbinvd: { arguments: none, results: none },
  fninit: { arguments: none, results: none },
  /** address of the 10-byte pseudo-descriptor */
  lgdt: { arguments: word, results: none },
  lidt: { arguments: word, results: none },
  sgdt: { arguments: word, results: none },
  sidt: { arguments: word, results: none },
  ltr: { arguments: ['i16'], results: none },
  lldt: { arguments: ['i16'], results: none },
  invlpg: { arguments: word, results: none },
  /** MSR number -> value */
  rdmsr: { arguments: ['i32'], results: word },
  /** MSR number, value */
  wrmsr: { arguments: ['i32', 'i64'], results: none },
  rdtsc: { arguments: none, results: word },
  /** leaf, subleaf -> eax, ebx, ecx, edx */
  cpuid: { arguments: ['i32', 'i32'], results: ['i32', 'i32', 'i32', 'i32'] },
  readCr0: { arguments: none, results: word },
  readCr2: { arguments: none, results: word },
  readCr3: { arguments: none, results: word },
  readCr4: { arguments: none, results: word },
  readCr8: { arguments: none, results: word },
  writeCr0: { arguments: word, results: none },
  writeCr2: { arguments: word, results: none },
  writeCr3: { arguments: word, results: none },
  writeCr4: { arguments: word, results: none },
  writeCr8: { arguments: word, results: none },
  /** the FSGSBASE instructions; through MSRs use rdmsr/wrmsr */
  readFsBase: { arguments: none, results: word },
  readGsBase: { arguments: none, results: word },
  writeFsBase: { arguments: word, results: none },
  writeGsBase: { arguments: word, results: none },
  readFlags: { arguments: none, results: word },
  writeFlags: { arguments: word, results: none },
  readStackPointer: { arguments: none, results: word },
  readFramePointer: { arguments: none, results: word },
  /** address of a 512-byte area on a 16-byte boundary */
  fxsave: { arguments: word, results: none },
  fxrstor: { arguments: word, results: none },
  /** address of the 32-bit value */
  ldmxcsr: { arguments: word, results: none },
  stmxcsr: { arguments: word, results: none },
  /** number, six arguments -> rax; rcx and r11 are lost (user programs) */
  syscall: { arguments: ['i64', 'i64', 'i64', 'i64', 'i64', 'i64', 'i64'], results: word },
};

/**
 * Names the linker defines: i64 addresses, read with `addressOf`. Virtual but for `physical` and `boot`; kernel, boot,
 * text, rodata and data (with .bss) are whole pages, each range with page permissions of its own.
 */
export const linkerSymbols: readonly string[] = [
  '__kernel_start',
  '__kernel_end',
  '__kernel_physical_start',
  '__kernel_physical_end',
  '__boot_start',
  '__boot_end',
  '__text_start',
  '__text_end',
  '__rodata_start',
  '__rodata_end',
  '__data_start',
  '__data_end',
  '__bss_start',
  '__bss_end',
  '__extable_start',
  '__extable_end',
];
