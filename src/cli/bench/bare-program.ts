import { Cpu } from '../../cpu/cpu.ts';
import { readElf } from '../../machine/boot/elf.ts';

const MEMORY_BYTES = 8 << 20;
const LEVEL_4 = 0x1000;
const LEVEL_3 = 0x2000;
const LEVEL_2 = 0x3000;
const CALL_GATE = 0x4000;
const STACK_TOP = 0x200000n;
const HLT = 0xf4;
const RDI = 7;
const RSP = 4;
/** Present, writable, user; a 2 MiB page. */
const TABLE = 7n;
const LARGE_PAGE = 0x87n;
const LIMIT = 1_000_000_000;

export interface BareRun {
  /** Instructions until the program's first system call, which must be exit(status). */
  readonly instructions: number;
  readonly status: number;
}

/**
 * Runs a static program in 64-bit mode with no kernel below it: memory is mapped to itself, and the first system call
 * ends the run. Counts every instruction that retires.
 */
export function runBareProgram(image: Uint8Array): BareRun {
  const cpu = new Cpu({ memoryBytes: MEMORY_BYTES, bus: emptyBus });
  cpu.reset();
  const { state } = cpu;
  const elf = readElf(image);
  for (const { virtualAddress, data } of elf.segments) state.guestRam.set(data, Number(virtualAddress));
  const words = new DataView(state.guestRam.buffer, state.guestRam.byteOffset);
  words.setBigUint64(LEVEL_4, BigInt(LEVEL_3) | TABLE, true);
  words.setBigUint64(LEVEL_3, BigInt(LEVEL_2) | TABLE, true);
  for (let page = 0; page < MEMORY_BYTES >> 21; page++) {
    words.setBigUint64(LEVEL_2 + 8 * page, BigInt(page << 21) | LARGE_PAGE, true);
  }
  state.guestRam[CALL_GATE] = HLT;
  state.set64('cr0', 0x80010033n);
  state.set64('cr3', BigInt(LEVEL_4));
  state.set64('cr4', 0x620n);
  state.set64('efer', 0xd01n);
  state.set64('star', 0x0010_0008_0000_0000n);
  state.set64('lstar', BigInt(CALL_GATE));
  for (const segment of state.segments) {
    Object.assign(segment, { selector: 0x10, attributes: 0xc093, limit: 0xffffffff, base: 0n });
  }
  state.cs.selector = 8;
  state.cs.attributes = 0xa09b;
  state.rflags = 2;
  state.rip = elf.entry;
  state.setGpr(RSP, STACK_TOP);
  cpu.refresh();
  const { reason } = cpu.run(LIMIT);
  if (reason !== 'halt') throw new Error(`the program stopped by '${reason}' at 0x${state.rip.toString(16)}`);
  return { instructions: cpu.instructionCount, status: Number(state.gpr(RDI) & 0xffn) };
}

/** A machine with nothing but RAM. */
const emptyBus = {
  readPort: (_port: number, width: number) => 2 ** (8 * width) - 1,
  writePort: () => {},
  readPhysical: (_address: number, width: number) => (1n << BigInt(8 * width)) - 1n,
  writePhysical: () => {},
  readMsr: () => undefined,
  writeMsr: () => false,
  readTaskPriority: () => 0,
  writeTaskPriority: () => {},
  pendingInterrupt: () => false,
  acknowledgeInterrupt: () => 0,
  timeStampCounter: () => 0,
};
