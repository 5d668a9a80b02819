import { AcpiPm, type AcpiPmState } from '../devices/acpi-pm.ts';
import { CmosRtc, type CmosRtcState } from '../devices/cmos-rtc.ts';
import { DebugConsole } from '../devices/debug-console.ts';
import { DebugExit } from '../devices/debug-exit.ts';
import type { Clock, Stateful } from '../devices/device.ts';
import { ExitStatus, type ExitStatusState } from '../devices/exit-status.ts';
import { I8042, type I8042State } from '../devices/i8042.ts';
import { IoApic, type IoApicState } from '../devices/ioapic.ts';
import { Lapic, type LapicState } from '../devices/lapic.ts';
import { Pic8259, type Pic8259State } from '../devices/pic8259.ts';
import { Pit8254, type Pit8254State } from '../devices/pit8254.ts';
import { ResetControl, type ResetControlState } from '../devices/reset-control.ts';
import { SystemControlB, type SystemControlBState } from '../devices/system-control-b.ts';
import { Uart16550, type Uart16550State } from '../devices/uart16550.ts';

/** ISA interrupt lines. */
const IRQ_TIMER = 0;
const IRQ_COM1 = 4;
const IRQ_RTC = 8;
/** The I/O APIC pin of IRQ 0 on a PC; every other IRQ has its own number. */
const IOAPIC_PIN_TIMER = 2;

export interface ChipsetState {
  uart: Uart16550State;
  lapic: LapicState;
  ioapic: IoApicState;
  pic: Pic8259State;
  pit: Pit8254State;
  systemControlB: SystemControlBState;
  rtc: CmosRtcState;
  keyboardController: I8042State;
  acpiPm: AcpiPmState;
  resetControl: ResetControlState;
  exitStatus: ExitStatusState;
}

/** Every device of the machine, and the wires between them. */
export class Chipset implements Stateful<ChipsetState> {
  readonly uart: Uart16550;
  readonly lapic: Lapic;
  readonly ioapic = new IoApic();
  readonly pic = new Pic8259();
  readonly pit: Pit8254;
  readonly systemControlB: SystemControlB;
  readonly rtc: CmosRtc;
  readonly keyboardController = new I8042();
  readonly acpiPm: AcpiPm;
  readonly resetControl = new ResetControl();
  readonly debugExit = new DebugExit();
  readonly debugConsole = new DebugConsole();
  readonly exitStatus = new ExitStatus();

  /** The guest used something that no device implements. */
  onWarning?: (message: string) => void;
  /** The guest asked for a reset of the whole machine. */
  onReset?: () => void;

  /** @param options as for CmosRtc */
  constructor(clock: Clock, options: { epoch: number; memoryBytes: number }) {
    this.lapic = new Lapic(clock);
    this.pit = new Pit8254(clock);
    this.systemControlB = new SystemControlB(clock, this.pit);
    this.rtc = new CmosRtc(clock, options);
    this.uart = new Uart16550(clock);
    this.acpiPm = new AcpiPm(clock);
    this.#connectInterrupts();
    this.keyboardController.onReset = () => this.onReset?.();
    this.resetControl.onReset = () => this.onReset?.();
    for (const device of [this.lapic, this.ioapic, this.pic, this.keyboardController, this.acpiPm]) {
      device.onWarning = (message) => this.onWarning?.(message);
    }
  }

  reset(): void {
    for (const device of Object.values(this.#stateful)) device.reset();
  }

  save(): ChipsetState {
    const entries = Object.entries(this.#stateful).map(([name, device]) => [name, device.save()]);
    return Object.fromEntries(entries) as ChipsetState;
  }

  restore(state: ChipsetState): void {
    for (const name of Object.keys(this.#stateful) as (keyof ChipsetState)[]) {
      (this.#stateful[name] as Stateful<unknown>).restore(state[name]);
    }
  }

  get #stateful(): { readonly [Name in keyof ChipsetState]: Stateful<ChipsetState[Name]> } {
    const { uart, lapic, ioapic, pic, pit, systemControlB, rtc, keyboardController, acpiPm, resetControl, exitStatus } =
      this;
    return { uart, lapic, ioapic, pic, pit, systemControlB, rtc, keyboardController, acpiPm, resetControl, exitStatus };
  }

  /** Each IRQ goes to the 8259 pair and to the I/O APIC: the guest programs the one it wants. */
  #connectInterrupts(): void {
    const line =
      (irq: number, pin = irq) =>
      (level: boolean) => {
        this.pic.setIrq(irq, level);
        this.ioapic.setPin(pin, level);
      };
    this.pit.onOutput = line(IRQ_TIMER, IOAPIC_PIN_TIMER);
    this.uart.onInterrupt = line(IRQ_COM1);
    this.rtc.onInterrupt = line(IRQ_RTC);
    this.pic.onInterrupt = (level) => this.lapic.setPin(0, level);
    this.lapic.onExternalAcknowledge = () => this.pic.acknowledge();
    this.lapic.onEndOfInterrupt = (vector) => this.ioapic.endOfInterrupt(vector);
    this.ioapic.onSend = (message) => {
      if (this.lapic.accepts(message)) this.lapic.deliver(message);
    };
  }
}
