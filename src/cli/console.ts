import { fstatSync, readFileSync } from 'node:fs';
import type { Machine } from '../machine/machine.ts';
import { type ProcessTime, processTime } from './process-time.ts';
import { TerminalEscape } from './terminal-escape.ts';

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
  /** When the first byte of output came, or undefined. */
  firstOutput: ProcessTime | undefined;

  readonly #machine: Machine;
  readonly #leave: () => void;
  #pending: number[] = [];
  readonly #escape = new TerminalEscape();
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
    const { passed, command } = this.#escape.filter(bytes);
    if (passed.length > 0) this.#machine.serial.type(passed);
    if (command === 'leave') this.#leave();
    else if (command === 'help') process.stdout.write(ESCAPE_HELP);
  }

  #output(byte: number): void {
    this.firstOutput ??= processTime();
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
