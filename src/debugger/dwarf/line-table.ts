import { DW_FORM, DW_LNCT, DW_LNE, DW_LNS } from '../../compiler/dwarf/constants.ts';
import { Cursor } from './cursor.ts';
import type { DwarfSections } from './sections.ts';

export interface SourcePosition {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based; 0 where the compiler gave none. */
  readonly column: number;
}

/** One row of the line number matrix (DWARF 5, 6.2.2): the position from which the code at `address` came. */
export interface LineRow extends SourcePosition {
  readonly address: bigint;
  readonly isStatement: boolean;
  /** The row only marks the first address after a sequence. */
  readonly endSequence: boolean;
}

interface Header {
  readonly minimumInstructionLength: number;
  readonly defaultIsStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  readonly standardOpcodeLengths: readonly number[];
  readonly files: readonly string[];
  readonly programOffset: number;
  readonly end: number;
}

function readEntryField(cursor: Cursor, form: number, sections: DwarfSections): string | number {
  switch (form) {
    case DW_FORM.string:
      return cursor.cstring();
    case DW_FORM.line_strp:
      return new Cursor(sections.lineStr, cursor.u32()).cstring();
    case DW_FORM.strp:
      return new Cursor(sections.str, cursor.u32()).cstring();
    case DW_FORM.udata:
      return cursor.index();
    case DW_FORM.data1:
      return cursor.u8();
    case DW_FORM.data2:
      return cursor.u16();
    case DW_FORM.data4:
      return cursor.u32();
    case DW_FORM.data16:
      cursor.take(16);
      return 0;
    default:
      throw new RangeError(`line table: form 0x${form.toString(16)} in a file entry`);
  }
}

/** Directory or file entries of a DWARF 5 line header (6.2.4.1): a path and a directory index each. */
function readEntries(cursor: Cursor, sections: DwarfSections): { path: string; directory: number }[] {
  const formats = Array.from({ length: cursor.u8() }, () => ({ content: cursor.index(), form: cursor.index() }));
  return Array.from({ length: cursor.index() }, () => {
    const entry = { path: '', directory: 0 };
    for (const { content, form } of formats) {
      const value = readEntryField(cursor, form, sections);
      if (content === DW_LNCT.path) entry.path = String(value);
      if (content === DW_LNCT.directory_index) entry.directory = Number(value);
    }
    return entry;
  });
}

function joinPath(directory: string, path: string): string {
  return path.startsWith('/') || directory === '' ? path : `${directory}/${path}`;
}

function readHeader(cursor: Cursor, sections: DwarfSections): Header {
  const length = cursor.u32();
  const end = cursor.offset + length;
  const version = cursor.u16();
  if (version !== 5) throw new RangeError(`line table: DWARF version ${version}, only 5 is read`);
  cursor.take(2);
  const headerLength = cursor.u32();
  const programOffset = cursor.offset + headerLength;
  const minimumInstructionLength = cursor.u8();
  cursor.u8();
  const defaultIsStatement = cursor.u8() !== 0;
  const lineBase = cursor.i8();
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  const standardOpcodeLengths = [0, ...Array.from({ length: opcodeBase - 1 }, () => cursor.u8())];
  const directories = readEntries(cursor, sections).map((entry) => entry.path);
  const root = directories[0] ?? '';
  const files = readEntries(cursor, sections).map(({ path, directory }) =>
    joinPath(joinPath(root, directories[directory] ?? ''), path),
  );
  const opcodes = {
    minimumInstructionLength,
    defaultIsStatement,
    lineBase,
    lineRange,
    opcodeBase,
    standardOpcodeLengths,
  };
  return { ...opcodes, files, programOffset, end };
}

/** The line number state machine (DWARF 5, 6.2.2 and 6.2.5) over one unit's program. */
class LineProgram {
  readonly rows: LineRow[] = [];
  readonly #header: Header;
  #address = 0n;
  #file = 1;
  #line = 1;
  #column = 0;
  #isStatement: boolean;

  constructor(header: Header) {
    this.#header = header;
    this.#isStatement = header.defaultIsStatement;
  }

  run(cursor: Cursor): void {
    while (cursor.offset < this.#header.end) {
      const opcode = cursor.u8();
      if (opcode >= this.#header.opcodeBase) this.#special(opcode);
      else if (opcode === 0) this.#extended(cursor);
      else this.#standard(opcode, cursor);
    }
  }

  #advance(operations: bigint): void {
    this.#address += operations * BigInt(this.#header.minimumInstructionLength);
  }

  #emit(endSequence = false): void {
    const file = this.#header.files[this.#file] ?? '';
    const position = { file, line: this.#line, column: this.#column };
    this.rows.push({ ...position, address: this.#address, isStatement: this.#isStatement, endSequence });
  }

  #special(opcode: number): void {
    const adjusted = opcode - this.#header.opcodeBase;
    this.#advance(BigInt(Math.floor(adjusted / this.#header.lineRange)));
    this.#line += this.#header.lineBase + (adjusted % this.#header.lineRange);
    this.#emit();
  }

  #extended(cursor: Cursor): void {
    const length = cursor.index();
    const next = cursor.offset + length;
    const opcode = cursor.u8();
    if (opcode === DW_LNE.set_address) this.#address = cursor.u64();
    if (opcode === DW_LNE.end_sequence) {
      this.#emit(true);
      this.#address = 0n;
      this.#file = 1;
      this.#line = 1;
      this.#column = 0;
      this.#isStatement = this.#header.defaultIsStatement;
    }
    cursor.offset = next;
  }

  #standard(opcode: number, cursor: Cursor): void {
    switch (opcode) {
      case DW_LNS.copy:
        this.#emit();
        break;
      case DW_LNS.advance_pc:
        this.#advance(cursor.uleb());
        break;
      case DW_LNS.advance_line:
        this.#line += Number(cursor.sleb());
        break;
      case DW_LNS.set_file:
        this.#file = cursor.index();
        break;
      case DW_LNS.set_column:
        this.#column = cursor.index();
        break;
      case DW_LNS.negate_stmt:
        this.#isStatement = !this.#isStatement;
        break;
      case DW_LNS.const_add_pc:
        this.#advance(BigInt(Math.floor((255 - this.#header.opcodeBase) / this.#header.lineRange)));
        break;
      case DW_LNS.fixed_advance_pc:
        this.#address += BigInt(cursor.u16());
        break;
      default:
        for (let operand = this.#header.standardOpcodeLengths[opcode] ?? 0; operand > 0; operand--) cursor.uleb();
    }
  }
}

/** All line tables of an image: from an address to its source position, and from a source line to its addresses. */
export class LineTable {
  readonly #rows: readonly LineRow[];

  constructor(sections: DwarfSections) {
    const rows: LineRow[] = [];
    const cursor = new Cursor(sections.line);
    while (!cursor.atEnd) {
      const header = readHeader(cursor, sections);
      cursor.offset = header.programOffset;
      const program = new LineProgram(header);
      program.run(cursor);
      rows.push(...program.rows);
    }
    this.#rows = rows.sort((a, b) =>
      a.address < b.address ? -1 : a.address > b.address ? 1 : Number(b.endSequence) - Number(a.endSequence),
    );
  }

  /** The files that any row names, each once. */
  get files(): readonly string[] {
    return [...new Set(this.#rows.map((row) => row.file))];
  }

  /** The row that covers `address`, or undefined outside all sequences. */
  rowAt(address: bigint): LineRow | undefined {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#rows[middle] as LineRow).address <= address) low = middle + 1;
      else high = middle;
    }
    const row = this.#rows[low - 1];
    return row === undefined || row.endSequence ? undefined : row;
  }

  /**
   * The statement addresses of `line` in the files whose path ends in `file`, lowest first. When the line has no code,
   * the next line of the same file that has some is taken, as debuggers do.
   */
  addressesOf(file: string, line: number): bigint[] {
    const inFile = (row: LineRow) => row.file === file || row.file.endsWith(`/${file}`);
    const rows = this.#rows.filter((row) => !row.endSequence && row.isStatement && row.line >= line && inFile(row));
    const nearest = rows.reduce((least, row) => Math.min(least, row.line), Number.POSITIVE_INFINITY);
    const starts: bigint[] = [];
    let previousIndex = -2;
    rows.forEach((row) => {
      if (row.line !== nearest) return;
      const index = this.#rows.indexOf(row);
      if (index !== previousIndex + 1) starts.push(row.address);
      previousIndex = index;
    });
    return starts;
  }

  /** The position of `address`, or undefined where the image says nothing. */
  positionAt(address: bigint): SourcePosition | undefined {
    return this.rowAt(address);
  }
}
