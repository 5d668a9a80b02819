import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { cacheKey } from '../../src/compiler/cache-key.ts';
import { compile, formatDiagnostic } from '../../src/compiler/compile.ts';

const root = resolve(import.meta.dirname, '../..');
const cache = join(tmpdir(), 'verdigris-test-images');

const host = {
  readFile(path: string): string | undefined {
    const file = resolve(root, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  },
};

/** A hash of the compiler's own sources. */
function compilerVersion(): string {
  const hash = createHash('sha256');
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else hash.update(readFileSync(path));
    }
  };
  visit(join(root, 'src/compiler'));
  return hash.digest('hex');
}

let compiler: string | undefined;

/** Compiles a module of the repository, or takes the image that an earlier run made from the same sources. */
export function image(entry: string, kind: 'kernel' | 'user'): Uint8Array {
  compiler ??= compilerVersion();
  const file = join(cache, cacheKey({ entry, kind, host, compiler }));
  if (existsSync(file)) return readFileSync(file);
  const result = compile({ entry, kind, host });
  if (result.image === null) throw new Error(result.diagnostics.map((each) => formatDiagnostic(each)).join('\n'));
  mkdirSync(cache, { recursive: true });
  writeFileSync(`${file}.${process.pid}`, result.image);
  renameSync(`${file}.${process.pid}`, file);
  return result.image;
}

export const kernelImage = (): Uint8Array => image('src/kernel/main.ts', 'kernel');

/** A cpio archive in the newc format, with the files as executables. */
export function archive(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const parts: Uint8Array[] = [];
  const pad = (length: number): void => {
    parts.push(new Uint8Array((4 - (length % 4)) % 4));
  };
  let inode = 0;
  const add = (name: string, mode: number, data: Uint8Array): void => {
    inode++;
    const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    parts.push(Buffer.from(header));
    pad(header.length);
    parts.push(data);
    pad(data.length);
  };
  add('bin', 0o40755, new Uint8Array(0));
  for (const [name, data] of Object.entries(files)) add(name, 0o100755, data);
  add('TRAILER!!!', 0, new Uint8Array(0));
  return Buffer.concat(parts);
}

const programs = ['init', 'sh', 'hello', 'primes', 'sleep', 'fault'] as const;

/** An archive with the file server, without which nothing starts, and other executables. */
export function bootArchive(files: Readonly<Record<string, Uint8Array>>): Uint8Array {
  return archive({ 'sbin/file-server': image('src/user/servers/file-server/main.ts', 'user'), ...files });
}

/** The initramfs with our own programs below /bin, and whatever else a test wants there. */
export function initramfs(extra: Readonly<Record<string, Uint8Array>> = {}): Uint8Array {
  const own = programs.map((name) => [`bin/${name}`, image(`src/user/${name}.ts`, 'user')] as const);
  return bootArchive({ ...Object.fromEntries(own), ...extra });
}
