import { fstatSync, readFileSync } from 'node:fs';
import type { Machine } from '../machine/machine.ts';

const CONTROL_A = 0x01;
const ESCAPE_HELP = '\r\nCtrl-A x  leave the machine\r\nCtrl-A a  type Ctrl-A\r\nCtrl-A h  show this\r\n';

const FLUSH_SIZE = 4096;
/** How long a pipe on stdin may take to deliver its first bytes before the machine starts without them, in ms. */
const PIPE_GRACE = 30;

/**
 * Connects the machine's serial line to this process: output to stdout, stdin to the keyboard. A terminal is put into
 * raw mode, with Ctrl-A as the escape character; a file on stdin is typed before the first instruction, so that the run
 * is repeatable; a pipe is typed as it comes.
 */
export class HostConsole {
  /** Milliseconds from the start of the process to the first byte of output, or undefined. */
  firstOutput: number | undefined;

  readonly #machine: Machine;
  readonly #leave: () => void;
  #pending: number[] = [];
  #escaped = false;
  #flushScheduled = false;

  /** @param leave called when the user asks to leave, and when nobody reads the output any more */
  constructor(machine: Machine, leave: () => void) {
    this.#machine = machine;
    this.#leave = leave;
    machine.serial.onByte((byte) => this.#output(byte));
    machine.onDebugByte = (byte) => this.#output(byte);
    process.stdout.on('error', leave);
  }

  /** Starts listening to stdin. */
  async open(): Promise<void> {
    const { stdin } = process;
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      this.#machine.serial.open = true;
      stdin.on('data', (bytes: Buffer) => this.#typed(bytes));
    } else if (stdinIsFile()) {
      this.#machine.serial.type(readFileSync(0));
    } else {
      await this.#openPipe();
    }
  }

  /** Gives the terminal back, and waits until everything is written. */
  async close(): Promise<void> {
    const { stdin } = process;
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.removeAllListeners('data').pause();
    stdin.unref?.();
    this.#flush();
    await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  }

  async #openPipe(): Promise<void> {
    const { stdin } = process;
    const { serial } = this.#machine;
    serial.open = true;
    await new Promise<void>((resolve) => {
      const grace = setTimeout(resolve, PIPE_GRACE);
      const begin = () => {
        clearTimeout(grace);
        setImmediate(resolve);
      };
      stdin.on('data', (bytes: Buffer) => {
        serial.type(bytes);
        begin();
      });
      stdin.on('error', () => {});
      stdin.on('end', () => {
        serial.open = false;
        begin();
      });
    });
  }

  #typed(bytes: Buffer): void {
    const passed: number[] = [];
    for (const byte of bytes) {
      if (this.#escaped) {
        this.#escaped = false;
        this.#escapeCommand(byte, passed);
      } else if (byte === CONTROL_A) {
        this.#escaped = true;
      } else {
        passed.push(byte);
      }
    }
    if (passed.length > 0) this.#machine.serial.type(new Uint8Array(passed));
  }

  #escapeCommand(byte: number, passed: number[]): void {
    const command = String.fromCharCode(byte);
    if (command === 'x') this.#leave();
    else if (command === 'a' || byte === CONTROL_A) passed.push(CONTROL_A);
    else if (command === 'h') process.stdout.write(ESCAPE_HELP);
  }

  #output(byte: number): void {
    this.firstOutput ??= performance.now();
    this.#pending.push(byte);
    if (this.#pending.length >= FLUSH_SIZE) {
      this.#flush();
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      setImmediate(() => this.#flush());
    }
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#pending.length === 0) return;
    process.stdout.write(new Uint8Array(this.#pending));
    this.#pending = [];
  }
}

function stdinIsFile(): boolean {
  try {
    const status = fstatSync(0);
    return status.isFile() || (status.isCharacterDevice() && !process.stdin.isTTY);
  } catch {
    return false;
  }
}
