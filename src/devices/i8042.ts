import { type Device, UnimplementedRegisters, type Width } from './device.ts';

// Ports: data is 0x60, status and command are 0x64.
export const DATA = 0;
export const STATUS = 4;
export const COMMAND = 4;

const STATUS_OUTPUT_FULL = 0x01;
const STATUS_SYSTEM = 0x04;
const STATUS_COMMAND = 0x08;
const STATUS_UNLOCKED = 0x10;

const READ_COMMAND_BYTE = 0x20;
const WRITE_COMMAND_BYTE = 0x60;
const DISABLE_AUXILIARY = 0xa7;
const ENABLE_AUXILIARY = 0xa8;
const TEST_AUXILIARY = 0xa9;
const SELF_TEST = 0xaa;
const TEST_KEYBOARD = 0xab;
const DISABLE_KEYBOARD = 0xad;
const ENABLE_KEYBOARD = 0xae;
const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
/** Commands 0xf0 to 0xff pulse the low output port bits that are zero; bit 0 is the processor's reset. */
const PULSE_OUTPUT = 0xf0;

const SELF_TEST_PASSED = 0x55;
const PORT_ABSENT = 0x01;

const OUTPUT_NOT_RESET = 0x01;
const OUTPUT_A20 = 0x02;

const COMMAND_SYSTEM_FLAG = 0x04;
const COMMAND_KEYBOARD_DISABLED = 0x10;
const COMMAND_AUXILIARY_DISABLED = 0x20;

export interface I8042State {
  commandByte: number;
  outputPort: number;
  output: number | null;
  /** The command whose data byte is awaited, or null. */
  awaiting: number | null;
  lastWriteWasCommand: boolean;
}

function powerOnState(): I8042State {
  return {
    commandByte: COMMAND_SYSTEM_FLAG | COMMAND_KEYBOARD_DISABLED | COMMAND_AUXILIARY_DISABLED,
    outputPort: OUTPUT_NOT_RESET | OUTPUT_A20,
    output: null,
    awaiting: null,
    lastWriteWasCommand: false,
  };
}

/** An 8042 keyboard controller with nothing plugged in: self test, command byte, and the processor's reset line. */
export class I8042 implements Device<I8042State> {
  onReset?: () => void;
  onWarning?: (message: string) => void;

  readonly #unimplemented = new UnimplementedRegisters('8042', (message) => this.onWarning?.(message));
  #state = powerOnState();

  read(offset: number, _width: Width): number {
    const value = this.peek(offset, 1);
    if (offset === DATA) this.#state.output = null;
    return value;
  }

  peek(offset: number, _width: Width): number {
    const { output, commandByte, lastWriteWasCommand } = this.#state;
    if (offset === DATA) return output ?? 0;
    return (
      STATUS_UNLOCKED |
      (output === null ? 0 : STATUS_OUTPUT_FULL) |
      ((commandByte & COMMAND_SYSTEM_FLAG) !== 0 ? STATUS_SYSTEM : 0) |
      (lastWriteWasCommand ? STATUS_COMMAND : 0)
    );
  }

  write(offset: number, _width: Width, value: number): void {
    const byte = value & 0xff;
    this.#state.lastWriteWasCommand = offset === COMMAND;
    if (offset === COMMAND) this.#command(byte);
    else this.#data(byte);
  }

  reset(): void {
    this.#state = powerOnState();
  }

  save(): I8042State {
    return { ...this.#state };
  }

  restore(state: I8042State): void {
    this.#state = { ...state };
  }

  #command(command: number): void {
    const state = this.#state;
    state.awaiting = null;
    switch (command) {
      case READ_COMMAND_BYTE:
        state.output = state.commandByte;
        break;
      case WRITE_COMMAND_BYTE:
      case WRITE_OUTPUT_PORT:
        state.awaiting = command;
        break;
      case SELF_TEST:
        state.output = SELF_TEST_PASSED;
        break;
      case TEST_KEYBOARD:
      case TEST_AUXILIARY:
        state.output = PORT_ABSENT;
        break;
      case DISABLE_AUXILIARY:
        state.commandByte |= COMMAND_AUXILIARY_DISABLED;
        break;
      case ENABLE_AUXILIARY:
        state.commandByte &= ~COMMAND_AUXILIARY_DISABLED;
        break;
      case DISABLE_KEYBOARD:
        state.commandByte |= COMMAND_KEYBOARD_DISABLED;
        break;
      case ENABLE_KEYBOARD:
        state.commandByte &= ~COMMAND_KEYBOARD_DISABLED;
        break;
      case READ_OUTPUT_PORT:
        state.output = state.outputPort;
        break;
      default:
        if (command < PULSE_OUTPUT) this.#unimplemented.warn(`command 0x${command.toString(16)}`);
        else if ((command & OUTPUT_NOT_RESET) === 0) this.onReset?.();
    }
  }

  /** A byte for the command that awaits one; any other goes to a keyboard that is not there. */
  #data(byte: number): void {
    const state = this.#state;
    const command = state.awaiting;
    state.awaiting = null;
    if (command === WRITE_COMMAND_BYTE) {
      state.commandByte = byte;
    } else if (command === WRITE_OUTPUT_PORT) {
      state.outputPort = byte | OUTPUT_A20;
      if ((byte & OUTPUT_NOT_RESET) === 0) this.onReset?.();
    }
  }
}
