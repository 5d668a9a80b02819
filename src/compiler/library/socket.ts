import { bigintToNumber, failure, type HostView, newMap, newView, toInteger } from './host.ts';

export type AccessSize = 1 | 2 | 4 | 8;

/** What a test may plug in beneath the kernel: devices, a processor, memory. Every part is optional. */
export interface Socket {
  readPort?(port: number, size: 1 | 2 | 4): number;
  writePort?(port: number, size: 1 | 2 | 4, value: number): void;
  /** Returns undefined where the socket does not decode the address: simulated RAM answers then. */
  load?(address: bigint, size: AccessSize): bigint | undefined;
  /** Returns false where the socket does not decode the address. */
  store?(address: bigint, size: AccessSize, value: bigint): boolean;
  /** True when a `try...` access of the address is to fail. */
  faults?(address: bigint, size: number, write: boolean): boolean;
  /** A privileged instruction, by its intrinsic's name; its result, 0 where it has none. */
  privileged?(name: string, operands: readonly (number | bigint)[]): number | bigint;
  systemCall?(number: bigint, operands: readonly bigint[]): bigint;
  symbol?(name: string): bigint | undefined;
}

const STATIC_BASE = 0xffff_ff00_0000_0000n;
const PAGE = 4096n;

let socket: Socket = {};
let nextStatic = STATIC_BASE;
const ram = newMap<bigint, HostView>();
const statics = newMap<bigint, HostView>();

/** Plugs a socket in; simulated RAM stays as it is. */
export function plug(replacement: Socket): void {
  socket = replacement;
}

/** Unplugs the socket and empties simulated RAM (not the program's own arrays), so that tests do not see each other. */
export function unplug(): void {
  socket = {};
  ram.clear();
}

export function plugged(): Socket {
  return socket;
}

/** Simulated storage, zeroed, for what the compiler places in .bss or on the stack; returns its address. */
export function reserve(size: number, alignment: number): bigint {
  const mask = toInteger(alignment) - 1n;
  const address = (nextStatic + mask) & ~mask;
  nextStatic = address + toInteger(size);
  return address;
}

function page(address: bigint): HostView {
  const number = address / PAGE;
  const pages = address < STATIC_BASE ? ram : statics;
  const present = pages.get(number);
  if (present !== undefined) return present;
  const fresh = newView(4096);
  pages.set(number, fresh);
  return fresh;
}

const offsetInPage = (address: bigint): number => bigintToNumber(address % PAGE);

/** Reads simulated memory: the socket first, RAM where it does not answer. */
export function load(address: bigint, size: AccessSize): bigint {
  const answer = socket.load?.(address, size);
  if (answer !== undefined) return answer;
  let value = 0n;
  for (let index = size - 1; index >= 0; index--) {
    const at = address + toInteger(index);
    value = (value << 8n) | toInteger(page(at).getUint8(offsetInPage(at)));
  }
  return value;
}

/** Writes simulated memory. */
export function store(address: bigint, size: AccessSize, value: bigint): void {
  if (socket.store?.(address, size, value)) return;
  for (let index = 0, rest = value; index < size; index++, rest >>= 8n) {
    const at = address + toInteger(index);
    page(at).setUint8(offsetInPage(at), bigintToNumber(rest & 0xffn));
  }
}

/** What an operation without a socket ends in. */
export function unconnected(what: string): never {
  throw failure(`${what}: nothing is plugged in (see socket.ts)`);
}
