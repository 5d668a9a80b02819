import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

/** Colours, cursor movements and bracketed paste, which a terminal would not show. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL_SEQUENCES = /\x1b\[[0-9;?]*[A-Za-z]/g;

const PATIENCE = 40_000;

/** A shell command in a pseudo-terminal, which script(1) makes; a test types and waits for what appears. */
export class Terminal {
  /** What has appeared, without control sequences and carriage returns. */
  text = '';
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcessWithoutNullStreams;
  #changed: () => void = () => {};

  constructor(command: string, environment: Readonly<Record<string, string>> = {}) {
    const env = { ...process.env, SHELL: '/bin/sh', TERM: 'xterm', NO_COLOR: '1', ...environment };
    this.#child = spawn('script', ['-q', '-e', '-c', command, '/dev/null'], { env });
    this.#child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.text += text.replace(CONTROL_SEQUENCES, '').replaceAll('\r', '');
      this.#changed();
    });
    this.ended = new Promise((resolve) => this.#child.on('close', resolve));
  }

  /** Types, and waits until a text appears behind what was there before. @returns what has appeared since */
  async type(keys: string, awaited: string): Promise<string> {
    const before = this.text.length;
    this.#child.stdin.write(keys);
    return this.#appearance(before, awaited);
  }

  /** Waits until a text is there. */
  async shows(awaited: string): Promise<string> {
    return this.#appearance(0, awaited);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #appearance(from: number, awaited: string): Promise<string> {
    const deadline = Date.now() + PATIENCE;
    while (!this.text.slice(from).includes(awaited)) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`'${awaited}' did not appear in:\n${this.text.slice(from)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.text.slice(from);
  }
}
