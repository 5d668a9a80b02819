import { StringTable } from '../elf/write.ts';

/** The string sections that other debug sections point into. */
export interface DebugStrings {
  /** .debug_str */
  readonly names: StringTable;
  /** .debug_line_str */
  readonly paths: StringTable;
}

export function createStrings(): DebugStrings {
  return { names: new StringTable(), paths: new StringTable() };
}
