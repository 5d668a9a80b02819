import type { FunctionInfo, Variable } from '../dwarf/debug-info.ts';
import type { Frame } from '../dwarf/locations.ts';
import { type DwarfType, nameOf, sizeOf } from '../dwarf/types.ts';
import { formatRegister, REGISTER_NAMES, readRegister } from '../registers.ts';
import { formatPosition } from '../trace.ts';
import { formatValue, hexadecimal } from '../value-printer.ts';
import type { Session } from './session.ts';

/** Registers shown without being asked for by name. */
const usualRegisters = REGISTER_NAMES.filter((name) => !name.startsWith('xmm') && name !== 'mxcsr');
const deepestBacktrace = 64;

export function registersView(session: Session, names: readonly string[]): string[] {
  const shown = names.length > 0 ? names : usualRegisters;
  return shown.map((name) => {
    const value = readRegister(session.target.state, name.toLowerCase());
    if (value === undefined) return `${name}: no such register`;
    const symbol = ['rip', 'rsp', 'rbp'].includes(name) ? `  ${session.describe(value)}` : '';
    return `${name.padEnd(14)} ${formatRegister(name, value)}${name === 'rip' ? symbol : ''}`;
  });
}

/** A hexadecimal dump, sixteen bytes a line, ending where memory is not mapped. */
export function memoryView(session: Session, address: bigint, length: number): string[] {
  const lines: string[] = [];
  for (let offset = 0; offset < length; offset += 16) {
    const at = BigInt.asUintN(64, address + BigInt(offset));
    const bytes = session.target.readMemory(at, Math.min(16, length - offset));
    if (bytes === undefined) return [...lines, `${hexadecimal(at, 16)}  not mapped`];
    const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${hexadecimal(at, 16)}  ${digits.padEnd(47)}  ${text}`);
  }
  return lines;
}

/** Quadwords from RSP up, with the symbols that they point into. */
export function stackView(session: Session, count: number): string[] {
  const top = session.register('rsp');
  const lines: string[] = [];
  for (let index = 0; index < count; index++) {
    const address = BigInt.asUintN(64, top + BigInt(index * 8));
    const value = session.readPointer(address);
    if (value === undefined) return [...lines, `${hexadecimal(address, 16)}  not mapped`];
    const symbol = session.describe(value);
    lines.push(`${hexadecimal(address, 16)}  ${hexadecimal(value, 16)}${symbol.startsWith('0x') ? '' : `  ${symbol}`}`);
  }
  return lines;
}

/** Return addresses by the chain of saved RBP values. */
export function backtraceView(session: Session): string[] {
  const line = (index: number, address: bigint) => {
    const position = session.images.at(session.target.state, address)?.positionAt(address);
    return `#${index} ${session.describe(address)}${position === undefined ? '' : `  ${formatPosition(position)}`}`;
  };
  const lines = [line(0, session.rip)];
  let frame = session.register('rbp');
  for (let depth = 1; depth < deepestBacktrace && frame !== 0n; depth++) {
    const returnAddress = session.readPointer(BigInt.asUintN(64, frame + 8n));
    const caller = session.readPointer(frame);
    if (returnAddress === undefined || caller === undefined || returnAddress === 0n) break;
    lines.push(line(depth, returnAddress));
    if (caller <= frame) break;
    frame = caller;
  }
  return lines;
}

/** Where the machine stands: count, function, source line, instruction. */
export function locationView(session: Session): string[] {
  const { target } = session;
  const instruction = session.disassembleAt(session.rip);
  const position = session.position;
  const source = position && session.readSource(position.file)?.[position.line - 1];
  const lines = [
    `${target.instructionCount} ring ${target.state.cpl} ${session.describe(session.rip)}: ${instruction?.text ?? '(not mapped)'}`,
  ];
  if (position !== undefined) lines.push(`${formatPosition(position)}  ${source?.trim() ?? ''}`.trimEnd());
  return lines;
}

/** Source around the current line with the instructions made from each line beside it. */
export function sourceView(session: Session, around: number): string[] {
  const position = session.position;
  const source = position && session.readSource(position.file);
  if (position === undefined || source === undefined) return disassemblyView(session, session.rip, around * 2);
  const first = Math.max(1, position.line - around);
  const last = Math.min(source.length, position.line + around);
  const lines: string[] = [formatPosition(position)];
  for (let line = first; line <= last; line++) {
    const mark = line === position.line ? '=>' : '  ';
    lines.push(`${mark} ${String(line).padStart(5)}  ${source[line - 1] ?? ''}`);
    if (line === position.line)
      lines.push(...disassemblyView(session, session.rip, 4).map((each) => `            ${each}`));
  }
  return lines;
}

export function disassemblyView(session: Session, address: bigint, count: number): string[] {
  const lines: string[] = [];
  let at = address;
  for (let index = 0; index < count; index++) {
    const instruction = session.disassembleAt(at);
    if (instruction === undefined) return [...lines, `${hexadecimal(at, 16)}  not mapped`];
    const bytes = [...instruction.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const mark = at === session.rip ? '=>' : '  ';
    lines.push(
      `${mark} ${hexadecimal(at, 16)} ${session.describe(at).padEnd(26)} ${bytes.padEnd(20)} ${instruction.text}`,
    );
    at = BigInt.asUintN(64, at + BigInt(instruction.bytes.length));
  }
  return lines;
}

function frameOf(session: Session, info: FunctionInfo | undefined): Frame {
  return {
    register: (name) => session.register(name),
    readMemory: (address) => session.readPointer(address),
    frameBase: info?.frameBase,
  };
}

/** The value of a variable as text, `<optimised out>` where the code keeps it nowhere. */
export function variableText(session: Session, variable: Variable, info: FunctionInfo | undefined): string {
  const location = variable.locate(session.rip, frameOf(session, info));
  const size = sizeOf(variable.type);
  switch (location.kind) {
    case 'memory':
      return valueAt(session, location.address, variable.type);
    case 'register':
      return formatValue(littleEndianBytes(session.register(location.register), size), variable.type);
    case 'value':
      return formatValue(littleEndianBytes(location.value, size), variable.type);
    default:
      return '<optimised out>';
  }
}

export function valueAt(session: Session, address: bigint, type: DwarfType): string {
  const bytes = session.target.readMemory(address, sizeOf(type));
  return bytes === undefined ? `<${hexadecimal(address)} not mapped>` : formatValue(bytes, type);
}

function littleEndianBytes(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: Math.max(size, 1) }, (_, index) => Number((value >> BigInt(index * 8)) & 0xffn));
}

/** Parameters and locals of the current function. */
export function localsView(session: Session): string[] {
  const info = session.function;
  if (info === undefined) return ['no function with debug information here'];
  if (info.variables.length === 0) return [`${info.name} has no parameters or locals`];
  return info.variables.map(
    (variable) => `${variable.name}: ${nameOf(variable.type)} = ${variableText(session, variable, info)}`,
  );
}
