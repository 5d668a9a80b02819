import { execFileSync } from 'node:child_process';

/** Debian packages that bring the outside tools which judge us. */
export const PACKAGES = {
  gcc: 'gcc',
  gdb: 'gdb',
  readelf: 'binutils',
  objdump: 'binutils',
  'musl-gcc': 'musl-tools',
  'qemu-system-x86_64': 'qemu-system-x86',
  script: 'bsdutils',
  rustc: 'rustc',
  go: 'golang-go',
} as const;

export type ToolName = keyof typeof PACKAGES;

export interface Tool {
  readonly present: boolean;
  /** Appends the reason for skipping, so that a report of skipped tests names what is missing. */
  title(text: string): string;
}

function isPresent(name: string): boolean {
  try {
    execFileSync(name, [name === 'go' ? 'version' : '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Whether something that a test needs is there; `reason` says what is missing when it is not. */
export function needed(present: boolean, reason: string): Tool {
  if (!present && process.env.VERDIGRIS_REQUIRE_ORACLES === '1') {
    throw new Error(`${reason}, and VERDIGRIS_REQUIRE_ORACLES=1 forbids skipping`);
  }
  return { present, title: (text) => (present ? text : `${text} [skipped: ${reason}]`) };
}

/** Whether an outside tool can be run. With VERDIGRIS_REQUIRE_ORACLES=1 (continuous integration) an absent tool is an error. */
export function tool(name: ToolName): Tool {
  return needed(isPresent(name), `${name} is not installed (Debian package ${PACKAGES[name]})`);
}

/** Whether this host executes x86-64 Linux programs natively: the processor is then an oracle of its own. */
export function nativeHost(): Tool {
  return needed(process.platform === 'linux' && process.arch === 'x64', 'this host is not x86-64 Linux');
}
