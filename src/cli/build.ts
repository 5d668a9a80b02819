import chalk from 'chalk';
import { Command } from 'commander';
import { buildImages } from './images.ts';

const DETAILS = `
Compiles src/kernel into images/kernel.elf and each program of src/user into images/bin, and packs the
programs into images/initramfs.cpio. What has not changed is not compiled again.

Examples:
  verdigris build
  verdigris build --force
  qemu-system-x86_64 -nographic -kernel images/kernel.elf -initrd images/initramfs.cpio
`;

/** The verb `build`. */
export function buildCommand(): Command {
  return new Command('build')
    .description('compile the kernel and its programs into images/')
    .option('--force', 'compile everything, whether it has changed or not')
    .option('--json', 'list the images as one line of JSON')
    .addHelpText('after', DETAILS)
    .action(async (flags: { readonly force?: true; readonly json?: true }) => {
      const { targets } = await buildImages(flags);
      process.stdout.write(flags.json ? `${JSON.stringify(targets)}\n` : targets.map(targetLine).join(''));
    });
}

function targetLine({ file, bytes, compiled }: { file: string; bytes: number; compiled: boolean }): string {
  const state = compiled ? chalk.green('compiled ') : chalk.dim('unchanged');
  return `${state} images/${file} ${chalk.dim(`${bytes} bytes`)}\n`;
}
