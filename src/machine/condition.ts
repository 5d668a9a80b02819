import type { Machine } from './machine.ts';

/** Something a run can wait for. */
export interface Condition {
  /** The end of "the machine stopped before ...". */
  readonly description: string;
  /**
   * Calls `met` once the condition holds.
   * @returns a function that stops watching
   */
  attach(machine: Machine, met: () => void): () => void;
}

/** Longest line that a pattern is matched against, in characters. */
const LINE_KEPT = 4096;

/**
 * The guest has written a text to its serial console. Only output from now on counts.
 * @param pattern text, which may span lines, or a regular expression for the line being written
 */
export function serial(pattern: string | RegExp): Condition {
  return {
    description: `its serial output contained ${typeof pattern === 'string' ? JSON.stringify(pattern) : pattern}`,
    attach(machine, met) {
      const matches = typeof pattern === 'string' ? textMatcher(pattern) : lineMatcher(pattern);
      return machine.serial.onByte((byte) => {
        if (matches(byte)) met();
      });
    },
  };
}

function textMatcher(text: string): (byte: number) => boolean {
  const wanted = new TextEncoder().encode(text);
  let recent: number[] = [];
  return (byte) => {
    recent.push(byte);
    recent = recent.slice(-wanted.length);
    return recent.length === wanted.length && recent.every((value, index) => value === wanted[index]);
  };
}

function lineMatcher(pattern: RegExp): (byte: number) => boolean {
  const expression = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  let line = '';
  return (byte) => {
    if (byte === 0x0a) line = '';
    else line = (line + String.fromCharCode(byte)).slice(-LINE_KEPT);
    return expression.test(line);
  };
}
