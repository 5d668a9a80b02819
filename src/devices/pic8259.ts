import { type Registers, type Stateful, UnimplementedRegisters, type Width } from './device.ts';

// Ports of one chip (8259A data sheet).
export const COMMAND = 0;
export const DATA = 1;

const ICW1_SELECT = 0x10;
const ICW1_IC4 = 0x01;
const ICW1_SINGLE = 0x02;
const ICW1_LEVEL = 0x08;
const ICW4_AUTO_EOI = 0x02;
const ICW4_SPECIAL_FULLY_NESTED = 0x10;

const OCW3_SELECT = 0x08;
const OCW3_READ_ISR = 0x01;
const OCW3_READ_REGISTER = 0x02;
const OCW3_POLL = 0x04;
const OCW3_SPECIAL_MASK = 0x20;
const OCW3_ENABLE_SPECIAL_MASK = 0x40;

/** OCW2 bits 7:5: rotate, specific, end of interrupt. */
const OCW2_EOI = 1;
const OCW2_SPECIFIC = 2;
const OCW2_ROTATE = 4;

/** The master's input that the slave drives. */
const CASCADE = 2;

/** Inputs whose trigger mode ELCR cannot change: timer, keyboard and cascade; RTC and coprocessor. */
const MASTER_LEVEL_CAPABLE = 0xf8;
const SLAVE_LEVEL_CAPABLE = 0xde;

export interface Pic8259ChipState {
  lines: number;
  requests: number;
  inService: number;
  mask: number;
  vectorBase: number;
  /** The initialisation word expected at the data port next, or 0 when initialised. */
  nextInitialisationWord: number;
  expectsWord4: boolean;
  single: boolean;
  levelTriggeredAll: boolean;
  edgeLevelControl: number;
  autoEndOfInterrupt: boolean;
  rotateOnAutoEndOfInterrupt: boolean;
  specialFullyNested: boolean;
  specialMask: boolean;
  readsInService: boolean;
  polling: boolean;
  lowestPriority: number;
}

function powerOnState(): Pic8259ChipState {
  return {
    lines: 0,
    requests: 0,
    inService: 0,
    mask: 0xff,
    vectorBase: 0,
    nextInitialisationWord: 0,
    expectsWord4: false,
    single: false,
    levelTriggeredAll: false,
    edgeLevelControl: 0,
    autoEndOfInterrupt: false,
    rotateOnAutoEndOfInterrupt: false,
    specialFullyNested: false,
    specialMask: false,
    readsInService: false,
    polling: false,
    lowestPriority: 7,
  };
}

/** One 8259A interrupt controller. */
export class Pic8259Chip implements Registers, Stateful<Pic8259ChipState> {
  /** The INT output changed. */
  onInterrupt?: (asserted: boolean) => void;
  onWarning?: (message: string) => void;

  readonly #levelCapable: number;
  readonly #unimplemented: UnimplementedRegisters;
  #state = powerOnState();
  #output = false;

  constructor(name: string, levelCapable: number) {
    this.#levelCapable = levelCapable;
    this.#unimplemented = new UnimplementedRegisters(name, (message) => this.onWarning?.(message));
  }

  /** The level of the INT output. */
  get interrupt(): boolean {
    return this.#output;
  }

  /** The edge/level control register: a set bit makes that input level-triggered. */
  get edgeLevelControl(): number {
    return this.#state.edgeLevelControl;
  }

  set edgeLevelControl(value: number) {
    this.#state.edgeLevelControl = value & this.#levelCapable;
  }

  /** Drives an input. An edge request is lost when its line falls before it is acknowledged, as in the silicon. */
  setLine(input: number, level: boolean): void {
    const state = this.#state;
    const bit = 1 << input;
    const rising = level && (state.lines & bit) === 0;
    state.lines = level ? state.lines | bit : state.lines & ~bit;
    if (!level) state.requests &= ~bit;
    else if (rising || this.#isLevelTriggered(bit)) state.requests |= bit;
    this.#updateOutput();
  }

  /** The first INTA cycle: returns the input taken; 7 without anything in service when the request has gone. */
  acknowledge(): number {
    const state = this.#state;
    const input = this.#pendingInput();
    if (input < 0) return 7;
    const bit = 1 << input;
    if (!this.#isLevelTriggered(bit)) state.requests &= ~bit;
    if (!state.autoEndOfInterrupt) state.inService |= bit;
    else if (state.rotateOnAutoEndOfInterrupt) state.lowestPriority = input;
    this.#updateOutput();
    return input;
  }

  /** The vector that the second INTA cycle puts on the bus. */
  vectorOf(input: number): number {
    return this.#state.vectorBase | input;
  }

  read(offset: number, _width: Width): number {
    if (!this.#state.polling) return this.peek(offset, 1);
    this.#state.polling = false;
    const pending = this.#pendingInput() >= 0;
    return pending ? 0x80 | this.acknowledge() : 0;
  }

  peek(offset: number, _width: Width): number {
    const state = this.#state;
    if (offset === DATA) return state.mask;
    return state.readsInService ? state.inService : state.requests;
  }

  write(offset: number, _width: Width, value: number): void {
    const byte = value & 0xff;
    if (offset === DATA) this.#writeData(byte);
    else if ((byte & ICW1_SELECT) !== 0) this.#startInitialisation(byte);
    else if ((byte & OCW3_SELECT) !== 0) this.#writeOperation3(byte);
    else this.#writeOperation2(byte);
    this.#updateOutput();
  }

  reset(): void {
    this.restore(powerOnState());
  }

  save(): Pic8259ChipState {
    return { ...this.#state };
  }

  restore(state: Pic8259ChipState): void {
    this.#state = { ...state };
    this.#updateOutput();
  }

  #isLevelTriggered(bit: number): boolean {
    return this.#state.levelTriggeredAll || (this.#state.edgeLevelControl & bit) !== 0;
  }

  #startInitialisation(word1: number): void {
    const state = this.#state;
    state.nextInitialisationWord = 2;
    state.expectsWord4 = (word1 & ICW1_IC4) !== 0;
    state.single = (word1 & ICW1_SINGLE) !== 0;
    state.levelTriggeredAll = (word1 & ICW1_LEVEL) !== 0;
    state.requests = 0;
    state.inService = 0;
    state.mask = 0;
    state.lowestPriority = 7;
    state.specialMask = false;
    state.readsInService = false;
    state.polling = false;
    state.autoEndOfInterrupt = false;
    state.rotateOnAutoEndOfInterrupt = false;
    state.specialFullyNested = false;
  }

  #writeData(value: number): void {
    const state = this.#state;
    switch (state.nextInitialisationWord) {
      case 2:
        state.vectorBase = value & 0xf8;
        state.nextInitialisationWord = state.single ? (state.expectsWord4 ? 4 : 0) : 3;
        break;
      case 3:
        state.nextInitialisationWord = state.expectsWord4 ? 4 : 0;
        break;
      case 4:
        if ((value & 0x01) === 0) this.#unimplemented.warn('MCS-80/85 mode');
        state.autoEndOfInterrupt = (value & ICW4_AUTO_EOI) !== 0;
        state.specialFullyNested = (value & ICW4_SPECIAL_FULLY_NESTED) !== 0;
        state.nextInitialisationWord = 0;
        break;
      default:
        state.mask = value;
    }
  }

  #writeOperation2(value: number): void {
    const state = this.#state;
    const command = value >> 5;
    const named = value & 7;
    if ((command & OCW2_EOI) === 0) {
      if (command === (OCW2_ROTATE | OCW2_SPECIFIC)) state.lowestPriority = named;
      else if (command === OCW2_ROTATE) state.rotateOnAutoEndOfInterrupt = true;
      else if (command === 0) state.rotateOnAutoEndOfInterrupt = false;
      return;
    }
    const ended = (command & OCW2_SPECIFIC) !== 0 ? named : this.#highestPriority(this.#inhibiting());
    if (ended < 0) return;
    state.inService &= ~(1 << ended);
    if ((command & OCW2_ROTATE) !== 0) state.lowestPriority = ended;
  }

  #writeOperation3(value: number): void {
    const state = this.#state;
    if ((value & OCW3_ENABLE_SPECIAL_MASK) !== 0) state.specialMask = (value & OCW3_SPECIAL_MASK) !== 0;
    if ((value & OCW3_POLL) !== 0) state.polling = true;
    else if ((value & OCW3_READ_REGISTER) !== 0) state.readsInService = (value & OCW3_READ_ISR) !== 0;
  }

  /** Inputs in service that hold back others of their priority and below. */
  #inhibiting(): number {
    const { inService, mask, specialMask } = this.#state;
    return specialMask ? inService & ~mask : inService;
  }

  /** 0 is the highest of the eight priorities. */
  #priorityOf(input: number): number {
    return (input + 7 - this.#state.lowestPriority) & 7;
  }

  /** The input of highest priority in a set, or -1 when it is empty. */
  #highestPriority(set: number): number {
    for (let priority = 0; priority < 8; priority++) {
      const input = (priority + this.#state.lowestPriority + 1) & 7;
      if ((set & (1 << input)) !== 0) return input;
    }
    return -1;
  }

  #pendingInput(): number {
    const { requests, mask, specialFullyNested } = this.#state;
    const input = this.#highestPriority(requests & ~mask);
    if (input < 0) return -1;
    const serviced = this.#highestPriority(this.#inhibiting());
    if (serviced < 0 || this.#priorityOf(input) < this.#priorityOf(serviced)) return input;
    return specialFullyNested && input === serviced && input === CASCADE ? input : -1;
  }

  #updateOutput(): void {
    const output = this.#state.nextInitialisationWord === 0 && this.#pendingInput() >= 0;
    if (output === this.#output) return;
    this.#output = output;
    this.onInterrupt?.(output);
  }
}

export interface Pic8259State {
  master: Pic8259ChipState;
  slave: Pic8259ChipState;
}

/** The PC's two 8259As: IRQ 0-7 on the master, IRQ 8-15 on the slave, whose output is the master's input 2. */
export class Pic8259 implements Stateful<Pic8259State> {
  /** The master's INT output changed. */
  onInterrupt?: (asserted: boolean) => void;
  onWarning?: (message: string) => void;

  /** Ports 0x20 and 0x21. */
  readonly master = new Pic8259Chip('8259 master', MASTER_LEVEL_CAPABLE);
  /** Ports 0xa0 and 0xa1. */
  readonly slave = new Pic8259Chip('8259 slave', SLAVE_LEVEL_CAPABLE);
  /** The edge/level control registers, ports 0x4d0 (master) and 0x4d1 (slave). */
  readonly edgeLevelControl: Registers = {
    read: (offset) => this.#chip(offset).edgeLevelControl,
    peek: (offset) => this.#chip(offset).edgeLevelControl,
    write: (offset, _width, value) => {
      this.#chip(offset).edgeLevelControl = value;
    },
  };

  constructor() {
    this.slave.onInterrupt = (asserted) => this.master.setLine(CASCADE, asserted);
    this.master.onInterrupt = (asserted) => this.onInterrupt?.(asserted);
    this.master.onWarning = (message) => this.onWarning?.(message);
    this.slave.onWarning = (message) => this.onWarning?.(message);
  }

  get interrupt(): boolean {
    return this.master.interrupt;
  }

  setIrq(irq: number, level: boolean): void {
    if (irq === CASCADE) return;
    this.#chip(irq >> 3).setLine(irq & 7, level);
  }

  /** The processor's interrupt acknowledge: returns the vector. IRQ 7 and 15 may be spurious. */
  acknowledge(): number {
    const input = this.master.acknowledge();
    if (input !== CASCADE) return this.master.vectorOf(input);
    return this.slave.vectorOf(this.slave.acknowledge());
  }

  reset(): void {
    this.slave.reset();
    this.master.reset();
  }

  save(): Pic8259State {
    return { master: this.master.save(), slave: this.slave.save() };
  }

  restore(state: Pic8259State): void {
    this.slave.restore(state.slave);
    this.master.restore(state.master);
  }

  #chip(index: number): Pic8259Chip {
    return index === 0 ? this.master : this.slave;
  }
}
