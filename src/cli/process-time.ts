/** A moment in this process's life, in seconds since its start. */
export interface ProcessTime {
  readonly elapsed: number;
  /** Processor time used, all threads together. */
  readonly processor: number;
}

export function processTime(): ProcessTime {
  return { elapsed: round(performance.now() / 1000), processor: round(processorSeconds()) };
}

/** Processor time that this process has used, compiler threads included. */
export function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** To the millisecond. */
function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
