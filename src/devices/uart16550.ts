import type { Alarm, Clock, Device, Width } from './device.ts';

// Register offsets (PC16550D data sheet, table II). RBR, THR and DLL share offset 0; IER and DLM share offset 1.
export const RBR = 0;
export const THR = 0;
export const DLL = 0;
export const IER = 1;
export const DLM = 1;
export const IIR = 2;
export const FCR = 2;
export const LCR = 3;
export const MCR = 4;
export const LSR = 5;
export const MSR = 6;
export const SCR = 7;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;

const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_TRANSMITTER_EMPTY = 0x02;
const IIR_DATA_AVAILABLE = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS_ENABLED = 0xc0;

const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const FCR_TRIGGER_SHIFT = 6;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const FIFO_SIZE = 16;

const LCR_STOP_BITS = 0x04;
const LCR_PARITY = 0x08;
const LCR_DLAB = 0x80;

const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const MCR_WRITABLE = 0x1f;

const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;

const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

/** The baud rate of divisor 1: 1.8432 MHz / 16. */
const BASE_BAUD = 115_200;
/** The timeout interrupt comes after this many character times without a byte in or out of the receiver FIFO. */
const TIMEOUT_CHARACTERS = 4;

export interface Uart16550State {
  divisor: number;
  interruptEnable: number;
  fifoEnabled: boolean;
  triggerLevel: number;
  lineControl: number;
  modemControl: number;
  overrun: boolean;
  modemStatusDelta: number;
  modemStatusLines: number;
  scratch: number;
  received: number[];
  transmitterEmptyPending: boolean;
  timeoutPending: boolean;
  /** Virtual time in nanoseconds of the receiver timeout, or null when none is running. */
  timeoutDeadline: number | null;
  /** The guest has looked for input twice in a row with nothing sent between. */
  polled: boolean;
  lastReadWasLineStatus: boolean;
}

function powerOnState(): Uart16550State {
  return {
    divisor: 1,
    interruptEnable: 0,
    fifoEnabled: false,
    triggerLevel: 1,
    lineControl: 0,
    modemControl: 0,
    overrun: false,
    modemStatusDelta: 0,
    modemStatusLines: MSR_CTS | MSR_DSR | MSR_DCD,
    scratch: 0,
    received: [],
    transmitterEmptyPending: false,
    timeoutPending: false,
    timeoutDeadline: null,
    polled: false,
    lastReadWasLineStatus: false,
  };
}

/**
 * A 16550A serial port. The transmitter takes no virtual time: THR is empty again before the next instruction.
 * The peer asserts CTS, DSR and DCD. OUT2 does not gate the interrupt, as in QEMU and unlike the PC's wiring:
 * drivers that leave it clear still hear their interrupts.
 */
export class Uart16550 implements Device<Uart16550State> {
  /** A byte left the transmitter. */
  onTransmit?: (byte: number) => void;
  /** The interrupt line changed. */
  onInterrupt?: (asserted: boolean) => void;
  /** The guest listens and the receiver has room: the moment to call `receive`. */
  onReceiverReady?: () => void;

  readonly #clock: Clock;
  readonly #timeout: Alarm;
  #state = powerOnState();
  #interruptLine = false;

  constructor(clock: Clock, name = 'uart16550') {
    this.#clock = clock;
    this.#timeout = clock.alarm(`${name} receiver timeout`, () => this.#receiverTimedOut());
  }

  /**
   * True when the guest shows that it wants input (RTS asserted, receiver interrupt enabled, or LSR polled with no
   * transmission between) and the receiver can take a byte without overrun. A host that waits for this loses no byte
   * to a driver that clears the FIFO while it starts.
   */
  get receiverReady(): boolean {
    const { modemControl, interruptEnable, received, polled } = this.#state;
    const listening = polled || (modemControl & MCR_RTS) !== 0 || (interruptEnable & IER_ERBFI) !== 0;
    return listening && (modemControl & MCR_LOOP) === 0 && received.length < this.#capacity();
  }

  /** A byte arrives on the line. It is lost, with LSR.OE set, when the receiver is full; in loopback nobody hears it. */
  receive(byte: number): void {
    if ((this.#state.modemControl & MCR_LOOP) === 0) this.#accept(byte);
  }

  read(offset: number, _width: Width): number {
    const value = this.peek(offset, 1);
    const state = this.#state;
    const polledBefore = state.lastReadWasLineStatus;
    state.lastReadWasLineStatus = offset === LSR;
    switch (offset) {
      case RBR:
        if (!this.#divisorLatch()) this.#takeReceived();
        break;
      case IIR:
        if ((value & 0x0f) === IIR_TRANSMITTER_EMPTY) state.transmitterEmptyPending = false;
        break;
      case LSR:
        state.overrun = false;
        if (polledBefore) state.polled = true;
        break;
      case MSR:
        state.modemStatusDelta = 0;
        break;
    }
    this.#updateInterrupt();
    if ((offset === RBR || offset === LSR) && this.receiverReady) this.onReceiverReady?.();
    return value;
  }

  peek(offset: number, _width: Width): number {
    const state = this.#state;
    switch (offset) {
      case RBR:
        return this.#divisorLatch() ? state.divisor & 0xff : (state.received[0] ?? 0);
      case IER:
        return this.#divisorLatch() ? state.divisor >> 8 : state.interruptEnable;
      case IIR:
        return this.#interruptIdentification() | (state.fifoEnabled ? IIR_FIFOS_ENABLED : 0);
      case LCR:
        return state.lineControl;
      case MCR:
        return state.modemControl;
      case LSR:
        return LSR_THRE | LSR_TEMT | (state.received.length > 0 ? LSR_DR : 0) | (state.overrun ? LSR_OE : 0);
      case MSR:
        return state.modemStatusLines | state.modemStatusDelta;
      default:
        return state.scratch;
    }
  }

  write(offset: number, _width: Width, value: number): void {
    const state = this.#state;
    const byte = value & 0xff;
    switch (offset) {
      case THR:
        if (this.#divisorLatch()) state.divisor = (state.divisor & 0xff00) | byte;
        else this.#transmit(byte);
        break;
      case IER:
        if (this.#divisorLatch()) state.divisor = (state.divisor & 0x00ff) | (byte << 8);
        else this.#writeInterruptEnable(byte & 0x0f);
        break;
      case FCR:
        this.#writeFifoControl(byte);
        break;
      case LCR:
        state.lineControl = byte;
        break;
      case MCR:
        state.modemControl = byte & MCR_WRITABLE;
        this.#updateModemStatus();
        break;
      case SCR:
        state.scratch = byte;
        break;
    }
    this.#updateInterrupt();
    if (this.receiverReady) this.onReceiverReady?.();
  }

  reset(): void {
    this.restore(powerOnState());
  }

  save(): Uart16550State {
    return { ...this.#state, received: [...this.#state.received] };
  }

  restore(state: Uart16550State): void {
    this.#state = { ...state, received: [...state.received] };
    if (state.timeoutDeadline === null) this.#timeout.clear();
    else this.#timeout.set(state.timeoutDeadline);
    this.#updateInterrupt();
  }

  #divisorLatch(): boolean {
    return (this.#state.lineControl & LCR_DLAB) !== 0;
  }

  #capacity(): number {
    return this.#state.fifoEnabled ? FIFO_SIZE : 1;
  }

  #accept(byte: number): void {
    const state = this.#state;
    if (state.received.length < this.#capacity()) {
      state.received.push(byte);
    } else {
      state.overrun = true;
      if (!state.fifoEnabled) state.received[0] = byte;
    }
    this.#restartTimeout();
    this.#updateInterrupt();
  }

  #takeReceived(): void {
    this.#state.received.shift();
    this.#state.timeoutPending = false;
    this.#restartTimeout();
  }

  /** The interrupt is withdrawn while THR is full, however short: an edge-triggered controller sees a new request. */
  #transmit(byte: number): void {
    const state = this.#state;
    state.transmitterEmptyPending = false;
    this.#updateInterrupt();
    state.transmitterEmptyPending = true;
    state.lastReadWasLineStatus = false;
    if ((state.modemControl & MCR_LOOP) !== 0) this.#accept(byte);
    else this.onTransmit?.(byte);
  }

  #writeInterruptEnable(value: number): void {
    const state = this.#state;
    const transmitterNewlyEnabled = (value & ~state.interruptEnable & IER_ETBEI) !== 0;
    state.interruptEnable = value;
    if (transmitterNewlyEnabled) state.transmitterEmptyPending = true;
  }

  #writeFifoControl(value: number): void {
    const state = this.#state;
    const enabled = (value & FCR_ENABLE) !== 0;
    const clear = enabled !== state.fifoEnabled || (value & FCR_CLEAR_RECEIVER) !== 0;
    state.fifoEnabled = enabled;
    state.triggerLevel = enabled ? (TRIGGER_LEVELS[value >> FCR_TRIGGER_SHIFT] ?? 1) : 1;
    if (!clear) return;
    state.received = [];
    state.timeoutPending = false;
    this.#restartTimeout();
  }

  /** In loopback the modem outputs drive the modem inputs: DTR DSR, RTS CTS, OUT1 RI, OUT2 DCD. */
  #updateModemStatus(): void {
    const state = this.#state;
    const control = state.modemControl;
    const before = state.modemStatusLines;
    if ((control & MCR_LOOP) === 0) {
      state.modemStatusLines = MSR_CTS | MSR_DSR | MSR_DCD;
    } else {
      state.modemStatusLines =
        ((control & MCR_RTS) !== 0 ? MSR_CTS : 0) |
        ((control & MCR_DTR) !== 0 ? MSR_DSR : 0) |
        ((control & MCR_OUT1) !== 0 ? MSR_RI : 0) |
        ((control & MCR_OUT2) !== 0 ? MSR_DCD : 0);
    }
    const changed = before ^ state.modemStatusLines;
    const ringEnded = before & ~state.modemStatusLines & MSR_RI;
    state.modemStatusDelta |= ((changed & ~MSR_RI) | ringEnded) >> 4;
  }

  #characterTime(): number {
    const { lineControl, divisor } = this.#state;
    const dataBits = 5 + (lineControl & 0x03);
    const bits =
      1 + dataBits + ((lineControl & LCR_PARITY) !== 0 ? 1 : 0) + ((lineControl & LCR_STOP_BITS) !== 0 ? 2 : 1);
    return Math.ceil((bits * Math.max(divisor, 1) * 1_000_000_000) / BASE_BAUD);
  }

  #restartTimeout(): void {
    const state = this.#state;
    if (state.fifoEnabled && state.received.length > 0) {
      state.timeoutDeadline = this.#clock.now + TIMEOUT_CHARACTERS * this.#characterTime();
      this.#timeout.set(state.timeoutDeadline);
    } else {
      state.timeoutDeadline = null;
      this.#timeout.clear();
    }
  }

  #receiverTimedOut(): void {
    this.#state.timeoutDeadline = null;
    this.#state.timeoutPending = this.#state.received.length > 0;
    this.#updateInterrupt();
  }

  /** The pending interrupt of highest priority (data sheet, table IV). */
  #interruptIdentification(): number {
    const { interruptEnable, overrun, received, triggerLevel, timeoutPending, transmitterEmptyPending } = this.#state;
    if ((interruptEnable & IER_ELSI) !== 0 && overrun) return IIR_LINE_STATUS;
    if ((interruptEnable & IER_ERBFI) !== 0) {
      if (received.length >= triggerLevel) return IIR_DATA_AVAILABLE;
      if (timeoutPending) return IIR_TIMEOUT;
    }
    if ((interruptEnable & IER_ETBEI) !== 0 && transmitterEmptyPending) return IIR_TRANSMITTER_EMPTY;
    if ((interruptEnable & IER_EDSSI) !== 0 && this.#state.modemStatusDelta !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #updateInterrupt(): void {
    const asserted = this.#interruptIdentification() !== IIR_NONE;
    if (asserted === this.#interruptLine) return;
    this.#interruptLine = asserted;
    this.onInterrupt?.(asserted);
  }
}
