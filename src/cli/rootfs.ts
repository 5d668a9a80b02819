import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type ArchiveFile, packArchive } from './archive.ts';
import { CommandError, fileError } from './failure.ts';

const MOST_BYTES = 0xffff_ffff;

/**
 * Packs a directory of the host as an initramfs: directories, regular files and symbolic links with their modes and times,
 * owned by root, in the order of their names. Sockets, pipes and device files are left out.
 * @throws CommandError when something in it cannot be read, or a file is 4 GiB or larger
 */
export function packDirectory(directory: string): Uint8Array {
  const files: ArchiveFile[] = [];
  collect(directory, '', files);
  return packArchive(files);
}

function collect(directory: string, prefix: string, files: ArchiveFile[]): void {
  for (const entry of entriesOf(directory)) {
    const path = join(directory, entry);
    const name = prefix + entry;
    const file = readEntry(path, name);
    if (file === undefined) continue;
    files.push(file.entry);
    if (file.isDirectory) collect(path, `${name}/`, files);
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    throw fileError('rootfs', directory, error);
  }
}

function readEntry(path: string, name: string): { entry: ArchiveFile; isDirectory: boolean } | undefined {
  try {
    const stats = lstatSync(path);
    const { mode } = stats;
    const modified = Math.max(0, Math.floor(stats.mtimeMs / 1000));
    const make = (data: Uint8Array) => ({ entry: { name, data, mode, modified }, isDirectory: stats.isDirectory() });
    if (stats.isDirectory()) return make(new Uint8Array());
    if (stats.isSymbolicLink()) return make(new TextEncoder().encode(readlinkSync(path)));
    if (!stats.isFile()) return undefined;
    if (stats.size > MOST_BYTES) throw new CommandError(`${path} is larger than the 4 GiB a cpio archive can hold`);
    return make(readFileSync(path));
  } catch (error) {
    throw error instanceof CommandError ? error : fileError('rootfs', path, error);
  }
}
