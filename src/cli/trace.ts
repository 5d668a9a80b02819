import { Command } from 'commander';
import { type ImageSet, SymbolError } from '../debugger/image-set.ts';
import { MachineTarget } from '../debugger/machine-target.ts';
import type { NamedAddress } from '../debugger/symbols.ts';
import { formatSystemCall, type SystemCallEntry, traceSystemCalls } from '../debugger/system-calls.ts';
import { formatTraceEntry, type TraceEntry, traceEntryToJson, traceStep } from '../debugger/trace.ts';
import { VerdigrisCall } from '../kernel/abi/calls.ts';
import { SystemCall } from '../kernel/syscall/numbers.ts';
import { debugImages } from './debug-images.ts';
import { CommandError } from './failure.ts';
import { addMachineOptions, type MachineFlags, openMachine, parseCount } from './machine-options.ts';
import { writeOutput } from './output.ts';

interface TraceFlags extends MachineFlags {
  readonly from?: string;
  readonly count?: number;
  readonly function?: string;
  readonly syscalls?: true;
  readonly json?: true;
}

const DETAILS = `
A line an instruction: instructions retired before it, ring, RIP, symbol, source line, disassembly, then the
registers and memory it changed. Faults and interrupts stand on lines of their own, marked **.

Examples:
  verdigris trace --count 100                     the first hundred instructions of our kernel
  verdigris trace --from schedule --count 50      from the first time that schedule is reached
  verdigris trace --from 2000000 --count 20       from the two millionth instruction
  verdigris trace --function fork                 only what fork itself executes
  verdigris trace --syscalls                      a line a system call
  verdigris trace kernel.elf --count 10 --json    another image, a JSON object a line
`;

/** The verb `trace`. */
export function traceCommand(): Command {
  const command = new Command('trace')
    .description('run a kernel image and print what each instruction did')
    .argument('[image]', 'the kernel image (default: our kernel, compiled when stale)')
    .option('--from <place>', 'begin at a symbol, an address (0x...) or an instruction count')
    .option('--count <n>', 'trace this many instructions or system calls (default: to the end)', parseCount)
    .option('--function <name>', 'trace only instructions of this function')
    .option('--syscalls', 'trace system calls instead of instructions')
    .option('--json', 'print a JSON object a line');
  return addMachineOptions(command)
    .addHelpText('after', DETAILS)
    .action(async (image: string | undefined, flags: TraceFlags) => {
      process.exitCode = await trace(image, flags);
    });
}

async function trace(imagePath: string | undefined, flags: TraceFlags): Promise<number> {
  const opened = await openMachine(imagePath, flags);
  const target = new MachineTarget(opened.machine);
  const images = debugImages(opened, (address, length) => target.readMemory(address, length));
  const output = new LineWriter();
  if (flags.from !== undefined) await runTo(target, images, flags.from);
  const limit = flags.maxInstructions ?? Number.MAX_SAFE_INTEGER;
  if (flags.syscalls) {
    await traceCalls(target, images, flags, limit, output);
  } else {
    await traceInstructions(target, images, flags, limit, output);
  }
  await output.flush();
  return 0;
}

/** Runs to where tracing begins. @throws CommandError when the place is unknown or never reached */
async function runTo(target: MachineTarget, images: ImageSet, place: string): Promise<void> {
  if (/^\d[\d_]*$/.test(place)) {
    const count = Number(place.replaceAll('_', ''));
    const stop = await target.resume(count);
    if (stop.kind !== 'count')
      throw new CommandError(`${stop.text} after ${target.instructionCount} instructions, before instruction ${count}`);
    return;
  }
  const address = addressOf(images, place);
  target.setBreakpoint(address);
  const stop = await target.resume(Number.MAX_SAFE_INTEGER);
  target.clearBreakpoint(address);
  if (stop.kind !== 'breakpoint') throw new CommandError(`${stop.text} before it reached '${place}'`);
}

function addressOf(images: ImageSet, place: string): bigint {
  return /^0x[0-9a-f]+$/i.test(place) ? BigInt(place) : symbolNamed(images, place).address;
}

function symbolNamed(images: ImageSet, name: string): NamedAddress {
  try {
    return images.findSymbol(name);
  } catch (error) {
    if (error instanceof SymbolError)
      throw new CommandError(`${error.message}; give a symbol, an address (0x...) or a count`);
    throw error;
  }
}

/** Whether an address is in the function, any address when no function was asked for. */
function rangeOf(images: ImageSet, name: string | undefined): (rip: bigint) => boolean {
  if (name === undefined) return () => true;
  const { address, size } = symbolNamed(images, name);
  const end = address + BigInt(Math.max(size, 1));
  return (rip) => rip >= address && rip < end;
}

async function traceInstructions(
  target: MachineTarget,
  images: ImageSet,
  flags: TraceFlags,
  limit: number,
  output: LineWriter,
): Promise<void> {
  const isWanted = rangeOf(images, flags.function);
  const start = flags.function === undefined ? undefined : addressOf(images, flags.function);
  for (let left = flags.count ?? Number.POSITIVE_INFINITY; left > 0 && target.instructionCount < limit; ) {
    if (start !== undefined && !isWanted(target.state.rip)) {
      target.setBreakpoint(start);
      const stop = await target.resume(limit);
      target.clearBreakpoint(start);
      if (stop.kind !== 'breakpoint') return output.line(`          ** ${stop.text}`);
    }
    const call = target.state.gpr(4);
    const entry = traceStep(target, images);
    output.line(instructionLine(entry, flags));
    left--;
    if (output.isFull) await output.flush();
    if (entry.ended !== undefined || output.isClosed) return;
    if (start !== undefined && !isWanted(target.state.rip)) await stepOut(target, isWanted, call, limit);
  }
}

/** Runs a callee or an interrupt to its end, so that the rest of the function is traced too. */
async function stepOut(
  target: MachineTarget,
  isWanted: (rip: bigint) => boolean,
  stack: bigint,
  limit: number,
): Promise<void> {
  const inner = target.state.gpr(4);
  if (inner >= stack) return;
  const bytes = target.readMemory(inner, 8);
  const returnAddress = bytes === undefined ? 0n : new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (!isWanted(returnAddress)) return;
  target.setBreakpoint(returnAddress);
  await target.resume(limit);
  target.clearBreakpoint(returnAddress);
}

async function traceCalls(
  target: MachineTarget,
  images: ImageSet,
  flags: TraceFlags,
  limit: number,
  output: LineWriter,
): Promise<void> {
  const calls = traceSystemCalls(target, images, limit);
  for (let left = flags.count ?? Number.POSITIVE_INFINITY; left > 0 && !output.isClosed; left--) {
    const { done, value } = await calls.next();
    if (done) {
      if (!flags.json) output.line(`          ** ${value}`);
      return;
    }
    output.line(systemCallLine(value, flags));
    if (output.isFull) await output.flush();
  }
}

function instructionLine(entry: TraceEntry, flags: TraceFlags): string {
  return flags.json ? JSON.stringify(traceEntryToJson(entry)) : formatTraceEntry(entry);
}

const systemCallNames = new Map<number, string>(
  Object.entries({ ...SystemCall, ...VerdigrisCall }).map(([name, number]) => [number, name]),
);

function systemCallLine(entry: SystemCallEntry, flags: TraceFlags): string {
  if (!flags.json) return formatSystemCall(entry, (number) => systemCallNames.get(number));
  return JSON.stringify({
    count: entry.count,
    program: entry.program ?? null,
    number: entry.number,
    name: systemCallNames.get(entry.number) ?? null,
    arguments: entry.arguments.map((value) => `0x${value.toString(16)}`),
    result: entry.result === undefined ? null : BigInt.asIntN(64, entry.result).toString(),
    endCount: entry.endCount ?? null,
  });
}

const flushSize = 1 << 16;

/** Writes lines to stdout in large pieces; closed by a reader that goes away. */
class LineWriter {
  isClosed = false;
  #text = '';

  line(text: string): void {
    this.#text += `${text}\n`;
  }

  /** Whether there is enough to write; whoever prints many lines then waits for `flush`. */
  get isFull(): boolean {
    return this.#text.length >= flushSize;
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    this.isClosed = !(await writeOutput(text));
  }
}
