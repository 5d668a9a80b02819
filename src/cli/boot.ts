import { chalkStderr } from 'chalk';
import { Command } from 'commander';
import { serial } from '../machine/condition.ts';
import { describeStop, exitCodeOf, type Stop } from '../machine/stop.ts';
import { HostConsole } from './console.ts';
import { CommandError, writeResult } from './failure.ts';
import { addMachineOptions, type MachineFlags, openMachine } from './machine-options.ts';
import { formatReport, reportRun } from './run-report.ts';

interface BootFlags extends MachineFlags {
  readonly exitOn?: string;
  readonly record?: string;
  readonly stats?: true;
  readonly json?: true;
  readonly warnings?: true;
}

const DETAILS = `
Without an image, our own kernel boots, compiled when its sources have changed. Any ELF64 image with
a PVH note boots too, any Multiboot 1 kernel, and any Linux bzImage. The serial port is this terminal: Ctrl-A x leaves
the machine, Ctrl-A a types Ctrl-A, Ctrl-A h shows help.

Exit status:
  (v << 1) | 1   the guest wrote v to port 0xf4
  s              the guest powered off and had left s at port 0xf5: the status of our kernel's init
  0              --exit-on matched, the guest reset the machine, or you left it
  124            the instruction limit was reached
  125            the machine could not run the image
  126            the guest crashed: triple fault, or halted for good

Examples:
  verdigris boot                                        our kernel
  verdigris boot --append 'init=/bin/sh'                our kernel with another first program
  verdigris boot test.flat --initrd data.bin --memory 64M --max-instructions 1000000
  verdigris boot kernel.elf --exit-on 'init: ok' --stats
  verdigris boot --record session.json                  then --replay session.json: the same run again
`;

/** The verb `boot`. */
export function bootCommand(): Command {
  const command = new Command('boot')
    .description('boot a kernel image on the machine, with the serial port as console')
    .argument('[image]', 'a PVH or Multiboot 1 image or a Linux bzImage; default: our kernel');
  return addMachineOptions(command)
    .option('--exit-on <text>', 'stop with status 0 when the guest prints this text')
    .option('--record <file>', 'write what was typed, with its exact times')
    .option('--stats', 'end with figures about the run on stderr')
    .option('--json', 'give the figures as one line of JSON')
    .option('--warnings', 'report on stderr what the guest uses that the machine does not have')
    .addHelpText('after', DETAILS)
    .action(async (image: string | undefined, flags: BootFlags) => {
      process.exitCode = await boot(image, flags);
    });
}

async function boot(imagePath: string | undefined, flags: BootFlags): Promise<number> {
  if (flags.exitOn === '') throw new CommandError('--exit-on needs a text to wait for');
  if (flags.record !== undefined) writeResult('recording', flags.record, '');
  const { machine } = await openMachine(imagePath, flags);
  if (flags.warnings) machine.onWarning = (text) => process.stderr.write(`${chalkStderr.yellow('warning:')} ${text}\n`);
  const console = new HostConsole(machine, () => machine.stop({ reason: 'interrupted' }));
  const begun = performance.now();
  let stop: Stop;
  try {
    if (flags.replay === undefined) await console.open();
    stop = await machine.run({
      ...(flags.maxInstructions === undefined ? {} : { maxInstructions: flags.maxInstructions }),
      ...(flags.exitOn === undefined ? {} : { until: serial(flags.exitOn) }),
    });
  } finally {
    await console.close();
  }
  const elapsed = performance.now() - begun;
  if (flags.record !== undefined) writeResult('recording', flags.record, JSON.stringify(machine.serial.recording));
  if (flags.stats || flags.json) {
    const report = reportRun(machine, stop, elapsed, console.firstOutput);
    process.stderr.write(flags.json ? `${JSON.stringify(report)}\n` : formatReport(report, stop));
  } else if (isFailure(stop)) {
    process.stderr.write(`${chalkStderr.red('verdigris:')} the machine ${describeStop(stop)}\n`);
  }
  return exitCodeOf(stop);
}

/** A stop that the guest did not choose deserves a word. */
function isFailure(stop: Stop): boolean {
  return ['limit', 'triple-fault', 'halted', 'idle'].includes(stop.reason);
}
