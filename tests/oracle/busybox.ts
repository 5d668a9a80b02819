import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { joinArchives, packArchive } from '../../src/cli/archive.ts';
import { packDirectory } from '../../src/cli/rootfs.ts';
import { image } from '../system/images.ts';

const cache = join(tmpdir(), 'verdigris-busybox');

/** Debian's static BusyBox, unpacked from its package, which is downloaded once; undefined where that is impossible. */
export function busybox(): string | undefined {
  const program = join(cache, 'bin/busybox');
  if (existsSync(program)) return program;
  try {
    const folder = mkdtempSync(join(tmpdir(), 'verdigris-package-'));
    execFileSync('apt-get', ['download', 'busybox-static'], { cwd: folder, stdio: 'ignore' });
    const file = readdirSync(folder).find((name) => name.endsWith('.deb')) as string;
    execFileSync('dpkg-deb', ['-x', file, 'unpacked'], { cwd: folder });
    renameSync(join(folder, 'unpacked'), cache);
  } catch {
    return existsSync(program) ? program : undefined;
  }
  return program;
}

/** Names that BusyBox answers to. */
function applets(program: string): string[] {
  return execFileSync(program, ['--list'], { encoding: 'utf8' })
    .split('\n')
    .filter((name) => name !== '' && name !== 'busybox');
}

/** Makes a folder of links, one for each applet, to run on this host. */
export function installApplets(program: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'verdigris-applets-'));
  for (const name of applets(program)) symlinkSync(program, join(folder, name));
  return folder;
}

/** An initramfs whose root holds BusyBox under all its names, the scripts of tests/system/scripts, and more files. */
export function busyboxRoot(program: string, more: Readonly<Record<string, string>> = {}): Uint8Array {
  const root = mkdtempSync(join(tmpdir(), 'verdigris-root-'));
  mkdirSync(join(root, 'bin'));
  cpSync(program, join(root, 'bin/busybox'));
  for (const name of applets(program)) symlinkSync('busybox', join(root, 'bin', name));
  cpSync(resolve(import.meta.dirname, '../system/scripts'), join(root, 'scripts'), { recursive: true });
  const server = { name: 'sbin/file-server', data: image('src/user/servers/file-server/main.ts', 'user') };
  const extra = Object.entries(more).map(([name, text]) => ({ name, data: new TextEncoder().encode(text) }));
  return joinArchives([packArchive([server]), packDirectory(root), packArchive(extra)]);
}
