/** MOV to and from control and debug registers, LMSW, SMSW, CLTS, INVLPG, INVPCID, STAC, CLAC (SDM vol. 2; vol. 3A 2.5, 9.8.5). */

import type { Instruction } from '../../decode/instruction.ts';
import { FLAG } from '../../flags.ts';
import { TR } from '../../layout.ts';
import type { Segment } from '../../state.ts';
import { isCanonical } from '../addresses.ts';
import { CR4_IMPLEMENTED, Cr0, Cr4, Efer } from '../control-bits.ts';
import { SystemType } from '../descriptors.ts';
import { generalProtection, undefinedOpcode } from '../faults.ts';
import {
  effectiveAddress,
  linearAddress,
  operandAddress,
  readOperand,
  writeOperand,
  writeRegister,
} from '../operands.ts';
import { PHYSICAL_ADDRESS_BITS } from '../page-walk.ts';
import type { InstructionFunction, SystemUnit } from '../system-unit.ts';

const CR0_SETTABLE = Object.values(Cr0).reduce((all, bit) => all | bit, 0);
/** Bits of CR0 that translations or PDPTEs depend on. */
const CR0_PAGING = Cr0.PG | Cr0.WP | Cr0.CD | Cr0.NW;
const CR4_PAGING = Cr4.PGE | Cr4.PAE | Cr4.PSE | Cr4.PCIDE | Cr4.SMEP | Cr4.SMAP;
const CR3_NO_FLUSH = 1n << 63n;

/** Control and debug registers move 64 bits in 64-bit mode and 32 elsewhere, whatever the prefixes. */
function registerBits(system: SystemUnit): 32 | 64 {
  return system.state.mode64 ? 64 : 32;
}

function readControlRegister(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const value = (): bigint => {
    switch (instruction.reg) {
      case 0:
        return state.get64('cr0');
      case 2:
        return state.get64('cr2');
      case 3:
        return state.get64('cr3');
      case 4:
        return state.get64('cr4');
      case 8:
        return BigInt(system.bus.readTaskPriority());
      default:
        throw undefinedOpcode();
    }
  };
  writeRegister(state, instruction.rm, registerBits(system), value());
}

function writeControlRegister(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const value = BigInt.asUintN(registerBits(system), state.gpr(instruction.rm));
  switch (instruction.reg) {
    case 0:
      writeCr0(system, value);
      break;
    case 2:
      state.set64('cr2', value);
      break;
    case 3:
      writeCr3(system, value);
      break;
    case 4:
      writeCr4(system, value);
      break;
    case 8:
      if (value > 15n) throw generalProtection();
      system.bus.writeTaskPriority(Number(value));
      break;
    default:
      throw undefinedOpcode();
  }
}

function writeCr0(system: SystemUnit, value: bigint): void {
  const { state } = system;
  if (value >> 32n !== 0n) throw generalProtection();
  const next = (Number(BigInt.asIntN(32, value)) & CR0_SETTABLE) | Cr0.ET;
  const changed = next ^ state.get('cr0');
  if ((next & Cr0.PG) !== 0 && (next & Cr0.PE) === 0) throw generalProtection();
  if ((next & Cr0.NW) !== 0 && (next & Cr0.CD) === 0) throw generalProtection();
  if ((changed & Cr0.PG) !== 0) {
    if ((next & Cr0.PG) !== 0) checkEnablePaging(system);
    else if (state.mode64 || (state.get('cr4') & Cr4.PCIDE) !== 0) throw generalProtection();
  }
  if ((changed & CR0_PAGING) !== 0 && (next & Cr0.PG) !== 0) loadPdptes(system, state.get('cr4'), state.get64('cr3'));
  const longMode = (next & Cr0.PG) !== 0 && (state.get('efer') & Efer.LME) !== 0;
  state.set64('cr0', BigInt(next >>> 0));
  state.set64('efer', (state.get64('efer') & ~BigInt(Efer.LMA)) | (longMode ? BigInt(Efer.LMA) : 0n));
  system.pagingChanged((changed & CR0_PAGING) !== 0);
}

/** Entering IA-32e mode needs PAE, a code segment without L, and a TSS that is not a 16-bit one. */
function checkEnablePaging({ state }: SystemUnit): void {
  if ((state.get('efer') & Efer.LME) === 0) return;
  if ((state.get('cr4') & Cr4.PAE) === 0) throw generalProtection();
  if ((state.cs.attributes & 0x2000) !== 0) throw generalProtection();
  const task = (state.segments[TR] as Segment).attributes & 0xf;
  if (task === SystemType.BUSY_TSS_16) throw generalProtection();
}

/** PAE paging loads the PDPTE registers whenever they could have changed meaning. */
function loadPdptes(system: SystemUnit, cr4: number, cr3: bigint): void {
  if ((cr4 & Cr4.PAE) === 0 || (system.state.get('efer') & Efer.LME) !== 0) return;
  if (!system.walker.loadPdptes(cr3)) throw generalProtection();
}

/** @throws GuestException #GP(0) for an address or PDPTEs that cannot be */
export function writeCr3(system: SystemUnit, value: bigint): void {
  const { state } = system;
  const cr4 = state.get('cr4');
  const next = (cr4 & Cr4.PCIDE) !== 0 ? value & ~CR3_NO_FLUSH : value;
  if (next >> BigInt(PHYSICAL_ADDRESS_BITS) !== 0n) throw generalProtection();
  if ((state.get('cr0') & Cr0.PG) !== 0) loadPdptes(system, cr4, next);
  state.set64('cr3', next);
  system.walker.configure();
  // A flush is right even where bit 63 allows none: entries carry no PCID.
  system.tlb.flush((cr4 & Cr4.PGE) !== 0);
}

function writeCr4(system: SystemUnit, value: bigint): void {
  const { state } = system;
  if ((value & ~BigInt(CR4_IMPLEMENTED)) !== 0n) throw generalProtection();
  const next = Number(value);
  const changed = next ^ state.get('cr4');
  const longActive = (state.get('efer') & Efer.LMA) !== 0;
  if (longActive && (next & Cr4.PAE) === 0) throw generalProtection();
  if ((changed & next & Cr4.PCIDE) !== 0 && (!longActive || (state.get64('cr3') & 0xfffn) !== 0n)) {
    throw generalProtection();
  }
  const reload = Cr4.PAE | Cr4.PGE | Cr4.PSE | Cr4.SMEP;
  if ((changed & reload) !== 0 && (state.get('cr0') & Cr0.PG) !== 0) loadPdptes(system, next, state.get64('cr3'));
  state.set64('cr4', BigInt(next >>> 0));
  system.debug.configure();
  system.pagingChanged((changed & CR4_PAGING) !== 0);
}

function loadMachineStatusWord(system: SystemUnit, instruction: Instruction): void {
  const source = Number(readOperand(system, instruction, 16));
  const old = system.state.get('cr0');
  const low = Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS;
  const next = (old & ~low) | (source & low) | (old & Cr0.PE);
  writeCr0(system, BigInt(next >>> 0));
}

function storeMachineStatusWord(system: SystemUnit, instruction: Instruction): void {
  const bits = instruction.memory ? 16 : instruction.operandSize;
  writeOperand(system, instruction, bits, system.state.get64('cr0'));
}

function clearTaskSwitched({ state }: SystemUnit): void {
  state.set64('cr0', state.get64('cr0') & ~BigInt(Cr0.TS));
  state.updateMode();
}

function readDebugRegister(system: SystemUnit, instruction: Instruction): void {
  writeRegister(system.state, instruction.rm, registerBits(system), system.debug.read(instruction.reg));
}

function writeDebugRegister(system: SystemUnit, instruction: Instruction): void {
  const value = BigInt.asUintN(registerBits(system), system.state.gpr(instruction.rm));
  system.debug.write(instruction.reg, value);
}

/** A non-canonical address makes INVLPG do nothing. */
function invalidatePage(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const segment = state.segments[instruction.segment] as Segment;
  const base = !state.mode64 || instruction.segment >= 4 ? segment.base : 0n;
  const address = BigInt.asUintN(state.mode64 ? 64 : 32, base + effectiveAddress(system, instruction));
  if (state.mode64 && !isCanonical(address)) return;
  dropPage(system, address);
}

function dropPage(system: SystemUnit, address: bigint): void {
  system.tlb.invalidatePage(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)));
}

const InvpcidType = { ADDRESS: 0, CONTEXT: 1, ALL_WITH_GLOBALS: 2, ALL: 3 } as const;

/** Entries carry no PCID, so each type may drop those of every PCID. */
function invalidatePcid(system: SystemUnit, instruction: Instruction): void {
  const { state } = system;
  const type = BigInt.asUintN(registerBits(system), state.gpr(instruction.reg));
  const address = operandAddress(system, instruction, 16, false);
  const pcid = system.memory.read(address, 8, system.dataAccess);
  const second = linearAddress(state, instruction.segment, effectiveAddress(system, instruction) + 8n, 8, false);
  const page = system.memory.read(second, 8, system.dataAccess);
  const enabled = (state.get('cr4') & Cr4.PCIDE) !== 0;
  if (type > 3n || pcid >> 12n !== 0n) throw generalProtection();
  const single = type === BigInt(InvpcidType.ADDRESS);
  if ((single || type === BigInt(InvpcidType.CONTEXT)) && !enabled && pcid !== 0n) throw generalProtection();
  if (single && !isCanonical(page)) throw generalProtection();
  if (single) dropPage(system, page);
  else system.tlb.flush(type !== BigInt(InvpcidType.ALL_WITH_GLOBALS));
}

function setAlignmentCheck(value: number): InstructionFunction {
  return ({ state }) => {
    if (state.cpl !== 0) throw undefinedOpcode();
    state.rflags = (state.rflags & ~FLAG.AC) | value;
  };
}

export const controlRegisterInstructions: readonly (readonly [string, InstructionFunction])[] = [
  ['MOV_Rn_Cn', readControlRegister],
  ['MOV_Cn_Rn', writeControlRegister],
  ['MOV_Rn_Dn', readDebugRegister],
  ['MOV_Dn_Rn', writeDebugRegister],
  ['LMSW', loadMachineStatusWord],
  ['SMSW', storeMachineStatusWord],
  ['CLTS', clearTaskSwitched],
  ['INVLPG', invalidatePage],
  ['INVPCID', invalidatePcid],
  ['STAC', setAlignmentCheck(FLAG.AC)],
  ['CLAC', setAlignmentCheck(0)],
];
