import type { DebugImage } from '../debug-image.ts';
import type { Variable } from '../dwarf/debug-info.ts';
import { type DwarfType, type Member, sizeOf } from '../dwarf/types.ts';
import { unsignedLittleEndian } from '../value-printer.ts';
import { CommandError } from './expression.ts';
import type { Session } from './session.ts';

type Structure = Extract<DwarfType, { kind: 'structure' }>;

/** The names by which the kernel's process table is found in its debug information (src/kernel/process/table.ts, pcb.ts). */
const TABLE = 'slots';
const CLASS = 'Process';
const STATE_NAMES = 'ProcessState';

interface ProcessTable {
  readonly address: bigint;
  readonly count: number;
  readonly process: Structure;
  readonly image: DebugImage;
}

/** An array of references to the class `Process`: how the table is told from other variables of its name. */
function processClass(variable: Variable): { process: Structure; count: number } | undefined {
  if (variable.type.kind !== 'array') return undefined;
  const element = variable.type.element();
  const target = element.kind === 'pointer' ? element.target() : undefined;
  if (target?.kind !== 'structure' || target.name !== CLASS) return undefined;
  return { process: target, count: variable.type.count };
}

function findTable(session: Session): ProcessTable {
  const image = session.images.kernel;
  const noFrame = { register: () => 0n, readMemory: () => undefined, frameBase: undefined };
  for (const variable of image?.info.globals.get(TABLE) ?? []) {
    const found = processClass(variable);
    const location = variable.locate(0n, noFrame);
    if (image !== undefined && found !== undefined && location.kind === 'memory') {
      return { ...found, address: location.address, image };
    }
  }
  throw new CommandError('this image has no process table: its debug information has no array of Process');
}

/** An object of the guest read member by member. */
class GuestObject {
  readonly #bytes: Uint8Array;
  readonly #members: readonly Member[];

  constructor(bytes: Uint8Array, type: Structure) {
    this.#bytes = bytes;
    this.#members = type.members();
  }

  #slice(name: string): Uint8Array {
    const member = this.#members.find((each) => each.name === name);
    if (member === undefined) throw new CommandError(`the class ${CLASS} of this image has no field '${name}'`);
    return this.#bytes.subarray(member.offset, member.offset + sizeOf(member.type));
  }

  number(name: string): bigint {
    return unsignedLittleEndian(this.#slice(name));
  }

  text(name: string): string {
    const bytes = this.#slice(name);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }
}

function readObject(session: Session, address: bigint, type: Structure): GuestObject | undefined {
  const bytes = session.target.readMemory(address, type.size);
  return bytes === undefined ? undefined : new GuestObject(bytes, type);
}

/** The kernel's process table, a line a process, read from guest memory through the kernel's own debug information. */
export function processView(session: Session): string[] {
  const { address, count, process, image } = findTable(session);
  const states = image.info.typeNamed(STATE_NAMES);
  const stateName = (value: bigint) =>
    (states?.kind === 'enumeration' ? states.names.get(value) : undefined) ?? `${value}`;
  const rows = [['PID', 'PPID', 'PGID', 'SID', 'THREADS', 'STATE', 'NAME']];
  for (let index = 0; index < count; index++) {
    const pointer = session.readPointer(address + BigInt(index * 8));
    const entry = pointer ? readObject(session, pointer, process) : undefined;
    if (entry === undefined) continue;
    const parent = entry.number('parent') === 0n ? undefined : readObject(session, entry.number('parent'), process);
    const numbers = [entry.number('pid'), parent?.number('pid') ?? 0n, entry.number('pgid'), entry.number('sid')];
    rows.push([
      ...numbers.map(String),
      `${entry.number('threadCount')}`,
      stateName(entry.number('state')),
      entry.text('name'),
    ]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column < 5 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
