import { type Clock, type Device, UnimplementedRegisters, type Width } from './device.ts';
import { ticksAt } from './frequency.ts';

// Offsets from the power management base, 0x600 on QEMU's pc (ACPI specification, 4.8.3).
export const PM1_STATUS = 0x0;
export const PM1_ENABLE = 0x2;
export const PM1_CONTROL = 0x4;
export const PM_TIMER = 0x8;

const SCI_ENABLE = 0x0001;
const SLEEP_TYPE_SHIFT = 10;
const SLEEP_ENABLE = 0x2000;

/** The sleep type that means soft off (S5) on QEMU's pc. */
const SLEEP_TYPE_S5 = 0;

const PM_TIMER_HZ = 3_579_545;
const PM_TIMER_MASK = 0xff_ffff;

export interface AcpiPmState {
  enable: number;
  control: number;
}

/** ACPI fixed power management hardware: soft off and the 24-bit timer. It raises no events. */
export class AcpiPm implements Device<AcpiPmState> {
  onPowerOff?: () => void;
  onWarning?: (message: string) => void;

  readonly #clock: Clock;
  readonly #unimplemented = new UnimplementedRegisters('ACPI power management', (message) => this.onWarning?.(message));
  #enable = 0;
  #control = SCI_ENABLE;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  read(offset: number, width: Width): number {
    return this.peek(offset, width);
  }

  peek(offset: number, width: Width): number {
    const register = offset < PM_TIMER ? offset & ~1 : PM_TIMER;
    const value = this.#registerValue(register) >>> ((offset - register) * 8);
    return width === 4 ? value : value & (2 ** (width * 8) - 1);
  }

  write(offset: number, _width: Width, value: number): void {
    switch (offset) {
      case PM1_STATUS:
        break;
      case PM1_ENABLE:
        this.#enable = value & 0xffff;
        break;
      case PM1_CONTROL:
        this.#writeControl(value & 0xffff);
        break;
      default:
        this.#unimplemented.warn(`write to register 0x${offset.toString(16)}`);
    }
  }

  reset(): void {
    this.restore({ enable: 0, control: SCI_ENABLE });
  }

  save(): AcpiPmState {
    return { enable: this.#enable, control: this.#control };
  }

  restore(state: AcpiPmState): void {
    this.#enable = state.enable;
    this.#control = state.control;
  }

  #registerValue(register: number): number {
    if (register === PM1_ENABLE) return this.#enable;
    if (register === PM1_CONTROL) return this.#control;
    return register === PM_TIMER ? ticksAt(this.#clock.now, PM_TIMER_HZ) & PM_TIMER_MASK : 0;
  }

  /** SLP_EN is write-only: it always reads as zero. */
  #writeControl(value: number): void {
    this.#control = value & ~SLEEP_ENABLE;
    if ((value & SLEEP_ENABLE) === 0) return;
    const sleepType = (value >> SLEEP_TYPE_SHIFT) & 7;
    if (sleepType === SLEEP_TYPE_S5) this.onPowerOff?.();
    else this.#unimplemented.warn(`sleep type ${sleepType}`);
  }
}
