import type { Device, Width } from './device.ts';

const SYSTEM_RESET = 0x02;
const RESET_CPU = 0x04;
const FULL_RESET = 0x08;
const WRITABLE = SYSTEM_RESET | RESET_CPU | FULL_RESET;

export interface ResetControlState {
  control: number;
}

/** The chipset's reset control register, port 0xcf9: setting bit 2 resets the machine. */
export class ResetControl implements Device<ResetControlState> {
  onReset?: () => void;

  #control = 0;

  read(): number {
    return this.#control;
  }

  peek(): number {
    return this.#control;
  }

  write(_offset: number, _width: Width, value: number): void {
    const resets = (value & ~this.#control & RESET_CPU) !== 0;
    this.#control = value & WRITABLE;
    if (resets) this.onReset?.();
  }

  reset(): void {
    this.#control = 0;
  }

  save(): ResetControlState {
    return { control: this.#control };
  }

  restore(state: ResetControlState): void {
    this.#control = state.control;
  }
}
