import { stripVTControlCharacters } from 'node:util';
import { CommandError } from '../failure.ts';
import type { BenchReport } from './report.ts';
import { formatBench } from './terminal.ts';

/** Where a report that the README shows is kept, and its picture. */
export const REPORT_FILE = 'docs/bench.json';
export const PLOT_FILE = 'docs/bench.svg';

const BEGIN = '<!-- bench: written by `npm run bench -- --readme` -->';
const END = '<!-- end of bench -->';

/** The README with a report between its two marks. @throws CommandError when it has no such marks */
export function withReport(readme: string, report: BenchReport): string {
  const from = readme.indexOf(BEGIN);
  const to = readme.indexOf(END);
  if (from < 0 || to < from) throw new CommandError(`the README has no place for a report: ${BEGIN}`);
  const section = [
    BEGIN,
    '',
    `![Speed of each guest relative to QEMU's code generator](${PLOT_FILE})`,
    '',
    '```',
    stripVTControlCharacters(formatBench(report)).trimEnd(),
    '```',
    '',
  ].join('\n');
  return readme.slice(0, from) + section + readme.slice(to);
}
