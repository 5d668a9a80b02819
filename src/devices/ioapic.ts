import { type Device, UnimplementedRegisters, type Width } from './device.ts';
import { BROADCAST, DeliveryMode, type InterruptMessage } from './interrupt-message.ts';

// Memory-mapped registers (82093AA data sheet, 3.1).
export const IOREGSEL = 0x00;
export const IOWIN = 0x10;

// Registers selected by IOREGSEL (82093AA data sheet, 3.2).
export const IOAPICID = 0x00;
export const IOAPICVER = 0x01;
export const IOAPICARB = 0x02;
export const IOREDTBL = 0x10;

export const IOAPIC_PINS = 24;
/** Bytes of address space the chip decodes. */
export const IOAPIC_SIZE = 0x1000;

const VERSION_VALUE = ((IOAPIC_PINS - 1) << 16) | 0x11;

// Low half of a redirection entry.
const LOGICAL_DESTINATION = 0x0800;
const ACTIVE_LOW = 0x2000;
const REMOTE_IRR = 0x4000;
const LEVEL_TRIGGERED = 0x8000;
const MASKED = 0x1_0000;
const WRITABLE_LOW = 0x1_afff;

export interface IoApicState {
  select: number;
  id: number;
  /** Levels of the input pins before polarity, one bit each. */
  pins: number;
  redirectionLow: number[];
  redirectionHigh: number[];
}

function powerOnState(): IoApicState {
  return {
    select: 0,
    id: 0,
    pins: 0,
    redirectionLow: Array.from({ length: IOAPIC_PINS }, () => MASKED),
    redirectionHigh: Array.from({ length: IOAPIC_PINS }, () => 0),
  };
}

/** An 82093AA I/O APIC: 24 inputs, edge and level triggered. An edge that meets a masked entry is lost. */
export class IoApic implements Device<IoApicState> {
  /** Sends a message to the local APICs. */
  onSend?: (message: InterruptMessage) => void;
  onWarning?: (message: string) => void;

  readonly #unimplemented = new UnimplementedRegisters('I/O APIC', (message) => this.onWarning?.(message));
  #state = powerOnState();

  /** Drives an input pin with its electrical level; polarity is the redirection entry's business. */
  setPin(pin: number, level: boolean): void {
    const state = this.#state;
    const bit = 1 << pin;
    const before = this.#isActive(pin);
    state.pins = level ? state.pins | bit : state.pins & ~bit;
    if (this.#isActive(pin) && !before) this.#service(pin);
  }

  /** EOI message from a local APIC: level entries with that vector may interrupt again, and do so while still active. */
  endOfInterrupt(vector: number): void {
    const low = this.#state.redirectionLow;
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      if ((low[pin]! & REMOTE_IRR) === 0 || (low[pin]! & 0xff) !== vector) continue;
      low[pin]! &= ~REMOTE_IRR;
      if (this.#isActive(pin)) this.#service(pin);
    }
  }

  read(offset: number, width: Width): number {
    if (offset !== IOREGSEL && offset !== IOWIN) this.#unimplemented.warn(`register 0x${offset.toString(16)}`);
    return this.peek(offset, width);
  }

  peek(offset: number, _width: Width): number {
    if (offset === IOREGSEL) return this.#state.select;
    return offset === IOWIN ? this.#readSelected() : 0;
  }

  write(offset: number, _width: Width, value: number): void {
    if (offset === IOREGSEL) this.#state.select = value & 0xff;
    else if (offset === IOWIN) this.#writeSelected(value);
    else this.#unimplemented.warn(`register 0x${offset.toString(16)}`);
  }

  reset(): void {
    this.#state = powerOnState();
  }

  save(): IoApicState {
    return structuredClone(this.#state);
  }

  restore(state: IoApicState): void {
    this.#state = structuredClone(state);
  }

  #readSelected(): number {
    const { select, id, redirectionLow, redirectionHigh } = this.#state;
    if (select === IOAPICID || select === IOAPICARB) return id << 24;
    if (select === IOAPICVER) return VERSION_VALUE;
    const pin = (select - IOREDTBL) >> 1;
    return ((select & 1) === 0 ? redirectionLow[pin] : redirectionHigh[pin]) ?? 0;
  }

  #writeSelected(value: number): void {
    const { select, redirectionLow, redirectionHigh } = this.#state;
    if (select === IOAPICID) {
      this.#state.id = (value >>> 24) & 0x0f;
      return;
    }
    const pin = (select - IOREDTBL) >> 1;
    if (select < IOREDTBL || pin >= IOAPIC_PINS) return;
    if ((select & 1) === 1) {
      redirectionHigh[pin] = (value & 0xff00_0000) >>> 0;
      return;
    }
    const keepsRemoteIrr = (value & LEVEL_TRIGGERED) !== 0 ? redirectionLow[pin]! & REMOTE_IRR : 0;
    redirectionLow[pin] = (value & WRITABLE_LOW) | keepsRemoteIrr;
    if ((value & LEVEL_TRIGGERED) !== 0 && this.#isActive(pin)) this.#service(pin);
  }

  #isActive(pin: number): boolean {
    const level = (this.#state.pins & (1 << pin)) !== 0;
    return (this.#state.redirectionLow[pin]! & ACTIVE_LOW) !== 0 ? !level : level;
  }

  /** Sends the entry's message unless it is masked or, level triggered, still waits for its EOI. */
  #service(pin: number): void {
    const { redirectionLow, redirectionHigh } = this.#state;
    const entry = redirectionLow[pin]!;
    const levelTriggered = (entry & LEVEL_TRIGGERED) !== 0;
    if ((entry & MASKED) !== 0 || (levelTriggered && (entry & REMOTE_IRR) !== 0)) return;
    const deliveryMode = (entry >> 8) & 7;
    const logical = (entry & LOGICAL_DESTINATION) !== 0;
    const destination = redirectionHigh[pin]! >>> 24;
    if (levelTriggered && deliveryMode <= DeliveryMode.LowestPriority) redirectionLow[pin] = entry | REMOTE_IRR;
    this.onSend?.({
      vector: entry & 0xff,
      deliveryMode,
      levelTriggered,
      assert: true,
      destination: destination === 0xff && !logical ? BROADCAST : destination,
      logical,
    });
  }
}
