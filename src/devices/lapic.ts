import { type Clock, type Device, UnimplementedRegisters, type Width } from './device.ts';
import { BROADCAST, DeliveryMode, type InterruptMessage, isAddressed } from './interrupt-message.ts';
import { LapicPriority, type LapicPriorityState } from './lapic-priority.ts';
import * as R from './lapic-registers.ts';
import { LapicTimer, type LapicTimerState } from './lapic-timer.ts';

/** Version 0x14 (integrated, xAPIC), highest LVT entry 5. */
const VERSION_VALUE = 0x0005_0014;

export interface LapicState {
  /** IA32_APIC_BASE split in two, so that the record holds numbers only. */
  baseLow: number;
  baseHigh: number;
  id: number;
  priority: LapicPriorityState;
  logicalDestination: number;
  destinationFormat: number;
  spuriousVector: number;
  errorStatus: number;
  pendingErrors: number;
  interruptCommandLow: number;
  interruptCommandHigh: number;
  /** LVT entries by register offset. */
  localVectors: Record<number, number>;
  /** Levels of the LINT0 and LINT1 pins. */
  pins: [boolean, boolean];
  externalRequested: boolean;
  timer: LapicTimerState;
}

type Registers = Omit<LapicState, 'priority' | 'timer' | 'baseLow' | 'baseHigh' | 'id' | 'pins'>;

function resetRegisters(): Registers {
  return {
    logicalDestination: 0,
    destinationFormat: 0xffff_ffff,
    spuriousVector: 0xff,
    errorStatus: 0,
    pendingErrors: 0,
    interruptCommandLow: 0,
    interruptCommandHigh: 0,
    localVectors: Object.fromEntries(Object.keys(R.LVT_WRITABLE).map((offset) => [offset, R.LVT_MASKED])),
    externalRequested: false,
  };
}

/**
 * A local APIC (SDM vol. 3A, chapter 12): one register file behind two doors, the xAPIC page (`read`, `write`) and the
 * x2APIC MSRs (`readMsr`, `writeMsr`). IA32_APIC_BASE says which of them is open.
 */
export class Lapic implements Device<LapicState> {
  /** A message for the other local APICs; this one has taken its own copy. */
  onSend?: (message: InterruptMessage, shorthand: number) => void;
  onNmi?: () => void;
  onInit?: () => void;
  /** @param vector the page number at which the processor starts in real mode */
  onStartUp?: (vector: number) => void;
  /** The guest ended a level-triggered interrupt: for the I/O APIC. */
  onEndOfInterrupt?: (vector: number) => void;
  /** Interrupt acknowledge cycle to the 8259 pair; returns the vector. */
  onExternalAcknowledge?: () => number;
  onWarning?: (message: string) => void;

  readonly #initialId: number;
  readonly #physicalAddressBits: number;
  readonly #priority = new LapicPriority();
  readonly #timer: LapicTimer;
  readonly #unimplemented = new UnimplementedRegisters('local APIC', (message) => this.onWarning?.(message));
  #base = 0n;
  /** The page's address and the enable bits of `#base`, which are asked for at every turn. */
  #page = 0;
  #isEnabled = false;
  #isX2Apic = false;
  #id = 0;
  #pins: [boolean, boolean] = [false, false];
  #registers = resetRegisters();

  /** @param options.id initial APIC ID; 0 is the bootstrap processor */
  constructor(clock: Clock, options: { id?: number; physicalAddressBits?: number } = {}) {
    this.#initialId = options.id ?? 0;
    this.#physicalAddressBits = options.physicalAddressBits ?? 40;
    this.#timer = new LapicTimer(clock, `lapic${this.#initialId} timer`, () => this.#raiseLocal(R.LVT_TIMER));
    this.reset();
  }

  get globallyEnabled(): boolean {
    return this.#isEnabled;
  }

  get x2Apic(): boolean {
    return this.#isX2Apic;
  }

  get softwareEnabled(): boolean {
    return (this.#registers.spuriousVector & R.SVR_ENABLE) !== 0;
  }

  /** Physical address of the xAPIC page, or undefined when the page is not decoded (disabled, or x2APIC mode). */
  get mmioBase(): number | undefined {
    return this.#isEnabled && !this.#isX2Apic ? this.#page : undefined;
  }

  /** @returns where an access lies in the xAPIC page, or -1 when not wholly in it */
  offsetInPage(address: number, width: number): number {
    const offset = address - this.#page;
    const isInside = offset >= 0 && offset + width <= R.APIC_PAGE_SIZE;
    return isInside && this.#isEnabled && !this.#isX2Apic ? offset : -1;
  }

  /** The task-priority class as CR8 shows it, TPR bits 7:4. */
  get taskPriorityClass(): number {
    return this.#priority.taskPriority >> 4;
  }

  set taskPriorityClass(value: number) {
    this.#priority.taskPriority = (value & 0x0f) << 4;
  }

  /** True when the processor should take an interrupt as soon as its IF allows. */
  get interruptPending(): boolean {
    if (!this.globallyEnabled) return this.#pins[0];
    return this.#priority.deliverable >= 0 || this.#externalPending();
  }

  /**
   * The processor takes the interrupt: the vector moves from IRR to ISR. Returns the spurious vector when nothing is
   * deliverable any more.
   */
  acknowledge(): number {
    const registers = this.#registers;
    if (!this.globallyEnabled) return this.onExternalAcknowledge?.() ?? 0xff;
    const vector = this.#priority.deliverable;
    if (vector >= 0) {
      this.#priority.take(vector);
      return vector;
    }
    if (!this.#externalPending()) return registers.spuriousVector & 0xff;
    registers.externalRequested = false;
    return this.onExternalAcknowledge?.() ?? registers.spuriousVector & 0xff;
  }

  /** Drives the LINT0 (from the 8259) or LINT1 (NMI) pin. */
  setPin(pin: 0 | 1, level: boolean): void {
    const rising = level && !this.#pins[pin];
    this.#pins[pin] = level;
    if (rising && this.globallyEnabled) this.#raiseLocal(pin === 0 ? R.LVT_LINT0 : R.LVT_LINT1);
  }

  /** True when the message names this APIC. */
  accepts(message: InterruptMessage): boolean {
    if (!this.globallyEnabled) return false;
    const { destinationFormat } = this.#registers;
    const receiver = {
      id: this.#id,
      logicalDestination: this.#ownLogicalDestination(),
      destinationFormat,
      x2Apic: this.x2Apic,
    };
    return isAddressed(receiver, message);
  }

  /** Takes a message addressed to this APIC. */
  deliver(message: InterruptMessage): void {
    switch (message.deliveryMode) {
      case DeliveryMode.Fixed:
      case DeliveryMode.LowestPriority:
        this.#request(message.vector, message.levelTriggered);
        break;
      case DeliveryMode.Nmi:
        this.onNmi?.();
        break;
      case DeliveryMode.Init:
        if (message.assert) this.onInit?.();
        break;
      case DeliveryMode.StartUp:
        this.onStartUp?.(message.vector);
        break;
      case DeliveryMode.ExtInt:
        this.#registers.externalRequested = true;
        break;
      case DeliveryMode.Smi:
        this.#unimplemented.warn('SMI delivery');
        break;
    }
  }

  read(offset: number, width: Width): number {
    if (!R.isRegister(offset & ~0xf)) this.#illegalAddress(offset);
    return this.peek(offset, width);
  }

  peek(offset: number, width: Width): number {
    if ((offset & 0xc) !== 0) return 0;
    const value = this.#readRegister(offset & ~0xf) >>> ((offset & 3) * 8);
    return width === 4 ? value : value & (2 ** (width * 8) - 1);
  }

  /** Only aligned 32-bit writes reach a register. */
  write(offset: number, width: Width, value: number): void {
    if ((offset & 0xf) !== 0 || width !== 4) {
      this.#unimplemented.warn(`${width * 8}-bit write`);
      return;
    }
    switch (offset) {
      case R.ID:
        this.#id = value >>> 24;
        break;
      case R.LDR:
        this.#registers.logicalDestination = (value & 0xff00_0000) >>> 0;
        break;
      case R.DFR:
        this.#registers.destinationFormat = (value | 0x0fff_ffff) >>> 0;
        break;
      case R.ICR_HIGH:
        this.#registers.interruptCommandHigh = value;
        break;
      case R.ICR_LOW: {
        const destination = this.#registers.interruptCommandHigh >>> 24;
        this.#sendCommand(value, destination === 0xff ? BROADCAST : destination);
        break;
      }
      default:
        if (R.isRegister(offset)) this.#writeRegister(offset, value);
        else this.#illegalAddress(offset);
    }
  }

  /** Reads an MSR that belongs to the local APIC. Undefined means #GP(0). */
  readMsr(index: number): bigint | undefined {
    if (index === R.IA32_APIC_BASE) return this.#base;
    if (index === R.IA32_TSC_DEADLINE) return this.#timer.tscDeadline;
    if (!this.#isX2ApicMsr(index)) return undefined;
    const offset = (index - R.X2APIC_MSR_FIRST) << 4;
    const { interruptCommandHigh, interruptCommandLow } = this.#registers;
    if (offset === R.ICR_LOW) return (BigInt(interruptCommandHigh) << 32n) | BigInt(interruptCommandLow);
    if (!R.isRegister(offset) || !R.hasX2ApicRead(offset)) return undefined;
    return BigInt(this.#readRegister(offset));
  }

  /** Writes an MSR that belongs to the local APIC. False means #GP(0). */
  writeMsr(index: number, value: bigint): boolean {
    if (index === R.IA32_APIC_BASE) return this.#writeBase(value);
    if (index === R.IA32_TSC_DEADLINE) {
      this.#timer.writeTscDeadline(value);
      return true;
    }
    if (!this.#isX2ApicMsr(index)) return false;
    const offset = (index - R.X2APIC_MSR_FIRST) << 4;
    if (offset === R.ICR_LOW) {
      if ((value & 0xffff_ffffn & ~R.X2APIC_ICR_WRITABLE) !== 0n) return false;
      this.#registers.interruptCommandHigh = Number(value >> 32n);
      this.#sendCommand(Number(value & 0xffff_ffffn), Number(value >> 32n));
      return true;
    }
    const writable = R.X2APIC_WRITABLE[offset];
    if (writable === undefined || (value & ~BigInt(writable)) !== 0n) return false;
    this.#writeRegister(offset, Number(value));
    return true;
  }

  /**
   * Leaves the APIC as PC firmware does: software-enabled, the 8259 connected to LINT0 as ExtINT ("virtual wire"),
   * NMI on LINT1 (MultiProcessor Specification 1.4, 3.6.2.2).
   */
  enableVirtualWire(): void {
    this.#writeRegister(R.SVR, R.SVR_ENABLE | 0xff);
    this.#writeRegister(R.LVT_LINT0, R.ICR_LEVEL_TRIGGERED | (DeliveryMode.ExtInt << R.LVT_DELIVERY_MODE_SHIFT));
    this.#writeRegister(R.LVT_LINT1, R.ICR_LEVEL_TRIGGERED | (DeliveryMode.Nmi << R.LVT_DELIVERY_MODE_SHIFT));
  }

  reset(): void {
    const bootstrap = this.#initialId === 0 ? R.APIC_BASE_BSP : 0;
    this.#setBase(BigInt(R.DEFAULT_APIC_BASE | R.APIC_BASE_EN | bootstrap) & 0xffff_ffffn);
    this.#id = this.#initialId;
    this.#pins = [false, false];
    this.init();
  }

  /** The effect of an INIT: registers as after reset, but APIC ID and base stay. */
  init(): void {
    this.#registers = resetRegisters();
    this.#priority.reset();
    this.#timer.reset();
  }

  save(): LapicState {
    const registers = structuredClone(this.#registers);
    return {
      ...registers,
      baseLow: Number(this.#base & 0xffff_ffffn),
      baseHigh: Number(this.#base >> 32n),
      id: this.#id,
      pins: [...this.#pins],
      priority: this.#priority.save(),
      timer: this.#timer.save(),
    };
  }

  restore(state: LapicState): void {
    const { baseLow, baseHigh, id, pins, priority, timer, ...registers } = structuredClone(state);
    this.#setBase((BigInt(baseHigh) << 32n) | BigInt(baseLow));
    this.#id = id;
    this.#pins = pins;
    this.#registers = registers;
    this.#priority.restore(priority);
    this.#timer.restore(timer);
  }

  #isX2ApicMsr(index: number): boolean {
    return this.#isX2Apic && index >= R.X2APIC_MSR_FIRST && index <= R.X2APIC_MSR_LAST;
  }

  #ownLogicalDestination(): number {
    if (!this.x2Apic) return this.#registers.logicalDestination;
    return (((this.#id >>> 4) << 16) | (1 << (this.#id & 0xf))) >>> 0;
  }

  #externalPending(): boolean {
    if (this.#registers.externalRequested) return true;
    if (!this.#pins[0]) return false;
    const entry = this.#registers.localVectors[R.LVT_LINT0]!;
    return (entry & R.LVT_MASKED) === 0 && deliveryModeOf(entry) === DeliveryMode.ExtInt;
  }

  #readRegister(offset: number): number {
    const registers = this.#registers;
    const word = (offset & 0x70) >> 4;
    if (offset >= R.ISR && offset < R.TMR) return this.#priority.inServiceWord(word);
    if (offset >= R.TMR && offset < R.IRR) return this.#priority.triggerModeWord(word);
    if (offset >= R.IRR && offset < R.ESR) return this.#priority.requestWord(word);
    switch (offset) {
      case R.ID:
        return this.x2Apic ? this.#id : (this.#id << 24) >>> 0;
      case R.VERSION:
        return VERSION_VALUE;
      case R.TPR:
        return this.#priority.taskPriority;
      case R.APR:
        return this.#priority.arbitrationPriority;
      case R.PPR:
        return this.#priority.processorPriority;
      case R.LDR:
        return this.#ownLogicalDestination();
      case R.DFR:
        return registers.destinationFormat;
      case R.SVR:
        return registers.spuriousVector;
      case R.ESR:
        return registers.errorStatus;
      case R.ICR_LOW:
        return registers.interruptCommandLow;
      case R.ICR_HIGH:
        return registers.interruptCommandHigh;
      case R.INITIAL_COUNT:
        return this.#timer.initialCount;
      case R.CURRENT_COUNT:
        return this.#timer.currentCount;
      case R.DIVIDE_CONFIGURATION:
        return this.#timer.divideConfiguration;
      default:
        return registers.localVectors[offset] ?? 0;
    }
  }

  /** The registers that both doors write alike. */
  #writeRegister(offset: number, value: number): void {
    const registers = this.#registers;
    switch (offset) {
      case R.TPR:
        this.#priority.taskPriority = value;
        break;
      case R.EOI:
        this.#endOfInterrupt();
        break;
      case R.SVR:
        this.#writeSpuriousVector(value);
        break;
      case R.ESR:
        registers.errorStatus = registers.pendingErrors;
        registers.pendingErrors = 0;
        break;
      case R.INITIAL_COUNT:
        this.#timer.writeInitialCount(value);
        break;
      case R.DIVIDE_CONFIGURATION:
        this.#timer.writeDivideConfiguration(value);
        break;
      case R.SELF_IPI:
        if (this.x2Apic) this.#sendCommand((R.Shorthand.Self << R.ICR_SHORTHAND_SHIFT) | (value & 0xff), 0);
        break;
      default:
        if (offset in R.LVT_WRITABLE) this.#writeLocalVector(offset, value);
    }
  }

  #writeLocalVector(offset: number, value: number): void {
    const forced = this.softwareEnabled ? 0 : R.LVT_MASKED;
    const entry = (value & R.LVT_WRITABLE[offset]!) | forced;
    this.#registers.localVectors[offset] = entry;
    if (offset === R.LVT_TIMER) {
      this.#timer.configure((entry >> R.LVT_TIMER_MODE_SHIFT) & 3, (entry & R.LVT_MASKED) !== 0);
    }
  }

  /** Disabling the APIC masks every LVT entry and keeps it masked (SDM vol. 3A, 12.4.7.2). */
  #writeSpuriousVector(value: number): void {
    const registers = this.#registers;
    registers.spuriousVector = value & 0x3ff;
    if (this.softwareEnabled) return;
    for (const offset of Object.keys(R.LVT_WRITABLE).map(Number)) {
      this.#writeLocalVector(offset, registers.localVectors[offset]!);
    }
  }

  /** False means #GP(0). */
  #writeBase(value: bigint): boolean {
    if (!R.mayChangeBase(this.#base, value, this.#physicalAddressBits)) return false;
    if ((value & BigInt(R.APIC_BASE_EN)) === 0n) this.init();
    this.#setBase(value);
    return true;
  }

  #setBase(value: bigint): void {
    this.#base = value;
    this.#page = Number(value & ~0xfffn);
    this.#isEnabled = (value & BigInt(R.APIC_BASE_EN)) !== 0n;
    this.#isX2Apic = (value & BigInt(R.APIC_BASE_EXTD)) !== 0n;
  }

  #endOfInterrupt(): void {
    const vector = this.#priority.endOfInterrupt();
    if (vector !== undefined) this.onEndOfInterrupt?.(vector);
  }

  #sendCommand(command: number, destination: number): void {
    this.#registers.interruptCommandLow = command & ~0x1000;
    const vector = command & 0xff;
    const deliveryMode = deliveryModeOf(command);
    if (deliveryMode <= DeliveryMode.LowestPriority && vector < 16) {
      this.#error(R.ESR_SEND_ILLEGAL_VECTOR);
      return;
    }
    const shorthand = (command >>> R.ICR_SHORTHAND_SHIFT) & 3;
    if (shorthand === R.Shorthand.Self && deliveryMode <= DeliveryMode.LowestPriority) {
      this.#request(vector, false);
      return;
    }
    const message: InterruptMessage = {
      vector,
      deliveryMode,
      levelTriggered: (command & R.ICR_LEVEL_TRIGGERED) !== 0 && deliveryMode === DeliveryMode.Init,
      assert: (command & (R.ICR_LEVEL_TRIGGERED | R.ICR_LEVEL_ASSERT)) !== R.ICR_LEVEL_TRIGGERED,
      destination,
      logical: (command & R.ICR_LOGICAL_DESTINATION) !== 0,
    };
    const toSelf = shorthand === R.Shorthand.None ? this.accepts(message) : shorthand !== R.Shorthand.AllExcludingSelf;
    if (shorthand !== R.Shorthand.Self) this.onSend?.(message, shorthand);
    if (toSelf) this.deliver(message);
  }

  #request(vector: number, levelTriggered: boolean): void {
    if (!this.softwareEnabled) return;
    if (vector < 16) {
      this.#error(R.ESR_RECEIVED_ILLEGAL_VECTOR);
      return;
    }
    this.#priority.request(vector, levelTriggered);
  }

  /** An event of an LVT entry. ExtINT needs no latch: it follows the pin. */
  #raiseLocal(offset: number): void {
    const entry = this.#registers.localVectors[offset]!;
    if ((entry & R.LVT_MASKED) !== 0) return;
    const fixed = offset === R.LVT_TIMER || offset === R.LVT_ERROR;
    const deliveryMode = fixed ? DeliveryMode.Fixed : deliveryModeOf(entry);
    if (deliveryMode === DeliveryMode.ExtInt) return;
    const vector = entry & R.LVT_VECTOR;
    this.deliver({ vector, deliveryMode, levelTriggered: false, assert: true, destination: this.#id, logical: false });
  }

  #illegalAddress(offset: number): void {
    this.#unimplemented.warn(`register 0x${offset.toString(16).padStart(3, '0')}`);
    this.#error(R.ESR_ILLEGAL_REGISTER_ADDRESS);
  }

  /** Records an error; the LVT error entry interrupts on the first one since ESR was last written. */
  #error(bit: number): void {
    const first = (this.#registers.pendingErrors & bit) === 0;
    this.#registers.pendingErrors |= bit;
    if (first && (this.#registers.localVectors[R.LVT_ERROR]! & R.LVT_VECTOR) >= 16) this.#raiseLocal(R.LVT_ERROR);
  }
}

function deliveryModeOf(entry: number): number {
  return (entry >> R.LVT_DELIVERY_MODE_SHIFT) & 7;
}
