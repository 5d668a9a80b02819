import type { Clock, Device, Width } from './device.ts';
import { ticksAt, timeOfTick } from './frequency.ts';

// Ports (MC146818A data sheet; PC wiring).
export const INDEX = 0;
export const DATA = 1;

// Registers behind the index.
export const SECONDS = 0x00;
export const SECONDS_ALARM = 0x01;
export const MINUTES = 0x02;
export const MINUTES_ALARM = 0x03;
export const HOURS = 0x04;
export const HOURS_ALARM = 0x05;
export const DAY_OF_WEEK = 0x06;
export const DAY_OF_MONTH = 0x07;
export const MONTH = 0x08;
export const YEAR = 0x09;
export const REGISTER_A = 0x0a;
export const REGISTER_B = 0x0b;
export const REGISTER_C = 0x0c;
export const REGISTER_D = 0x0d;
export const CENTURY = 0x32;

const A_UPDATE_IN_PROGRESS = 0x80;
const A_RATE = 0x0f;
const A_DIVIDER_32768_HZ = 0x20;

const B_HOURS_24 = 0x02;
const B_BINARY = 0x04;
const B_UPDATE_INTERRUPT = 0x10;
const B_ALARM_INTERRUPT = 0x20;
const B_PERIODIC_INTERRUPT = 0x40;
const B_SET = 0x80;

const C_UPDATE = 0x10;
const C_ALARM = 0x20;
const C_PERIODIC = 0x40;
const C_REQUEST = 0x80;

const D_VALID = 0x80;

const HOURS_PM = 0x80;
/** An alarm register from here up matches every value. */
const ALARM_ANY = 0xc0;

const SECOND = 1_000_000_000;
/** Update-in-progress precedes the update by this many nanoseconds. */
const UPDATE_WINDOW = 244_000;

/** PC BIOS registers that tell how much memory there is. */
const BASE_MEMORY_KIB = [0x15, 0x16] as const;
const EXTENDED_MEMORY_KIB = [
  [0x17, 0x18],
  [0x30, 0x31],
] as const;
const MEMORY_ABOVE_16_MIB = [0x34, 0x35] as const;

export interface CmosRtcState {
  index: number;
  /** All 128 bytes; those of the running clock are computed when read. */
  memory: number[];
  /** Seconds since 1970 at virtual time zero. */
  epoch: number;
  /** Seconds since 1970 while register B's SET bit stops the clock, or null. */
  stopped: number | null;
  flags: number;
  /** Virtual time up to which the update and periodic flags have been taken into account. */
  flagsTime: number;
}

/**
 * An MC146818A real-time clock with its CMOS memory, as wired on a PC. It starts at a date that the machine chooses,
 * so that two runs see the same time.
 */
export class CmosRtc implements Device<CmosRtcState> {
  /** The IRQ 8 line changed. */
  onInterrupt?: (asserted: boolean) => void;

  readonly #clock: Clock;
  readonly #options: { epoch: number; memoryBytes: number };
  readonly #alarm;
  #state: CmosRtcState;
  #interruptLine = false;

  /**
   * @param options.epoch the date at virtual time zero, in seconds since 1970 UTC
   * @param options.memoryBytes size of RAM, for the BIOS's memory size registers
   */
  constructor(clock: Clock, options: { epoch: number; memoryBytes: number }) {
    this.#clock = clock;
    this.#options = options;
    this.#alarm = clock.alarm('cmos-rtc', () => this.#update());
    this.#state = this.#powerOnState();
  }

  read(offset: number, _width: Width): number {
    this.#update();
    const value = this.peek(offset, 1);
    if (offset === DATA && this.#state.index === REGISTER_C) {
      this.#state.flags = 0;
      this.#updateLine();
    }
    return value;
  }

  peek(offset: number, _width: Width): number {
    if (offset === INDEX) return 0xff;
    const { index, memory, flags } = this.#state;
    switch (index) {
      case REGISTER_A:
        return memory[REGISTER_A]! | (this.#updateInProgress ? A_UPDATE_IN_PROGRESS : 0);
      case REGISTER_C:
        return flags | (this.#requested ? C_REQUEST : 0);
      case REGISTER_D:
        return D_VALID;
      default:
        return this.#readDate(index) ?? memory[index]!;
    }
  }

  write(offset: number, _width: Width, value: number): void {
    const state = this.#state;
    const byte = value & 0xff;
    if (offset === INDEX) {
      state.index = byte & 0x7f;
      return;
    }
    this.#update();
    switch (state.index) {
      case REGISTER_A:
        state.memory[REGISTER_A] = byte & ~A_UPDATE_IN_PROGRESS;
        break;
      case REGISTER_B:
        this.#writeRegisterB(byte);
        break;
      case REGISTER_C:
      case REGISTER_D:
        break;
      default:
        if (this.#readDate(state.index) === undefined) state.memory[state.index] = byte;
        else this.#writeDate(state.index, byte);
    }
    this.#update();
  }

  reset(): void {
    this.restore(this.#powerOnState());
  }

  save(): CmosRtcState {
    return { ...this.#state, memory: [...this.#state.memory] };
  }

  restore(state: CmosRtcState): void {
    this.#state = { ...state, memory: [...state.memory] };
    this.#updateLine();
    this.#arm();
  }

  #powerOnState(): CmosRtcState {
    const memory = Array.from({ length: 128 }, () => 0);
    memory[REGISTER_A] = A_DIVIDER_32768_HZ | 6;
    memory[REGISTER_B] = B_HOURS_24;
    const store = ([low, high]: readonly [number, number], value: number) => {
      memory[low] = value & 0xff;
      memory[high] = value >> 8;
    };
    const { memoryBytes, epoch } = this.#options;
    store(BASE_MEMORY_KIB, 640);
    const extendedKib = Math.max(0, Math.floor(memoryBytes / 1024) - 1024);
    for (const registers of EXTENDED_MEMORY_KIB) store(registers, Math.min(extendedKib, 0xffff));
    store(MEMORY_ABOVE_16_MIB, Math.min(Math.max(0, Math.floor(memoryBytes / 0x1_0000) - 256), 0xffff));
    return { index: 0, memory, epoch, stopped: null, flags: 0, flagsTime: this.#clock.now };
  }

  get #registerB(): number {
    return this.#state.memory[REGISTER_B]!;
  }

  get #seconds(): number {
    return this.#state.stopped ?? this.#state.epoch + Math.floor(this.#clock.now / SECOND);
  }

  get #updateInProgress(): boolean {
    return this.#state.stopped === null && this.#clock.now % SECOND >= SECOND - UPDATE_WINDOW;
  }

  /** The interrupt flags whose enable bit in register B is set: they have the same positions. */
  get #requested(): boolean {
    return (this.#state.flags & this.#registerB & (C_UPDATE | C_ALARM | C_PERIODIC)) !== 0;
  }

  get #date(): Date {
    return new Date(this.#seconds * 1000);
  }

  /** The value of a time or date register as the guest reads it, or undefined for any other register. */
  #readDate(index: number): number | undefined {
    const date = this.#date;
    switch (index) {
      case SECONDS:
        return this.#encode(date.getUTCSeconds());
      case MINUTES:
        return this.#encode(date.getUTCMinutes());
      case HOURS:
        return this.#encodeHours(date.getUTCHours());
      case DAY_OF_WEEK:
        return this.#encode(date.getUTCDay() + 1);
      case DAY_OF_MONTH:
        return this.#encode(date.getUTCDate());
      case MONTH:
        return this.#encode(date.getUTCMonth() + 1);
      case YEAR:
        return this.#encode(date.getUTCFullYear() % 100);
      case CENTURY:
        return this.#encode(Math.floor(date.getUTCFullYear() / 100));
      default:
        return undefined;
    }
  }

  /** Sets one field of the date. The day of the week follows from the others. */
  #writeDate(index: number, byte: number): void {
    const date = this.#date;
    const value = this.#decode(byte);
    const year = date.getUTCFullYear();
    if (index === SECONDS) date.setUTCSeconds(value);
    else if (index === MINUTES) date.setUTCMinutes(value);
    else if (index === HOURS) date.setUTCHours(this.#decodeHours(byte));
    else if (index === DAY_OF_MONTH) date.setUTCDate(value);
    else if (index === MONTH) date.setUTCMonth(value - 1);
    else if (index === YEAR) date.setUTCFullYear(year - (year % 100) + value);
    else if (index === CENTURY) date.setUTCFullYear(value * 100 + (year % 100));
    const change = Math.floor(date.getTime() / 1000) - this.#seconds;
    if (this.#state.stopped !== null) this.#state.stopped += change;
    else this.#state.epoch += change;
  }

  #writeRegisterB(value: number): void {
    const state = this.#state;
    const stops = (value & B_SET) !== 0;
    if (stops) {
      state.stopped ??= this.#seconds;
    } else if (state.stopped !== null) {
      state.epoch = state.stopped - Math.floor(this.#clock.now / SECOND);
      state.stopped = null;
    }
    state.memory[REGISTER_B] = stops ? value & ~B_UPDATE_INTERRUPT : value;
  }

  #encode(value: number): number {
    return (this.#registerB & B_BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decode(byte: number): number {
    return (this.#registerB & B_BINARY) !== 0 ? byte : (byte >> 4) * 10 + (byte & 0x0f);
  }

  #encodeHours(hours: number): number {
    if ((this.#registerB & B_HOURS_24) !== 0) return this.#encode(hours);
    return this.#encode(((hours + 11) % 12) + 1) | (hours >= 12 ? HOURS_PM : 0);
  }

  #decodeHours(byte: number): number {
    if ((this.#registerB & B_HOURS_24) !== 0) return this.#decode(byte);
    return (this.#decode(byte & ~HOURS_PM) % 12) + ((byte & HOURS_PM) !== 0 ? 12 : 0);
  }

  /** Hertz of the periodic interrupt, or 0 (MC146818A data sheet, table 5). */
  get #periodicHertz(): number {
    const rate = this.#state.memory[REGISTER_A]! & A_RATE;
    if (rate === 0) return 0;
    return 32_768 >> ((rate < 3 ? rate + 7 : rate) - 1);
  }

  /** Sets the flags of everything that has happened since they were last looked at, and the next alarm. */
  #update(): void {
    const state = this.#state;
    const now = this.#clock.now;
    const hertz = this.#periodicHertz;
    if (hertz !== 0 && ticksAt(now, hertz) > ticksAt(state.flagsTime, hertz)) state.flags |= C_PERIODIC;
    if (state.stopped === null && Math.floor(now / SECOND) > Math.floor(state.flagsTime / SECOND)) {
      state.flags |= C_UPDATE;
      if (this.#alarmMatches()) state.flags |= C_ALARM;
    }
    state.flagsTime = now;
    this.#updateLine();
    this.#arm();
  }

  #alarmMatches(): boolean {
    return [SECONDS, MINUTES, HOURS].every((register) => {
      const alarm = this.#state.memory[register + 1]!;
      return alarm >= ALARM_ANY || alarm === this.#readDate(register);
    });
  }

  #arm(): void {
    const now = this.#clock.now;
    const enabled = this.#registerB;
    const hertz = this.#periodicHertz;
    const deadlines: number[] = [];
    if ((enabled & B_PERIODIC_INTERRUPT) !== 0 && hertz !== 0) {
      deadlines.push(timeOfTick(ticksAt(now, hertz) + 1, hertz));
    }
    if ((enabled & (B_UPDATE_INTERRUPT | B_ALARM_INTERRUPT)) !== 0 && this.#state.stopped === null) {
      deadlines.push((Math.floor(now / SECOND) + 1) * SECOND);
    }
    if (deadlines.length === 0) this.#alarm.clear();
    else this.#alarm.set(Math.min(...deadlines));
  }

  #updateLine(): void {
    const asserted = this.#requested;
    if (asserted === this.#interruptLine) return;
    this.#interruptLine = asserted;
    this.onInterrupt?.(asserted);
  }
}
