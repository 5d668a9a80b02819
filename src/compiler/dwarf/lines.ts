import { ByteWriter } from '../elf/bytes.ts';
import type { Span } from '../ir/module.ts';
import { DW_FORM, DW_LNCT, DW_LNE, DW_LNS } from './constants.ts';
import type { PlacedFunction } from './debug-sections.ts';
import type { DebugStrings } from './strings.ts';

/** Parameters of special opcodes (DWARF 5, 6.2.5.1): a line advance of -5 to 8 fits one byte. */
const lineBase = -5;
const lineRange = 14;
const opcodeBase = 13;
const standardOpcodeLengths = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];

/** DWARF's number of a source file: file 0 repeats the first, as DWARF 5 wants. */
export const fileNumber = (file: number): number => file + 1;

/** .debug_line: one sequence of rows for each function. */
export function writeLines(
  files: readonly string[],
  directory: string,
  functions: readonly PlacedFunction[],
  strings: DebugStrings,
): Uint8Array {
  const header = new ByteWriter();
  header
    .u8(1)
    .u8(1)
    .u8(1)
    .u8(lineBase & 0xff)
    .u8(lineRange)
    .u8(opcodeBase)
    .append(standardOpcodeLengths);
  writeFileTable(header, files.length > 0 ? files : ['?'], directory, strings);
  const program = new ByteWriter();
  for (const fn of functions) writeSequence(program, fn);
  const out = new ByteWriter();
  out.u32(2 + 1 + 1 + 4 + header.length + program.length);
  out.u16(5).u8(8).u8(0).u32(header.length);
  return out.append(header.bytes()).append(program.bytes()).bytes();
}

function writeFileTable(out: ByteWriter, files: readonly string[], directory: string, strings: DebugStrings): void {
  const split = files.map((path) => {
    const slash = path.lastIndexOf('/');
    return { folder: slash < 0 ? '' : path.slice(0, slash), name: path.slice(slash + 1) };
  });
  const folders = [...new Set(['', ...split.map(({ folder }) => folder)])];
  out.u8(1).unsignedLeb(DW_LNCT.path).unsignedLeb(DW_FORM.line_strp);
  out.unsignedLeb(folders.length);
  for (const folder of folders) out.u32(strings.paths.add(folder === '' ? directory : folder));
  out.u8(2).unsignedLeb(DW_LNCT.path).unsignedLeb(DW_FORM.line_strp);
  out.unsignedLeb(DW_LNCT.directory_index).unsignedLeb(DW_FORM.udata);
  out.unsignedLeb(split.length + 1);
  for (const { folder, name } of [split[0]!, ...split]) {
    out.u32(strings.paths.add(name)).unsignedLeb(folders.indexOf(folder));
  }
}

interface Row {
  readonly offset: number;
  readonly span: Span;
}

/** The rows of one function; a row at the end of the prologue tells debuggers where to stop. */
function writeSequence(out: ByteWriter, { code, address }: PlacedFunction): void {
  const rows = rowsOf(code.lines, code.bodyOffset, code.bytes.length);
  out.u8(0).unsignedLeb(9).u8(DW_LNE.set_address).u64(address);
  let state = { offset: 0, file: 1, line: 1, column: 0 };
  for (const [index, { offset, span }] of rows.entries()) {
    const file = fileNumber(span.file);
    if (file !== state.file) out.u8(DW_LNS.set_file).unsignedLeb(file);
    if (span.column !== state.column) out.u8(DW_LNS.set_column).unsignedLeb(span.column);
    if (offset === code.bodyOffset && rows[index + 1]?.offset !== offset) out.u8(DW_LNS.set_prologue_end);
    advance(out, offset - state.offset, span.line - state.line);
    state = { offset, file, line: span.line, column: span.column };
  }
  out.u8(DW_LNS.advance_pc).unsignedLeb(code.bytes.length - state.offset);
  out.u8(0).unsignedLeb(1).u8(DW_LNE.end_sequence);
}

function rowsOf(lines: readonly Row[], bodyOffset: number, size: number): Row[] {
  const rows = lines.filter((row) => row.offset < size);
  const before = rows.filter((row) => row.offset <= bodyOffset);
  const last = before[before.length - 1];
  if (last && last.offset < bodyOffset && bodyOffset < size) {
    rows.splice(before.length, 0, { offset: bodyOffset, span: last.span });
  }
  return rows;
}

/** Appends a row `bytes` further and `lines` down. */
function advance(out: ByteWriter, bytes: number, lines: number): void {
  let step = lines;
  if (step < lineBase || step >= lineBase + lineRange) {
    out.u8(DW_LNS.advance_line).signedLeb(step);
    step = 0;
  }
  let distance = bytes;
  if (step - lineBase + lineRange * distance + opcodeBase > 255) {
    out.u8(DW_LNS.advance_pc).unsignedLeb(distance);
    distance = 0;
  }
  out.u8(step - lineBase + lineRange * distance + opcodeBase);
}
