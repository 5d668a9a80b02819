import {
  Atomic32,
  addressOf,
  array,
  assert,
  bytes,
  cpu,
  Errno,
  embed,
  err,
  f8,
  f16,
  f32,
  f64,
  hex,
  isr,
  mem,
  ok,
  type PhysAddr,
  panicHandler,
  pause,
  phys,
  port,
  printer,
  type Result,
  references,
  sparseTable,
  struct,
  table,
  tryLoad32,
  type UserPtr,
  u8,
  u16,
  u32,
  u64,
  virt,
} from '#dialect';

const COM1 = 0x3f8;

export const State = { Free: 0, Ready: 1, Running: 2, Zombie: 3 } as const;
export type State = (typeof State)[keyof typeof State];

export class SpinLock {
  readonly word = new Atomic32();

  acquire(): SpinLock {
    while (this.word.exchange(1) !== 0) pause();
    return this;
  }
  [Symbol.dispose](): void {
    this.word.store(0, 'release');
  }
}

export class Process {
  pid: u32 = 0;
  state: State = State.Free;
  size: u64 = 0n;
  parent: Process | null = null;
  readonly lock = embed(SpinLock);
  readonly name = array(u8, 16);
}

export const processes = array(Process, 8);
export const slots = references<Process>(4);
const primes = table<u32>([2, 3, 5, 7]);
const greeting = bytes('hello');

export const Gate = struct({
  offsetLow: f16,
  selector: f16,
  flags: f16.bits({ ist: 3, _: 5, type: 4, _zero: 1, dpl: 2, present: 1 }),
  offsetMid: f16,
  offsetHigh: f32,
  zero: f32,
});
const Frame = struct({ rip: f64, saved: array(f8, 8), gate: Gate });
export const idt = array(Gate, 4);

type Handler = (argument: u64) => Result<u64>;
function getPid(argument: u64): Result<u64> {
  return ok(u64(argument + 1n));
}
function notImplemented(): Result<u64> {
  return err(Errno.ENOSYS);
}
export const syscalls = sparseTable<Handler>(64, notImplemented, [[39, getPid]]);

export function grow(process: Process, bytes: u64): Result<u64> {
  using _held = process.lock.acquire();
  const size = u64(process.size + bytes);
  if (size < process.size) return err(Errno.ENOMEM);
  process.size = size;
  return ok(size);
}

export function find(pid: u32): Process | null {
  for (let index: u32 = 0; index < processes.length; index++) {
    const process = processes[index]!;
    if (process.pid === pid) return process;
  }
  return null;
}

export function sum(): u32 {
  let total: u32 = 0;
  for (const prime of primes) total = u32(total + prime);
  return u32(total + greeting[0]!);
}

export function frame(word: u64): PhysAddr {
  return phys(word & ~0xfffn);
}

export function setGate(vector: u32, handler: u64): void {
  const gate = idt[vector]!;
  gate.offsetLow = u16(handler & 0xffffn);
  gate.flags.present = 1;
  gate.flags.type = 14;
  const copy = Frame.at(virt(0x1000n));
  copy.gate.selector = 8;
  copy.saved[3] = 7;
}

export function readUser(pointer: UserPtr<u32>): Result<u32> {
  const value = tryLoad32(pointer);
  if (!value.ok) return value;
  return ok(u32(value.value + 1));
}

function writeText(text: string): void {
  for (let index: u32 = 0; index < text.length; index++) port.out8(COM1, text.charCodeAt(index));
}
function writeUnsigned(value: u64): void {
  if (value >= 10n) writeUnsigned(u64(value / 10n));
  port.out8(COM1, u8(48n + (value % 10n)));
}
function writeHex(value: u64, digits: u32): void {
  if (digits > 1 || value >= 16n) writeHex(u64(value >> 4n), digits > 0 ? u32(digits - 1) : 0);
  const digit = u32(value & 15n);
  port.out8(COM1, digit < 10 ? u8(48 + digit) : u8(87 + digit));
}
export const print = printer({
  text: writeText,
  unsigned: writeUnsigned,
  signed: (value) => writeUnsigned(u64(value)),
  hex: writeHex,
});

export const timer = isr((saved: PhysAddr) => {
  mem.store32(virt(saved), 1);
});
export const panicked = panicHandler((message, file, line) => {
  print`panic: ${message} at ${file}:${line}\n`;
  while (true) cpu.hlt();
});

export function report(process: Process): void {
  assert(process.pid !== 0, 'no pid');
  print`pid ${process.pid} at ${hex(addressOf(process), 16)}\n`;
}
