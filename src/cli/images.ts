import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheKey } from '../compiler/cache-key.ts';
import { packArchive } from './archive.ts';
import { loadCompiler } from './compiler.ts';
import { CommandError } from './failure.ts';
import { type ProcessTime, processTime } from './process-time.ts';
import { replaceFile } from './replace-file.ts';
import { withLateTierUp } from './tier-up.ts';

/** One thing that is compiled: its file below images/, and where its source begins. */
interface Target {
  readonly file: string;
  readonly entry: string;
  readonly kind: 'kernel' | 'user';
}

export interface BuiltImage {
  readonly file: string;
  readonly bytes: number;
  /** Whether it was compiled now. */
  readonly compiled: boolean;
  /** When it was there, since the start of the process. */
  readonly done: ProcessTime;
}

export interface BuiltImages {
  readonly kernel: Uint8Array;
  /** A cpio archive with every program of src/user as bin/NAME, and every server of src/user/servers as sbin/NAME. */
  readonly initramfs: Uint8Array;
  /** An archive with the servers alone, to be followed by another one with the files that they serve. */
  readonly servers: Uint8Array;
  readonly targets: readonly BuiltImage[];
}

export const KERNEL_FILE = 'kernel.elf';
const INITRAMFS_FILE = 'initramfs.cpio';

/** The folder of this package: the nearest one above this file that has a package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/**
 * Compiles the kernel and the programs into images/, each only when its key (over its sources and the compiler's own)
 * differs from the one of the image that is there.
 * @throws CommandError with the diagnostics when a source is wrong
 */
export async function buildImages(options: { readonly force?: boolean } = {}): Promise<BuiltImages> {
  const root = packageRoot();
  const host = { readFile: (path: string) => readText(join(root, path)) };
  const compiler = compilerIdentity(root);
  const built = [];
  for (const target of targetsIn(root)) {
    const path = join(root, 'images', target.file);
    const key = cacheKey({ entry: target.entry, kind: target.kind, host, compiler });
    const fresh = !options.force && existsSync(path) && readText(`${path}.key`) === key;
    const image = fresh ? readFileSync(path) : await compileTarget(target, host);
    if (!fresh) {
      replaceFile('image', path, image);
      replaceFile('image', `${path}.key`, key);
    }
    built.push({ ...target, image, compiled: !fresh, done: processTime() });
  }
  if (built.some(({ compiled }) => compiled)) (await loadCompiler()).keepBytecode();
  const programs = built.filter(({ kind }) => kind === 'user');
  const entries = programs.map(({ file, image }) => ({ name: file, data: image }));
  const initramfs = packArchive(entries);
  const initramfsPath = join(root, 'images', INITRAMFS_FILE);
  const packs = !existsSync(initramfsPath) || programs.some(({ compiled }) => compiled);
  if (packs) replaceFile('image', initramfsPath, initramfs);
  return {
    kernel: built[0]!.image,
    initramfs,
    servers: packArchive(entries.filter(({ name }) => name.startsWith('sbin/'))),
    targets: [
      ...built.map(({ file, image, compiled, done }) => ({ file, bytes: image.length, compiled, done })),
      { file: INITRAMFS_FILE, bytes: initramfs.length, compiled: packs, done: processTime() },
    ],
  };
}

/** The kernel first, then each module directly in src/user, then the main module of each server. */
function targetsIn(root: string): Target[] {
  const namesIn = (folder: string) => readdirSync(join(root, folder)).sort();
  const programs = namesIn('src/user').filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'));
  return [
    { file: KERNEL_FILE, entry: KERNEL_MAIN, kind: 'kernel' },
    ...programs.map((name): Target => {
      return { file: `bin/${name.slice(0, -'.ts'.length)}`, entry: `src/user/${name}`, kind: 'user' };
    }),
    ...namesIn('src/user/servers').map((name): Target => {
      return { file: `sbin/${name}`, entry: `src/user/servers/${name}/main.ts`, kind: 'user' };
    }),
  ];
}

/**
 * Compiles one user program that is no part of the initramfs.
 * @param entry its entry module, relative to the package's folder
 * @throws CommandError with the diagnostics when a source is wrong
 */
export async function compileProgram(entry: string): Promise<Uint8Array> {
  const root = packageRoot();
  return compileTarget({ file: '', entry, kind: 'user' }, { readFile: (path) => readText(join(root, path)) });
}

const KERNEL_MAIN = 'src/kernel/main.ts';

/**
 * Compiles a kernel that begins with our kernel's boot code and goes on in another `kernelMain`.
 * @param entry the module that exports it, and `onPanic`, relative to the package's folder
 * @throws CommandError with the diagnostics when a source is wrong
 */
export async function compileKernelOf(entry: string): Promise<Uint8Array> {
  const root = packageRoot();
  const main = [
    "export { multibootEntry, pvhEntry } from './boot/entry.boot.ts';",
    `export { kernelMain, onPanic } from ${JSON.stringify(join('../..', entry))};`,
  ].join('\n');
  const readFile = (path: string) => (path === KERNEL_MAIN ? main : readText(join(root, path)));
  return compileTarget({ file: '', entry: KERNEL_MAIN, kind: 'kernel' }, { readFile });
}

async function compileTarget(
  target: Target,
  host: { readFile(path: string): string | undefined },
): Promise<Uint8Array> {
  const { compile, formatDiagnostic } = await loadCompiler();
  const { image, diagnostics } = withLateTierUp(() => compile({ entry: target.entry, kind: target.kind, host }));
  if (image !== null) return image;
  throw new CommandError(`${target.entry} does not compile:\n\n${diagnostics.map(formatDiagnostic).join('\n')}`);
}

/** A hash over the compiler's sources: another compiler makes every image stale. */
function compilerIdentity(root: string): string {
  const hash = createHash('sha256');
  const folder = join(root, 'src/compiler');
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (name.endsWith('.ts')) hash.update(name).update(readFileSync(join(folder, name)));
  }
  return hash.digest('hex');
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
