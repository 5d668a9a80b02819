import { readArchive } from '../../src/cli/archive.ts';
import { sourceReaderBelow } from '../../src/cli/debug-images.ts';
import { buildImages, packageRoot } from '../../src/cli/images.ts';
import { DebugImage } from '../../src/debugger/debug-image.ts';
import { ImageSet } from '../../src/debugger/image-set.ts';
import { MachineTarget } from '../../src/debugger/machine-target.ts';
import { Session } from '../../src/debugger/session/session.ts';
import { readElf } from '../../src/machine/boot/elf.ts';
import { Machine } from '../../src/machine/machine.ts';
import { ENGINE } from '../engine.ts';

/** A machine with our kernel and its programs, stopped before the first instruction. */
export async function debugOurKernel(
  commandLine = '',
): Promise<{ machine: Machine; target: MachineTarget; session: Session }> {
  const { kernel, initramfs } = await buildImages();
  const machine = new Machine(kernel, { ...ENGINE, initrd: initramfs, commandLine });
  const target = new MachineTarget(machine);
  const programs = readArchive(initramfs).map((file) => new DebugImage(file.name, readElf(file.data)));
  const read = (address: bigint, length: number) => target.readMemory(address, length);
  const images = new ImageSet(new DebugImage('kernel.elf', readElf(kernel)), programs, read);
  return { machine, target, session: new Session(target, images, sourceReaderBelow(packageRoot())) };
}
