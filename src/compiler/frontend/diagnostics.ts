import type ts from 'typescript';

/** What a program breaks when it breaks a rule: a promise kept for ever, or something not yet supported. */
export type RuleClass = 'guarantee' | 'deferred';

/** A rule of the dialect. Rules are made by the factories in rules/. */
export interface Rule {
  /** VG and four digits. */
  readonly code: string;
  readonly class: RuleClass;
  readonly rule: string;
  readonly fix: string;
  readonly reason: string;
}

export interface Location {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** UTF-16 units. */
  readonly length: number;
  /** The text of the line. */
  readonly source: string;
}

/** One finding, of tsc (code TSnnnn) or of the dialect (VGnnnn). */
export interface Diagnostic {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
  readonly reason?: string;
  readonly class?: RuleClass;
  readonly location: Location | null;
}

export function locate(file: ts.SourceFile, start: number, length: number): Location {
  const { line, character } = file.getLineAndCharacterOfPosition(start);
  const lineStart = file.getPositionOfLineAndCharacter(line, 0);
  const newline = file.text.indexOf('\n', lineStart);
  const source = file.text.slice(lineStart, newline < 0 ? undefined : newline);
  return { file: file.fileName, line: line + 1, column: character + 1, length, source };
}

export function broken(rule: Rule, node: ts.Node): Diagnostic {
  const file = node.getSourceFile();
  const start = node.getStart(file);
  const { code, rule: message, fix, reason, class: ruleClass } = rule;
  return { code, message, fix, reason, class: ruleClass, location: locate(file, start, node.end - start) };
}

/** As `tsc --pretty` prints: place, code, text, then the source line with the span underlined, then fix and reason. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { code, message, fix, reason, location } = diagnostic;
  const lines = [`error ${code}: ${message}`];
  if (location !== null) {
    const { file, line, column, length, source } = location;
    lines[0] = `${file}:${line}:${column} - ${lines[0]}`;
    const underline = Math.max(1, Math.min(length, source.length - column + 1));
    const gutter = String(line);
    lines.push('', `${gutter} ${source}`, `${' '.repeat(gutter.length + column)}${'~'.repeat(underline)}`);
  }
  if (fix !== undefined) lines.push(`  fix: ${fix}`);
  if (reason !== undefined) lines.push(`  why: ${reason}`);
  return `${lines.join('\n')}\n`;
}
