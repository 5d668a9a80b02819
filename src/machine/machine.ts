import { Cpu, type CpuOptions, type Engine, type RunExit } from '../cpu/cpu.ts';
import { FLAG } from '../cpu/flags.ts';
import type { CpuState } from '../cpu/state.ts';
import { acpiTables } from './boot/acpi-tables.ts';
import type { BootModule, KernelEntry } from './boot/kernel-entry.ts';
import { loadImage, type Protocol } from './boot/load-image.ts';
import { Bus } from './bus.ts';
import { Chipset } from './chipset.ts';
import { VirtualClock } from './clock.ts';
import type { Condition } from './condition.ts';
import { enterKernel } from './entry-state.ts';
import { HostTurns } from './host-turns.ts';
import { MachineError } from './machine-error.ts';
import { FIRMWARE_BASE, IOAPIC_BASE, LAPIC_BASE, memoryMap } from './memory-map.ts';
import { parseMemorySize } from './memory-size.ts';
import { POWER_MANAGEMENT_PORT } from './port-map.ts';
import type { Processor, ProcessorFactory } from './processor.ts';
import { SerialConsole, type TypedInput } from './serial-console.ts';
import { capturePages, type MachineSnapshot, restorePages, SNAPSHOT_VERSION } from './snapshot.ts';
import { canonicalText, StateHash } from './state-hash.ts';
import { describeStop, type Stop } from './stop.ts';

export interface MachineOptions {
  /** RAM: bytes, or text such as `256M`. Default 256 MiB. */
  readonly memory?: number | string;
  readonly commandLine?: string;
  /** The first module: an initramfs. */
  readonly initrd?: Uint8Array;
  /** Further modules. */
  readonly modules?: readonly BootModule[];
  /** What Multiboot puts before the command line. Default `kernel`. */
  readonly imageName?: string;
  readonly protocol?: Protocol;
  /** How instructions are executed; the guest sees no difference. Default `interpreter`. */
  readonly engine?: Engine;
  /** How eagerly hot code is translated, instead of what `engine` stands for. */
  readonly translator?: CpuOptions['translator'];
  /** The clock's date at power-on, in seconds since 1970 UTC. Default 2026-01-01. */
  readonly epoch?: number;
  /** Input to type at exact moments: a recording of an earlier run. */
  readonly input?: readonly TypedInput[];
}

export interface RunLimits {
  /** Stops when this many instructions have retired since power-on. */
  readonly maxInstructions?: number;
}

export interface RunOptions extends RunLimits {
  /** Stops when this comes true. */
  readonly until?: Condition;
}

/** What a bounded stretch of execution ended with. */
export type Advance =
  | Stop
  /** The stretch is over and nothing else has happened. */
  | { readonly reason: 'budget' }
  /** The processor is halted until `wake`, a virtual time, or until input arrives when it is undefined. */
  | { readonly reason: 'waiting'; readonly wake: number | undefined };

const DEFAULT_MEMORY = 256 * 2 ** 20;
const DEFAULT_EPOCH = Date.UTC(2026, 0, 1) / 1000;

/** Instructions in one stretch of `runSync`. */
const STRETCH = 50_000_000;
/** Lines of output that an error shows. */
const OUTPUT_LINES_SHOWN = 10;
/** Alarms that may ring in one stretch without waking a halted processor. */
const IDLE_ALARMS = 100_000;

const PLATFORM = {
  lapicAddress: LAPIC_BASE,
  ioapicAddress: IOAPIC_BASE,
  powerManagementPort: POWER_MANAGEMENT_PORT,
};

const createCpu: ProcessorFactory = (options) => new Cpu(options);

/**
 * An x86-64 PC: one processor, RAM, the devices of `Chipset`, and a kernel image loaded by a boot protocol. Everything
 * it does follows from its options and from the bytes typed on its serial console.
 */
export class Machine {
  readonly clock: VirtualClock;
  readonly chipset: Chipset;
  readonly bus: Bus;
  readonly serial: SerialConsole;
  /** The entry state that the boot protocol chose. */
  readonly entry: KernelEntry;

  /** A byte was written to the debug console, port 0xe9. */
  onDebugByte?: (byte: number) => void;
  /** The guest used something that the machine does not have. */
  onWarning?: (message: string) => void;

  readonly processor: Processor;
  #stop: Stop | undefined;
  #turns: HostTurns | undefined;

  /**
   * Powers the machine on with a kernel image.
   * @throws ImageError when the image cannot be booted, MachineError when an option is wrong
   */
  constructor(image: Uint8Array, options: MachineOptions = {}, createProcessor: ProcessorFactory = createCpu) {
    const memoryBytes = parseMemorySize(options.memory ?? DEFAULT_MEMORY);
    this.clock = new VirtualClock(() => this.processor?.instructionCount ?? 0);
    this.chipset = new Chipset(this.clock, { epoch: options.epoch ?? DEFAULT_EPOCH, memoryBytes });
    this.bus = new Bus(this.clock, this.chipset);
    this.serial = new SerialConsole(this.clock, this.chipset.uart);
    const { engine = 'interpreter', translator = {} } = options;
    this.processor = createProcessor({ memoryBytes, bus: this.bus, engine, translator });
    this.#connect();
    const initrd = options.initrd === undefined ? [] : [{ data: options.initrd, commandLine: '' }];
    const boot = {
      commandLine: options.commandLine ?? '',
      modules: [...initrd, ...(options.modules ?? [])],
      memoryMap: memoryMap(memoryBytes),
      imageName: options.imageName ?? 'kernel',
      firmwareTables: { address: FIRMWARE_BASE, bytes: acpiTables(FIRMWARE_BASE, PLATFORM) },
    };
    this.entry = loadImage(image, this.state.guestRam, boot, options.protocol ?? 'auto');
    this.processor.reset();
    enterKernel(this.state, this.entry);
    this.processor.refresh();
    this.chipset.lapic.enableVirtualWire();
    this.serial.schedule(options.input ?? []);
  }

  /** The processor's registers. */
  get state(): CpuState {
    return this.processor.state;
  }

  /** Instructions retired since power-on. */
  get instructions(): number {
    return this.processor.instructionCount;
  }

  /** Why the machine stopped for good, or undefined while it can go on. */
  get stopped(): Stop | undefined {
    return this.#stop;
  }

  /** Makes `advance` return with this stop at the next instruction boundary. */
  stop(reason: Stop): void {
    this.#stop ??= reason;
    if (this.clock.running) this.processor.requestStop();
    this.#turns?.interrupt();
  }

  /** Lets a machine that stopped for a reason of the host's go on: a breakpoint, a limit, a condition. */
  resume(): void {
    const final = ['debug-exit', 'power-off', 'reset', 'triple-fault'];
    if (this.#stop !== undefined && !final.includes(this.#stop.reason)) this.#stop = undefined;
  }

  /**
   * Executes until `until` instructions have retired since power-on, or something happens. Alarms, interrupts and input
   * take effect at exact instruction counts, however execution is cut into stretches.
   */
  advance(until: number): Advance {
    for (let alarms = 0; alarms < IDLE_ALARMS; ) {
      this.clock.ringDue();
      if (this.#stop !== undefined) return this.#stop;
      if (this.instructions >= until) return { reason: 'budget' };
      const before = this.instructions;
      const exit = this.#execute(Math.min(until, this.#nextAlarmCount()));
      if (this.#stop !== undefined) return this.#stop;
      // One instruction without end: the host must have its turn.
      if (exit.reason === 'stop' && this.instructions === before) return { reason: 'budget' };
      if (exit.reason === 'halt') {
        if ((this.state.rflags & FLAG.IF) === 0) return this.#finish({ reason: 'halted' });
        const wake = this.clock.nextDeadline;
        if (wake === undefined || wake > this.clock.now) return { reason: 'waiting', wake };
        alarms++;
      } else if (exit.reason === 'shutdown') {
        return this.#finish({ reason: 'triple-fault' });
      } else if (exit.reason === 'breakpoint' || exit.reason === 'watchpoint') {
        return { reason: exit.reason, address: exit.address ?? this.state.rip };
      }
    }
    return { reason: 'budget' };
  }

  /**
   * Runs without giving the host's event loop a turn: for tests and tools that feed no input meanwhile. Halted time is
   * skipped. Use `run` for anything interactive.
   */
  runSync(limits: RunLimits = {}): Stop {
    this.resume();
    const limit = limits.maxInstructions ?? Number.POSITIVE_INFINITY;
    for (;;) {
      const advance = this.advance(Math.min(limit, this.instructions + STRETCH));
      if (advance.reason === 'budget') {
        if (this.instructions >= limit) return { reason: 'limit' };
      } else if (advance.reason !== 'waiting') {
        return advance;
      } else if (advance.wake === undefined) {
        return { reason: 'idle' };
      } else {
        this.clock.skipTo(advance.wake);
      }
    }
  }

  /**
   * Runs and gives the host's event loop its turns, so that input can be typed meanwhile. While the serial console is
   * open, halted time passes in real time; else it is skipped. How turns are cut changes nothing the guest can see.
   */
  async run(options: RunOptions = {}): Promise<Stop> {
    this.resume();
    const limit = options.maxInstructions ?? Number.POSITIVE_INFINITY;
    const detach = options.until?.attach(this, () => this.stop({ reason: 'condition' }));
    const turns = new HostTurns(this.clock, this.serial);
    this.#turns = turns;
    try {
      for (;;) {
        const advance = this.advance(Math.min(limit, this.instructions + turns.stretch));
        if (advance.reason === 'budget') {
          if (this.instructions >= limit) return { reason: 'limit' };
          await turns.take();
        } else if (advance.reason !== 'waiting') {
          return advance;
        } else if (!(await turns.wait(advance.wake))) {
          return { reason: 'idle' };
        }
      }
    } finally {
      detach?.();
      this.#turns = undefined;
    }
  }

  /**
   * Runs until a condition comes true.
   * @throws MachineError when the machine stops before
   */
  async until(condition: Condition, limits: RunLimits = {}): Promise<void> {
    const stop = await this.run({ ...limits, until: condition });
    if (stop.reason === 'condition') return;
    const output = this.serial.text.split('\n').slice(-OUTPUT_LINES_SHOWN).join('\n');
    throw new MachineError(
      `the machine ${describeStop(stop)} before ${condition.description}; its output ends:\n${output}`,
    );
  }

  /** Executes one instruction, or delivers one interrupt. @returns the stop that it caused, if any */
  step(): Stop | undefined {
    this.resume();
    const advance = this.advance(this.instructions + 1);
    if (advance.reason === 'budget') return undefined;
    if (advance.reason !== 'waiting') return advance;
    if (advance.wake === undefined) return { reason: 'idle' };
    this.clock.skipTo(advance.wake);
    return undefined;
  }

  /**
   * Copies guest memory by linear address, through the page tables of the moment, with no side effect on the guest.
   * Device memory is peeked at.
   * @returns the bytes up to the first one that is not mapped
   */
  readVirtual(address: bigint, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) {
      const physical = this.processor.translate(BigInt.asUintN(64, address + BigInt(index)));
      if (physical === undefined) return bytes.subarray(0, index);
      bytes[index] = this.peekPhysical(physical);
    }
    return bytes;
  }

  /** One byte of physical memory, without side effects. */
  peekPhysical(address: number): number {
    const { guestRam } = this.state;
    return address < guestRam.length ? guestRam[address]! : this.bus.peekPhysical(address);
  }

  /** A hash of everything that decides how the machine goes on: registers, devices, RAM. Equal runs have equal hashes. */
  stateHash(): string {
    const hash = new StateHash();
    const { clock, processor, chipset, serial } = this;
    hash.text(
      canonicalText([processor.instructionCount, clock.save(), processor.save(), chipset.save(), serial.save()]),
    );
    hash.memory(this.state.guestRam);
    return hash.digest();
  }

  /** Everything, as a named record; RAM as the pages that are not zero. */
  save(): MachineSnapshot {
    return {
      version: SNAPSHOT_VERSION,
      memoryBytes: this.state.memoryBytes,
      stop: this.#stop ?? null,
      clock: this.clock.save(),
      processor: this.processor.save(),
      chipset: this.chipset.save(),
      serial: this.serial.save(),
      pages: capturePages(this.state.guestRam),
    };
  }

  /** @throws MachineError when the snapshot is of another version or memory size */
  restore(snapshot: MachineSnapshot): void {
    if (snapshot.version !== SNAPSHOT_VERSION) {
      throw new MachineError(`the snapshot has version ${snapshot.version}, not ${SNAPSHOT_VERSION}`);
    }
    if (snapshot.memoryBytes !== this.state.memoryBytes) {
      throw new MachineError(`the snapshot has ${snapshot.memoryBytes} bytes of memory, not ${this.state.memoryBytes}`);
    }
    restorePages(this.state.guestRam, snapshot.pages);
    this.clock.restore(snapshot.clock);
    this.processor.restore(snapshot.processor);
    this.chipset.restore(snapshot.chipset);
    this.serial.restore(snapshot.serial);
    this.#stop = snapshot.stop ?? undefined;
  }

  #connect(): void {
    const { chipset } = this;
    this.clock.onEarlierDeadline = () => {
      if (this.clock.running) this.processor.requestStop();
    };
    chipset.onWarning = (message) => this.onWarning?.(message);
    chipset.onReset = () => this.stop({ reason: 'reset' });
    chipset.lapic.onNmi = () => this.processor.raiseNmi();
    chipset.lapic.onInit = () => this.stop({ reason: 'reset' });
    chipset.debugConsole.onByte = (byte) => this.onDebugByte?.(byte);
    chipset.debugExit.onExit = (value) => this.stop({ reason: 'debug-exit', value });
    chipset.acpiPm.onPowerOff = () => this.stop({ reason: 'power-off', status: chipset.exitStatus.status });
  }

  #execute(until: number): RunExit {
    this.clock.running = true;
    try {
      return this.processor.run(until);
    } finally {
      this.clock.running = false;
    }
  }

  /** The instruction count at which the earliest alarm is due; at least one instruction away. */
  #nextAlarmCount(): number {
    const deadline = this.clock.nextDeadline;
    if (deadline === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(this.instructions + 1, deadline - this.clock.idle);
  }

  #finish(stop: Stop): Stop {
    this.#stop = stop;
    return stop;
  }
}
