import type { Device, Width } from './device.ts';

export interface ExitStatusState {
  status: number;
}

/** Verdigris's own port 0xf5: one byte, the exit status that a power-off reports to the host. */
export class ExitStatus implements Device<ExitStatusState> {
  #status = 0;

  get status(): number {
    return this.#status;
  }

  read(): number {
    return this.#status;
  }

  peek(): number {
    return this.#status;
  }

  write(_offset: number, _width: Width, value: number): void {
    this.#status = value & 0xff;
  }

  reset(): void {
    this.#status = 0;
  }

  save(): ExitStatusState {
    return { status: this.#status };
  }

  restore(state: ExitStatusState): void {
    this.#status = state.status;
  }
}
