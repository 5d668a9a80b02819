import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** native-oracle.c, compiled: answers cases with what this host's processor does. */
export class NativeOracle {
  readonly #folder: string;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'verdigris-oracle-'));
    const source = join(dirname(fileURLToPath(import.meta.url)), 'native-oracle.c');
    execFileSync('gcc', ['-O2', '-static', '-no-pie', '-o', this.#program, source]);
  }

  get #program(): string {
    return join(this.#folder, 'native-oracle');
  }

  /** Answers to cases, a line each, in their order. */
  run(lines: readonly string[]): string[] {
    const { stdout, status, stderr } = spawnSync(this.#program, {
      input: `${lines.join('\n')}\n`,
      encoding: 'latin1',
      maxBuffer: 1 << 30,
    });
    const answers = stdout.split('\n').filter(Boolean);
    if (status !== 0 || answers.length !== lines.length) {
      throw new Error(`native oracle answered ${answers.length} of ${lines.length} cases, status ${status}: ${stderr}`);
    }
    return answers;
  }

  /** Whether the host lets processes have segments of their own: LSL of the first finds one. */
  get hasLocalSegments(): boolean {
    const ZF = 0x40;
    const answer = this.run(['id=0 code=0f03c1 rcx=f'])[0]!;
    return (Number.parseInt(/ fl=([0-9a-f]+)/.exec(answer)![1]!, 16) & ZF) !== 0;
  }

  dispose(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
