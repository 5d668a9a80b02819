/** CPUID, MSRs, time-stamp and performance counters, HLT and cache control (SDM vol. 2). */

import type { Instruction } from '../../decode/instruction.ts';
import { Cr4 } from '../control-bits.ts';
import { cpuid } from '../cpuid.ts';
import { generalProtection } from '../faults.ts';
import { operandAddress, readRegister, writeRegister } from '../operands.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

const APIC_BASE = 0x1b;
const APIC_GLOBAL_ENABLE = 1n << 11n;

function identify(system: SystemUnit): void {
  const { state } = system;
  const leaf = Number(readRegister(state, RAX, 32));
  const subleaf = Number(readRegister(state, RCX, 32));
  const apicBase = system.bus.readMsr(APIC_BASE) ?? 0n;
  const result = cpuid(leaf, subleaf, {
    apicId: 0,
    apicEnabled: (apicBase & APIC_GLOBAL_ENABLE) !== 0n,
    in64BitMode: state.mode64,
  });
  writeRegister(state, RAX, 32, BigInt(result.eax));
  writeRegister(state, RBX, 32, BigInt(result.ebx));
  writeRegister(state, RCX, 32, BigInt(result.ecx));
  writeRegister(state, RDX, 32, BigInt(result.edx));
}

/** EDX:EAX, the upper halves of RDX and RAX cleared. */
function writePair(system: SystemUnit, value: bigint): void {
  writeRegister(system.state, RAX, 32, value);
  writeRegister(system.state, RDX, 32, value >> 32n);
}

function readMsr(system: SystemUnit): void {
  const value = system.msrs.read(Number(readRegister(system.state, RCX, 32)));
  if (value === undefined) throw generalProtection();
  writePair(system, value);
}

function writeMsr(system: SystemUnit): void {
  const { state } = system;
  const value = (readRegister(state, RDX, 32) << 32n) | readRegister(state, RAX, 32);
  if (!system.msrs.write(Number(readRegister(state, RCX, 32)), value)) throw generalProtection();
}

function readTimeStamp(system: SystemUnit): void {
  if ((system.state.get('cr4') & Cr4.TSD) !== 0 && system.state.cpl !== 0) throw generalProtection();
  writePair(system, system.msrs.timeStamp);
}

function readTimeStampAndProcessor(system: SystemUnit): void {
  readTimeStamp(system);
  writeRegister(system.state, RCX, 32, system.state.get64('tscAux'));
}

/** There are no performance counters, so every counter number is invalid. */
function readPerformanceCounter(): never {
  throw generalProtection();
}

function halt({ state }: SystemUnit): void {
  state.set('halted', 1);
}

/** Caches are not modelled: there is nothing to write back or to lose. */
function doNothing(): void {}

/** CLFLUSH is checked as a load of one byte, but for the type of the segment: it may be execute-only (SDM vol. 2A). */
function flushLine(system: SystemUnit, instruction: Instruction): void {
  system.memory.check(operandAddress(system, instruction, 1, undefined), 1, system.dataAccess);
}

export const processorInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['CPUID', identify],
  ['RDMSR', readMsr],
  ['WRMSR', writeMsr],
  ['RDTSC', readTimeStamp],
  ['RDTSCP', readTimeStampAndProcessor],
  ['RDPMC', readPerformanceCounter],
  ['HLT', halt],
  ['INVD', doNothing],
  ['WBINVD', doNothing],
  ['CLFLUSH', flushLine],
];
