import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { OracleProcessor } from '../../src/cpu/oracle/oracle-processor.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine } from '../../src/debugger/cases/case-machine.ts';
import { ENGINE } from '../engine.ts';

const UNDEFINED = 6;

/** An instruction of each feature, and the CPUID bit that advertises it (SDM vol. 2A, CPUID). */
const FEATURES: readonly (readonly [name: string, code: string, leaf: number, register: string, bit: number])[] = [
  ['SSE3: addsubps', 'f20fd0c1', 1, 'rcx', 0],
  ['PCLMULQDQ: pclmulqdq', '660f3a44c100', 1, 'rcx', 1],
  ['MONITOR: monitor', '0f01c8', 1, 'rcx', 3],
  ['VMX: vmcall', '0f01c1', 1, 'rcx', 5],
  ['SSSE3: pshufb', '660f3800c1', 1, 'rcx', 9],
  ['FMA: vfmadd213ps', 'c4e271a8c2', 1, 'rcx', 12],
  ['SSE4.1: pmulld', '660f3840c1', 1, 'rcx', 19],
  ['SSE4.2: crc32', 'f20f38f1c0', 1, 'rcx', 20],
  ['MOVBE: movbe', '0f38f007', 1, 'rcx', 22],
  ['POPCNT: popcnt', 'f30fb8c0', 1, 'rcx', 23],
  ['AES: aesenc', '660f38dcc1', 1, 'rcx', 25],
  ['XSAVE: xgetbv', '0f01d0', 1, 'rcx', 26],
  ['AVX: vaddps', 'c5f058c1', 1, 'rcx', 28],
  ['RDRAND: rdrand', '0fc7f0', 1, 'rcx', 30],
  ['x87: fld1', 'd9e8', 1, 'rdx', 0],
  ['MMX: paddb', '0ffcc1', 1, 'rdx', 23],
  ['SSE: addps', '0f58c1', 1, 'rdx', 25],
  ['SSE2: addpd', '660f58c1', 1, 'rdx', 26],
  ['BMI1: andn', 'c4e278f2c3', 7, 'rbx', 3],
  ['BMI2: rorx', 'c4e37bf0c305', 7, 'rbx', 8],
  ['RTM: xtest', '0f01d6', 7, 'rbx', 11],
  ['RDSEED: rdseed', '0fc7f8', 7, 'rbx', 18],
  ['ADX: adcx', '660f38f6c3', 7, 'rbx', 19],
  ['SHA: sha1nexte', '0f38c8c1', 7, 'rbx', 29],
  ['RDPID: rdpid', 'f30fc7f8', 7, 'rcx', 22],
];

const machines = {
  interpreter: new CaseMachine((options) => new Cpu({ ...ENGINE, ...options })),
  'BigInt oracle': new CaseMachine((options) => new OracleProcessor(options)),
};

function run(machine: CaseMachine, line: string): string {
  const instructionCase = parseCase(line.split(' '));
  return formatResult(instructionCase, machine.run(instructionCase));
}

function isAdvertised(machine: CaseMachine, leaf: number, register: string, bit: number): boolean {
  const answer = run(machine, `id=0 code=0fa2 rax=${leaf.toString(16)} rcx=0 rbx=0 rdx=0`);
  const value = new RegExp(` ${register}=([0-9a-f]+)`).exec(answer)?.[1] ?? '0';
  return ((BigInt(`0x${value}`) >> BigInt(bit)) & 1n) === 1n;
}

describe.each(Object.entries(machines))('a feature, by the %s', (_name, machine) => {
  it.each(FEATURES)('%s raises #UD exactly when CPUID does not advertise it', (_title, code, leaf, register, bit) => {
    const outcome = / v=(\S+)/.exec(run(machine, `id=0 code=${code} rdi=20000000`))![1];
    expect(outcome).toBe(isAdvertised(machine, leaf, register, bit) ? 'ok' : String(UNDEFINED));
  });

  it('is not advertised whenever a bit is not known: AVX, XSAVE and RDRAND are off', () => {
    expect([26, 28, 30].map((bit) => isAdvertised(machine, 1, 'rcx', bit))).toEqual([false, false, false]);
  });
});
