import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import ts from 'typescript';

/** Lines of source: with code on them, with a comment and nothing else, and empty ones. */
export interface LineCount {
  readonly code: number;
  readonly comment: number;
  readonly blank: number;
}

export interface FolderCount extends LineCount {
  /** Below src/, as in `kernel/process`. */
  readonly folder: string;
  readonly files: number;
}

export interface SourceReport {
  /** In the order of their names; a folder's count is of the files directly in it. */
  readonly folders: readonly FolderCount[];
  readonly total: LineCount;
  /** Lines of code of the kernel, its boot data and the programs that run on it not counted. */
  readonly kernelCode: number;
}

/** Lines of code that the kernel may have at most: what one person can read and hold in mind. */
export const KERNEL_CODE_LIMIT = 15_000;

/** Boot modules are data in assembly language, not kernel code. */
const BOOT_DATA = '.boot.ts';

/** Counts the lines of a TypeScript source. A line with code and a comment is one of code. */
export function countLines(text: string): LineCount {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.ESNext, true);
  const lines = text.replace(/\n$/, '').split('\n');
  const hasCode = new Uint8Array(lines.length);
  const mark = (node: ts.Node): void => {
    const children = node.getChildren(source).filter((child) => !ts.isJSDoc(child));
    if (children.length > 0) for (const child of children) mark(child);
    else if (node.getWidth(source) > 0) {
      const [first, last] = [node.getStart(source), node.getEnd() - 1].map(
        (at) => source.getLineAndCharacterOfPosition(at).line,
      );
      hasCode.fill(1, first, last! + 1);
    }
  };
  mark(source);
  const code = hasCode.reduce((sum, each) => sum + each, 0);
  const blank = lines.filter((line, index) => hasCode[index] === 0 && line.trim() === '').length;
  return { code, blank, comment: lines.length - code - blank };
}

const NOTHING: LineCount = { code: 0, comment: 0, blank: 0 };

function add(a: LineCount, b: LineCount): LineCount {
  return { code: a.code + b.code, comment: a.comment + b.comment, blank: a.blank + b.blank };
}

/** Counts the sources below a folder `src`. */
export function reportSources(src: string): SourceReport {
  const folders = new Map<string, FolderCount>();
  let kernelCode = 0;
  for (const path of sourcesBelow(src)) {
    const name = relative(src, path).split(sep);
    const folder = name.slice(0, -1).join('/');
    const lines = countLines(readFileSync(path, 'utf8'));
    const known = folders.get(folder) ?? { folder, files: 0, ...NOTHING };
    folders.set(folder, { folder, files: known.files + 1, ...add(known, lines) });
    if (name[0] === 'kernel' && !path.endsWith(BOOT_DATA)) kernelCode += lines.code;
  }
  const rows = [...folders.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1));
  return { folders: rows, total: rows.reduce(add, NOTHING), kernelCode };
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** The report as a table for people: a line a folder, sums of the top folders among them. */
export function formatSourceReport({ folders, total, kernelCode }: SourceReport): string {
  const top = [...new Set(folders.map(({ folder }) => folder.split('/')[0]!))];
  const line = (name: string, count: LineCount, files: number) =>
    [name.padEnd(36), files, count.code, count.comment, count.blank].map((cell) => String(cell).padStart(9)).join('');
  const rows = top.flatMap((name) => {
    const own = folders.filter(({ folder }) => folder === name || folder.startsWith(`${name}/`));
    const sum = line(
      `src/${name}`,
      own.reduce(add, NOTHING),
      own.reduce((files, each) => files + each.files, 0),
    );
    const parts =
      own.length === 1
        ? []
        : own.map((each) => line(`  src/${each.folder}${each.folder === name ? ' itself' : ''}`, each, each.files));
    return [sum, ...parts];
  });
  const head = ['folder'.padEnd(36), ...['files', 'code', 'comment', 'blank'].map((text) => text.padStart(9))].join('');
  const files = folders.reduce((sum, each) => sum + each.files, 0);
  return [
    head,
    ...rows,
    line('all', total, files),
    `kernel code, without boot data and programs: ${kernelCode} lines of at most ${KERNEL_CODE_LIMIT}`,
    '',
  ].join('\n');
}
