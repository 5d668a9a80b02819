import { keptBy } from './kept-by.ts';

/** What nobody here wrote and holds us to account, and the speeds that the bench prints. */
export const ORACLES = [
  ...keptBy('oracle/native.test.ts', '', [
    ['200,000 cases a run on the host’s processor', "instructions on the host's processor"],
    ['the same cases: interpreter and BigInt oracle', 'instructions evaluated on bigints'],
  ]),
  ...keptBy('oracle/native-fuzz.test.ts', '', [
    ['random bytes step by step', "random bytes on the host's processor, a step each"],
  ]),
  ...keptBy('oracle/iced.test.ts', 'iced-x86 in …-bit code', [
    ['iced-x86: random encodings', 'agrees on length, mnemonic and operands of random bytes'],
    ['iced-x86: enumerated encodings', 'agrees on every opcode of every map with every kind of prefix and ModRM'],
  ]),
  ...keptBy('oracle/verdigris-qemu.test.ts', '', [
    [
      'the same kernel image prints the same under QEMU',
      'our kernel says and ends the same under QEMU as on our machine',
    ],
  ]),
  ...keptBy('oracle/kernel-debug.test.ts', 'the kernel image', [
    ['gdb lists functions', 'has functions that gdb lists with their files'],
    ['gdb resolves lines both ways', 'has lines that gdb resolves both ways'],
    ['gdb prints a PCB’s type', "has the type of a process's record, which gdb prints"],
  ]),
  ...keptBy('cli/bench.test.ts', 'the report', [
    ['interpreter against QEMU, MIPS', 'shows instructions a second, and each ratio with the goal of its class'],
    ['geometric mean', 'takes the geometric mean over all guests, for each engine with its goal'],
    [
      'boot to first byte and to power-off; pairs against gcc',
      'shows where QEMU counts differently, boot times, the pairs against gcc, and versions',
    ],
    [
      'compile time and cases a second',
      'prints how long the kernel takes to compile, and how many cases a second are answered',
    ],
  ]),
  ...keptBy('cli/bench.test.ts', 'guests', [
    ['cold code', 'of cold code execute every instruction once'],
    [
      'at least eight compute guests',
      'are at least 20, and those that only compute are the ones that programs and kernels share',
    ],
  ]),
];
