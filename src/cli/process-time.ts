/** A moment in this process's life, in seconds since its start. */
export interface ProcessTime {
  readonly elapsed: number;
  /** Processor time used, all threads together. */
  readonly processor: number;
}

export function processTime(): ProcessTime {
  const { user, system } = process.cpuUsage();
  return { elapsed: round(performance.now() / 1000), processor: round((user + system) / 1e6) };
}

/** To the millisecond. */
function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
