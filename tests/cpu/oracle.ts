import type { Cpu } from '../../src/cpu/cpu.ts';
import { OracleProcessor } from '../../src/cpu/oracle/oracle-processor.ts';

/** The oracle with the two methods that put a `Cpu` into a mode. */
export class Oracle extends OracleProcessor {
  reset(): void {
    this.system.reset();
  }
  refresh(): void {
    this.system.refresh();
  }
}

export type Processor = Cpu | Oracle;
