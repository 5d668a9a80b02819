/** A test by its file below tests/, and its own title as it stands there, without those of its groups. */
export type NamedTest = readonly [file: string, title: string];

const kernelTest =
  (file: string) =>
  (title: string): NamedTest => [`kernel/${file}.test.ts`, title];

export const addressSpace = kernelTest('address-space');
export const allocationFailures = kernelTest('allocation-failures');
export const bootCurrent = kernelTest('boot-current');
export const credentials = kernelTest('credentials');
export const futex = kernelTest('futex');
export const ipc = kernelTest('ipc');
export const lifecycle = kernelTest('lifecycle');
export const loader = kernelTest('loader');
export const locks = kernelTest('locks');
export const processModule = kernelTest('process-module');
export const processTable = kernelTest('process-table');
export const scheduler = kernelTest('scheduler');
export const script = kernelTest('script');
export const session = kernelTest('session');
export const signals = kernelTest('signals');
export const systemCalls = kernelTest('system-calls');
export const terminal = kernelTest('terminal');
export const timers = kernelTest('timers');

/** A C program of tests/system/programs that is compared with Linux line by line. */
export const linux = (program: string): NamedTest => ['oracle/linux-programs.test.ts', program];
/** A system call whose answers are compared with Linux's. */
export const linuxCall = (call: string): NamedTest => ['oracle/linux-calls.test.ts', call];

export const comingAndGoing: NamedTest = [
  'system/endurance.test.ts',
  'come and go, 3,000 and 1,000 and 256 of them, and leave nothing behind',
];
