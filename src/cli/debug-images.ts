import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { DebugImage } from '../debugger/debug-image.ts';
import { ImageSet } from '../debugger/image-set.ts';
import type { SourceReader } from '../debugger/session/session.ts';
import type { MemoryReader } from '../debugger/value-printer.ts';
import { isElf, readElf } from '../machine/boot/elf.ts';
import { readArchive } from './archive.ts';
import type { OpenedMachine } from './machine-options.ts';

/** The kernel's debug image, and one for each ELF program in the initramfs. */
export function debugImages(opened: OpenedMachine, read: MemoryReader): ImageSet {
  const kernel = isElf(opened.image) ? new DebugImage(opened.imageName, readElf(opened.image)) : undefined;
  const files = opened.initrd === undefined ? [] : readArchive(opened.initrd);
  const programs = files
    .filter((file) => isElf(file.data))
    .map((file) => new DebugImage(file.name, readElf(file.data)));
  return new ImageSet(kernel, programs, read);
}

/** Reads source files named in debug information, relative ones below `sourceRoot`. */
export function sourceReaderBelow(sourceRoot: string): SourceReader {
  const known = new Map<string, readonly string[] | undefined>();
  return (file) => {
    if (!known.has(file)) {
      const path = isAbsolute(file) ? file : resolve(sourceRoot, file);
      known.set(file, existsSync(path) ? readFileSync(path, 'utf8').split('\n') : undefined);
    }
    return known.get(file);
  };
}
