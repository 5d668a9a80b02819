import type { DebugImage } from '../debug-image.ts';
import { codeSizeOf, type DisassembledInstruction, disassemble } from '../disassembly.ts';
import type { FunctionInfo } from '../dwarf/debug-info.ts';
import type { SourcePosition } from '../dwarf/line-table.ts';
import type { ImageSet } from '../image-set.ts';
import { REGISTER_NAMES, readRegister } from '../registers.ts';
import type { DebugTarget, Delivery, StopReason } from '../target.ts';
import { formatDelivery } from '../trace.ts';
import { hexadecimal, unsignedLittleEndian } from '../value-printer.ts';

/** Lines of a source file, or undefined when it cannot be read. */
export type SourceReader = (file: string) => readonly string[] | undefined;

export interface Breakpoint {
  readonly number: number;
  readonly description: string;
  readonly addresses: readonly bigint[];
  /** Bytes watched; 0 for a breakpoint on execution. */
  readonly watchedBytes: number;
}

/** How many instructions a source-level step may take before it is given up as a loop. */
const longestLine = 10_000_000;

/**
 * One debugging session: a target, what its images say, breakpoints, and the ways to move. Commands (commands.ts) turn text into
 * calls of it; nothing here reads or prints.
 */
export class Session {
  readonly target: DebugTarget;
  readonly images: ImageSet;
  readonly readSource: SourceReader;
  readonly breakpoints: Breakpoint[] = [];
  #nextNumber = 1;
  /** The machine has stopped for good. */
  #ended = false;

  constructor(target: DebugTarget, images: ImageSet, readSource: SourceReader) {
    this.target = target;
    this.images = images;
    this.readSource = readSource;
  }

  get rip(): bigint {
    return this.target.state.rip;
  }

  /** The image that the processor executes now. */
  get image(): DebugImage | undefined {
    return this.images.at(this.target.state, this.rip);
  }

  get position(): SourcePosition | undefined {
    return this.image?.positionAt(this.rip);
  }

  get function(): FunctionInfo | undefined {
    return this.image?.info.functionAt(this.rip);
  }

  /** Every symbol of every image, and its last part, which finds it too: for completion. */
  get symbolNames(): readonly string[] {
    const names = this.images.all.flatMap((image) => image.symbols.names);
    return [...new Set(names.flatMap((name) => [name, name.slice(name.lastIndexOf('.') + 1)]))];
  }

  get registerNames(): readonly string[] {
    return REGISTER_NAMES;
  }

  /** @throws SymbolError when no image has the symbol, or one has several */
  findSymbol(name: string): bigint {
    return (this.image?.symbols.find(name) ?? this.images.findSymbol(name)).address;
  }

  describe(address: bigint): string {
    const image = this.images.at(this.target.state, address) ?? this.image;
    return image?.symbols.describe(address) ?? hexadecimal(address, 16);
  }

  addressesOfLine(file: string, line: number): bigint[] {
    const images = [this.images.kernel, ...this.images.programs].filter((image) => image !== undefined);
    return images.map((image) => image.lines.addressesOf(file, line)).find((found) => found.length > 0) ?? [];
  }

  disassembleAt(address: bigint): DisassembledInstruction | undefined {
    const { target } = this;
    const image = this.images.at(target.state, address);
    const symbol = (each: bigint) => image?.symbols.describe(each);
    return disassemble((at, length) => target.readMemory(at, length), address, codeSizeOf(target.state), symbol);
  }

  register(name: string): bigint {
    return readRegister(this.target.state, name) ?? 0n;
  }

  readPointer(address: bigint): bigint | undefined {
    const bytes = this.target.readMemory(address, 8);
    return bytes === undefined ? undefined : unsignedLittleEndian(bytes);
  }

  addBreakpoint(description: string, addresses: readonly bigint[], watchedBytes = 0): Breakpoint {
    for (const address of addresses) {
      if (watchedBytes > 0) this.target.setWatchpoint(address, watchedBytes);
      else this.target.setBreakpoint(address);
    }
    const breakpoint = { number: this.#nextNumber++, description, addresses, watchedBytes };
    this.breakpoints.push(breakpoint);
    return breakpoint;
  }

  /** @returns false when there is no such breakpoint */
  removeBreakpoint(number: number): boolean {
    const index = this.breakpoints.findIndex((each) => each.number === number);
    if (index < 0) return false;
    const [removed] = this.breakpoints.splice(index, 1);
    for (const address of removed!.addresses) this.#disarm(address, removed!.watchedBytes > 0);
    return true;
  }

  /** Executes `count` instructions. @returns what is worth saying about them */
  stepInstructions(count: number): string[] {
    const notes: string[] = [];
    for (let done = 0; done < count; done++) {
      const { deliveries, ended } = this.target.step();
      notes.push(...deliveries.map((each: Delivery) => formatDelivery(each)));
      if (ended !== undefined) {
        this.#ended = true;
        return [...notes, ended];
      }
    }
    return notes;
  }

  /** Executes to the next source line, into calls. */
  async stepLine(): Promise<string[]> {
    return this.#stepWhile((start) => this.#sameLine(start));
  }

  /** Executes to the next source line of this function, over calls and interrupts. */
  async nextLine(): Promise<string[]> {
    const stack = this.register('rsp');
    return this.#stepWhile((start) => this.register('rsp') < stack - 8n || this.#sameLine(start), stack);
  }

  /** Executes one instruction, a call as a whole. */
  async nextInstruction(): Promise<string[]> {
    const instruction = this.disassembleAt(this.rip);
    if (instruction === undefined || !['CALL', 'INT', 'SYSCALL'].includes(instruction.mnemonic))
      return this.stepInstructions(1);
    return this.runTo(this.rip + BigInt(instruction.bytes.length));
  }

  /** Runs until the current function has returned to its caller. */
  async finish(): Promise<string[]> {
    const frame = this.register('rbp');
    const returnAddress = frame === 0n ? undefined : this.readPointer(BigInt.asUintN(64, frame + 8n));
    if (returnAddress === undefined) return ['no frame: rbp does not point to a saved rbp and a return address'];
    return this.runTo(returnAddress);
  }

  /** Runs to `address`, unless a breakpoint comes first. */
  async runTo(address: bigint): Promise<string[]> {
    this.target.setBreakpoint(address);
    try {
      return await this.continue();
    } finally {
      this.#disarm(address, false);
    }
  }

  /** Runs to the next breakpoint or the end; `until` bounds the instruction count. */
  async continue(until = Number.MAX_SAFE_INTEGER): Promise<string[]> {
    const reason: StopReason = await this.target.resume(until);
    this.#ended ||= reason.kind === 'ended';
    return reason.kind === 'breakpoint' && !this.#isUserBreakpoint() ? [] : [reason.text];
  }

  #isUserBreakpoint(): boolean {
    return this.breakpoints.some((each) => each.addresses.includes(this.rip));
  }

  #disarm(address: bigint, watched: boolean): void {
    const stillUsed = this.breakpoints.some(
      (each) => each.watchedBytes > 0 === watched && each.addresses.includes(address),
    );
    if (stillUsed) return;
    if (watched) this.target.clearWatchpoint(address);
    else this.target.clearBreakpoint(address);
  }

  #sameLine(start: SourcePosition | undefined): boolean {
    const now = this.position;
    return now !== undefined && start !== undefined && now.line === start.line && now.file === start.file;
  }

  /** Steps while `within` holds of the position where it began; lines without debug information count as within. */
  async #stepWhile(within: (start: SourcePosition | undefined) => boolean, frame?: bigint): Promise<string[]> {
    const start = this.position;
    const notes: string[] = [];
    for (let steps = 0; steps < longestLine; steps++) {
      if (steps > 0 && this.#isUserBreakpoint()) return [...notes, `breakpoint at ${this.describe(this.rip)}`];
      const instruction = frame === undefined ? undefined : this.disassembleAt(this.rip);
      const skipCall = instruction?.mnemonic === 'CALL' || instruction?.mnemonic === 'SYSCALL';
      const said = skipCall ? await this.nextInstruction() : this.stepInstructions(1);
      notes.push(...said);
      if (this.#ended) return notes;
      if (!within(start) && this.position !== undefined) return notes;
    }
    return [...notes, `gave up after ${longestLine} instructions on one line`];
  }
}
