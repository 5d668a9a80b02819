import { GOALS } from './guests.ts';
import { type BenchReport, type GuestResult, meanRatio, verdictOn, verdictOnMean, versionsText } from './report.ts';

const TITLE = 'Speed relative to QEMU TCG, processor time, same run';
const WIDTH = 860;
const LABELS = 190;
const MARGIN = 20;
const TOP = 64;
const ROW = 20;
const BAR = 12;
const AXIS_FONT = 11;

const Colour = {
  BACKGROUND: '#ffffff',
  TEXT: '#24292f',
  GRID: '#d8dee4',
  REACHED: '#2a9d6f',
  BELOW: '#d9822b',
  INTERPRETER: '#6e7781',
  GOAL: '#24292f',
} as const;

/** One line of the plot. */
interface Row {
  readonly label: string;
  readonly ratio: number | undefined;
  readonly interpreter: number | undefined;
  readonly goal: number;
  readonly isReached: boolean;
}

/**
 * The guests' speeds relative to QEMU as an SVG picture, on a logarithmic scale: bars for the engine that translates, from 1
 * to the right where we are faster, dots for the interpreter alone, and a tick at each goal.
 */
export function plotBench(report: BenchReport): string {
  const rows = [...report.guests.map(guestRow), ...meanRow(report)];
  const scale = scaleFor(rows);
  const bottom = TOP + ROW * rows.length;
  const parts = [
    ...legend(report),
    ...grid(scale, bottom),
    ...rows.flatMap((row, index) => drawRow(row, TOP + ROW * index, scale)),
    text(LABELS, bottom + 34, `${report.date}; ${versionsText(report.versions)}`, { size: 9 }),
  ];
  const height = bottom + 46;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif">`,
    `<title>${TITLE}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="${Colour.BACKGROUND}"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function guestRow(guest: GuestResult): Row {
  const verdict = verdictOn(guest);
  return {
    label: guest.name,
    ratio: verdict?.ratio,
    interpreter: guest.engines.interpreter?.ratio,
    goal: GOALS[guest.kind],
    isReached: verdict?.isReached ?? false,
  };
}

function meanRow(report: BenchReport): Row[] {
  const engine = report.engines.find((name) => name !== 'interpreter');
  const verdict = engine === undefined ? undefined : verdictOnMean(report, engine);
  if (verdict === undefined) return [];
  const interpreter = report.engines.includes('interpreter') ? meanRatio(report.guests, 'interpreter') : undefined;
  return [{ label: 'geometric mean', ...verdict, interpreter }];
}

/** Position of a ratio, with the powers of two that the axis shows. */
interface Scale {
  readonly at: (ratio: number) => number;
  readonly steps: readonly number[];
}

function scaleFor(rows: readonly Row[]): Scale {
  const values = rows.flatMap(({ ratio, interpreter, goal }) => [ratio, interpreter, goal, 1]);
  const logs = values.filter((value) => value !== undefined).map(Math.log2);
  const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs))];
  const unit = (WIDTH - LABELS - MARGIN) / (high - low);
  return {
    at: (ratio) => LABELS + (Math.log2(ratio) - low) * unit,
    steps: Array.from({ length: high - low + 1 }, (_, index) => 2 ** (low + index)),
  };
}

function legend(report: BenchReport): string[] {
  const engine = report.engines.find((name) => name !== 'interpreter') ?? 'auto';
  const box = (x: number, fill: string) => `<rect x="${x}" y="31" width="14" height="${BAR}" fill="${fill}"/>`;
  return [
    text(MARGIN, 20, TITLE, { size: 15, weight: 'bold' }),
    box(MARGIN, Colour.REACHED),
    text(MARGIN + 20, 41, `${engine}, goal reached`),
    box(MARGIN + 150, Colour.BELOW),
    text(MARGIN + 170, 41, `${engine}, below the goal`),
    `<line x1="${MARGIN + 327}" x2="${MARGIN + 327}" y1="29" y2="45" stroke="${Colour.GOAL}" stroke-width="2"/>`,
    text(MARGIN + 340, 41, 'goal'),
    `<circle cx="${MARGIN + 397}" cy="37" r="3.5" fill="${Colour.INTERPRETER}"/>`,
    text(MARGIN + 410, 41, 'interpreter alone'),
  ];
}

function grid({ at, steps }: Scale, bottom: number): string[] {
  return steps.flatMap((step) => {
    const x = at(step).toFixed(1);
    const width = step === 1 ? 2 : 1;
    return [
      `<line x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${bottom}" stroke="${Colour.GRID}" stroke-width="${width}"/>`,
      text(at(step), bottom + 15, step >= 1 ? `${step}x` : `1/${1 / step}x`, { anchor: 'middle' }),
    ];
  });
}

function drawRow({ label, ratio, interpreter, goal, isReached }: Row, top: number, { at }: Scale): string[] {
  const middle = top + ROW / 2;
  const parts = [text(LABELS - 10, middle + 4, label, { anchor: 'end' })];
  if (ratio !== undefined) {
    const [from, to] = [Math.min(at(1), at(ratio)), Math.max(at(1), at(ratio))];
    const fill = isReached ? Colour.REACHED : Colour.BELOW;
    const size = `width="${(to - from).toFixed(1)}" height="${BAR}"`;
    const title = `<title>${label}: ${ratio.toFixed(2)}x, goal ${goal}x</title>`;
    parts.push(`<rect x="${from.toFixed(1)}" y="${middle - BAR / 2}" ${size} fill="${fill}">${title}</rect>`);
  }
  if (interpreter !== undefined) {
    parts.push(`<circle cx="${at(interpreter).toFixed(1)}" cy="${middle}" r="3.5" fill="${Colour.INTERPRETER}"/>`);
  }
  const x = at(goal).toFixed(1);
  const ends = `y1="${middle - 8}" y2="${middle + 8}"`;
  parts.push(`<line x1="${x}" x2="${x}" ${ends} stroke="${Colour.GOAL}" stroke-width="2"/>`);
  return parts;
}

interface TextStyle {
  readonly size?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly weight?: 'normal' | 'bold';
}

function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { size = AXIS_FONT, anchor = 'start', weight = 'normal' } = style;
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const attributes = `font-size="${size}" text-anchor="${anchor}" font-weight="${weight}" fill="${Colour.TEXT}"`;
  return `<text x="${x.toFixed(1)}" y="${y}" ${attributes}>${escaped}</text>`;
}
