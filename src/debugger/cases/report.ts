import { DecodeError, Decoder } from '../../cpu/decode/decoder.ts';
import { formatInstruction } from '../../cpu/decode/format.ts';
import { Instruction } from '../../cpu/decode/instruction.ts';
import { type CaseResult, type CaseState, hexadecimal, type InstructionCase, REGISTER_NAMES } from './case.ts';

/** A line of a report: what it is about, and its text. */
export interface ReportLine {
  readonly label: string;
  readonly text: string;
}

const FLAG_NAMES: Readonly<Record<string, number>> = {
  CF: 0x1,
  PF: 0x4,
  AF: 0x10,
  ZF: 0x40,
  SF: 0x80,
  DF: 0x400,
  OF: 0x800,
  AC: 0x40000,
};

/** Exceptions by vector: mnemonic and name (SDM vol. 3A, table 6-1). */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: '#DE divide error',
  1: '#DB debug exception',
  3: '#BP breakpoint',
  4: '#OF overflow',
  5: '#BR bound range exceeded',
  6: '#UD invalid opcode',
  7: '#NM device not available',
  8: '#DF double fault',
  10: '#TS invalid TSS',
  11: '#NP segment not present',
  12: '#SS stack-segment fault',
  13: '#GP general protection',
  14: '#PF page fault',
  16: '#MF x87 floating-point error',
  17: '#AC alignment check',
  19: '#XM SIMD floating-point exception',
};
const WITHOUT_ERROR_CODE = new Set([0, 1, 3, 4, 5, 6, 7, 16, 19]);

function flagText(flags: number): string {
  const names = Object.keys(FLAG_NAMES).filter((name) => (flags & FLAG_NAMES[name]!) !== 0);
  return names.length > 0 ? names.join(' ') : 'none';
}

/** What a page fault's error code says, in words. */
function pageFaultText(code: number): string {
  const access = code & 16 ? 'instruction fetch' : code & 2 ? 'write' : 'read';
  return `${access}, ${code & 1 ? 'not permitted' : 'page not present'}`;
}

function outcomeText({ outcome, errorCode, faultAddress }: CaseResult): string {
  if (outcome === 'ok') return 'ran to its end';
  if (outcome === 'sys') return 'system call';
  if (outcome === 'to') return 'did not come to an end';
  const name = EXCEPTIONS[outcome] ?? `vector ${outcome}`;
  if (outcome === 14) return `${name} at 0x${faultAddress.toString(16)} (${pageFaultText(errorCode)})`;
  return WITHOUT_ERROR_CODE.has(outcome) ? name : `${name}, error code 0x${errorCode.toString(16)}`;
}

/** The code of a case, an instruction a line, as far as it can be decoded. */
export function disassembly({ code, state }: InstructionCase): ReportLine[] {
  const decoder = new Decoder();
  const instruction = new Instruction();
  const lines: ReportLine[] = [];
  for (let at = 0; at < code.length; ) {
    const length = decoder.decode(code, at, code.length - at, 64, instruction);
    const address = state.rip + BigInt(at);
    const rest = hexadecimal(code.subarray(at));
    if (length < 0) {
      const why = length === DecodeError.Incomplete ? 'goes on behind these bytes' : 'no instruction';
      lines.push({ label: address.toString(16), text: `${rest}  (${why})` });
      break;
    }
    lines.push({
      label: address.toString(16),
      text: `${rest.slice(0, 2 * length)}  ${formatInstruction(instruction, address)}`,
    });
    at += length;
  }
  return lines;
}

const wide = (value: bigint) => value.toString(16).padStart(16, '0');

function registerLines(before: CaseState, after: CaseState): ReportLine[] {
  const lines: ReportLine[] = [];
  const compare = (label: string, old: string, value: string) => {
    if (old !== value) lines.push({ label, text: `${old} -> ${value}` });
  };
  for (let index = 0; index < 16; index++)
    compare(REGISTER_NAMES[index]!, wide(before.registers[index]!), wide(after.registers[index]!));
  compare('fs', wide(before.fsBase), wide(after.fsBase));
  compare('gs', wide(before.gsBase), wide(after.gsBase));
  for (const [label, key] of [
    ['fcw', 'x87Control'],
    ['fsw', 'x87Status'],
    ['ftw', 'x87Tag'],
    ['mxcsr', 'mxcsr'],
  ] as const) {
    compare(label, before[key].toString(16), after[key].toString(16));
  }
  for (let index = 0; index < 8; index++) {
    const part = (state: CaseState) => hexadecimal(state.x87.subarray(10 * index, 10 * index + 10));
    compare(`st${index}`, part(before), part(after));
  }
  for (let index = 0; index < 16; index++) {
    const part = (state: CaseState) => hexadecimal(state.xmm.subarray(16 * index, 16 * index + 16));
    compare(`xmm${index}`, part(before), part(after));
  }
  return lines;
}

/** What a case did, for people: how it ended, then everything that changed. XMM and x87 registers are in memory order. */
export function caseReport({ state }: InstructionCase, result: CaseResult): ReportLine[] {
  const lines = [
    { label: 'result', text: outcomeText(result) },
    { label: 'rip', text: `${wide(state.rip)} -> ${wide(result.state.rip)}` },
    ...registerLines(state, result.state),
  ];
  const [old, flags] = [flagText(state.flags), flagText(result.state.flags)];
  lines.push({ label: 'flags', text: old === flags ? flags : `${old} -> ${flags}` });
  for (const { address, bytes } of result.changes)
    lines.push({ label: 'memory', text: `${address.toString(16)}: ${hexadecimal(bytes)}` });
  if (result.moreChanges) lines.push({ label: 'memory', text: 'and more' });
  return lines;
}
