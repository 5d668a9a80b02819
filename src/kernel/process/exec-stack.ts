/**
 * The initial stack of a program (System V AMD64 ABI 3.4.1): argc, argv, envp, auxiliary vector, and above them the
 * strings. Everything is measured before anything is written.
 */
import { Errno, err, mem, ok, type Result, u32, u64, userPtr, type VirtAddr, virt } from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { AreaFlag, linkArea, newArea, Protection } from '../memory/area.ts';
import { directMap, lesser, PAGE_OFFSET_MASK, PAGE_SIZE, pageFloor, STACK_TOP } from '../memory/layout.ts';
import { copyIn, readUser64, readUserByte } from '../memory/user-copy.ts';
import { frameAt, populate, writeToSpace } from '../memory/user-pages.ts';
import { hardwareCapabilities } from '../processor/features.ts';
import type { LoadedProgram } from './loader.ts';
import { random64 } from './random.ts';

/** Most bytes of argument and environment strings with their pointers, and most of either. */
const ARGUMENT_BYTES = 0x2_0000n;
const ARGUMENT_COUNT = 32_768;

/** A vector of strings, in user memory or, for the first program, in the kernel's. */
export class StringVector {
  /** Address of the pointers, which a null one ends; 0 is an empty vector. */
  pointers: u64 = 0n;
  isKernel: boolean = false;
  count: u32 = 0;
  /** Bytes of all strings with their terminators. */
  bytes: u64 = 0n;
}

export const argumentVector = new StringVector();
export const environmentVector = new StringVector();

/** Names a vector and measures it. EFAULT: not readable. E2BIG: more than `ARGUMENT_COUNT` strings or too long. */
export function measureVector(vector: StringVector, pointers: u64, isKernel: boolean): Result<void> {
  vector.pointers = pointers;
  vector.isKernel = isKernel;
  vector.count = 0;
  vector.bytes = 0n;
  if (pointers === 0n) return ok();
  for (;;) {
    const string = pointerAt(vector, vector.count);
    if (!string.ok) return err(string.error);
    if (string.value === 0n) return ok();
    const length = lengthOf(string.value, isKernel);
    if (!length.ok) return err(length.error);
    vector.bytes = u64(vector.bytes + length.value + 1n);
    vector.count = u32(vector.count + 1);
    const cost = u64(vector.bytes + u64(vector.count) * 8n);
    if (vector.count > ARGUMENT_COUNT || cost > ARGUMENT_BYTES) return err(Errno.E2BIG);
  }
}

function pointerAt(vector: StringVector, index: u32): Result<u64> {
  const address = u64(vector.pointers + u64(index) * 8n);
  if (vector.isKernel) return ok(mem.load64(virt(address)));
  return readUser64(userPtr<u64>(address));
}

/** Length without the terminator; E2BIG beyond `ARGUMENT_BYTES`. */
function lengthOf(string: u64, isKernel: boolean): Result<u64> {
  for (let length: u64 = 0n; length < ARGUMENT_BYTES; length = u64(length + 1n)) {
    const byte = readUserByte(u64(string + length), isKernel);
    if (!byte.ok) return err(byte.error);
    if (byte.value === 0) return ok(length);
  }
  return err(Errno.E2BIG);
}

/** Auxiliary vector types (getauxval(3)). */
const Auxiliary = {
  NULL: 0n,
  PHDR: 3n,
  PHENT: 4n,
  PHNUM: 5n,
  PAGESZ: 6n,
  BASE: 7n,
  FLAGS: 8n,
  ENTRY: 9n,
  UID: 11n,
  EUID: 12n,
  GID: 13n,
  EGID: 14n,
  HWCAP: 16n,
  CLKTCK: 17n,
  SECURE: 23n,
  RANDOM: 25n,
  EXECFN: 31n,
} as const;
const AUXILIARY_PAIRS = 17n;
const CLOCK_TICKS = 100n;
const RANDOM_BYTES = 16n;
/** What a stack can hold below the program's arguments before it grows. */
const STACK_ROOM = 0x2_0000n;

/** Where the next word goes while a stack is being written. */
let cursor: u64 = 0n;

/** Writes one word at the cursor; its page has been populated. */
function push(space: AddressSpace, value: u64): void {
  const frame = frameAt(space, pageFloor(cursor));
  mem.store64(virt(directMap(frame) + (cursor & PAGE_OFFSET_MASK)), value);
  cursor = u64(cursor + 8n);
}

function pushPair(space: AddressSpace, type: u64, value: u64): void {
  push(space, type);
  push(space, value);
}

/**
 * Gives a space its stack with the measured vectors and a path name (in kernel memory) on it. Returns the stack pointer
 * that the program starts with. E2BIG, EFAULT: the vectors have changed since they were measured. ENOMEM.
 */
export function buildStack(space: AddressSpace, program: LoadedProgram, path: VirtAddr, pathLength: u64): Result<u64> {
  const pathAt = u64(STACK_TOP - 8n - (pathLength + 1n));
  const strings = u64(pathAt - (argumentVector.bytes + environmentVector.bytes));
  const random = u64((strings - RANDOM_BYTES) & ~15n);
  const words = u64(1n + u64(argumentVector.count) + 1n + u64(environmentVector.count) + 1n + AUXILIARY_PAIRS * 2n);
  const stack = u64((random - words * 8n) & ~15n);
  const mapped = mapStack(space, stack);
  if (!mapped.ok) return err(mapped.error);
  const named = writeToSpace(space, pathAt, path, pathLength);
  if (!named.ok) return err(named.error);
  cursor = random;
  pushPair(space, random64(), random64());
  cursor = stack;
  push(space, u64(argumentVector.count));
  const first = pushVector(space, argumentVector, strings);
  if (!first.ok) return err(first.error);
  const second = pushVector(space, environmentVector, u64(strings + argumentVector.bytes));
  if (!second.ok) return err(second.error);
  pushAuxiliary(space, program, random, pathAt);
  return ok(stack);
}

/** The stack's area, with some room for a start and frames from `lowest` up; ENOMEM. */
function mapStack(space: AddressSpace, lowest: u64): Result<void> {
  const start = pageFloor(u64(lowest - STACK_ROOM));
  const area = newArea(start, STACK_TOP, Protection.READ | Protection.WRITE, AreaFlag.GROWS_DOWN);
  if (!area.ok) return err(area.error);
  linkArea(space.areas, area.value);
  return populate(space, area.value, pageFloor(lowest), STACK_TOP, true) === STACK_TOP ? ok() : err(Errno.ENOMEM);
}

/** Copies a vector's strings to `target` upwards, and pushes their new addresses and the ending null. */
function pushVector(space: AddressSpace, vector: StringVector, target: u64): Result<void> {
  const end = u64(target + vector.bytes);
  let place = target;
  for (let index: u32 = 0; index < vector.count; index++) {
    const string = pointerAt(vector, index);
    if (!string.ok) return err(string.error);
    const length = lengthOf(string.value, vector.isKernel);
    if (!length.ok) return err(length.error);
    if (u64(place + length.value + 1n) > end) return err(Errno.E2BIG);
    const copied = copyToSpace(space, place, string.value, length.value, vector.isKernel);
    if (!copied.ok) return copied;
    push(space, place);
    place = u64(place + length.value + 1n);
  }
  push(space, 0n);
  return ok();
}

function copyToSpace(space: AddressSpace, target: u64, source: u64, length: u64, isKernel: boolean): Result<void> {
  if (isKernel) return writeToSpace(space, target, virt(source), length);
  let done: u64 = 0n;
  while (done < length) {
    const address = u64(target + done);
    const offset = u64(address & PAGE_OFFSET_MASK);
    const part = lesser(u64(length - done), u64(PAGE_SIZE - offset));
    const place = virt(directMap(frameAt(space, pageFloor(address))) + offset);
    const copied = copyIn(place, userPtr<u64>(source + done), part);
    if (!copied.ok) return copied;
    done = u64(done + part);
  }
  return ok();
}

function pushAuxiliary(space: AddressSpace, program: LoadedProgram, random: u64, path: u64): void {
  pushPair(space, Auxiliary.PHDR, program.headers);
  pushPair(space, Auxiliary.PHENT, program.headerSize);
  pushPair(space, Auxiliary.PHNUM, program.headerCount);
  pushPair(space, Auxiliary.PAGESZ, PAGE_SIZE);
  pushPair(space, Auxiliary.BASE, 0n);
  pushPair(space, Auxiliary.FLAGS, 0n);
  pushPair(space, Auxiliary.ENTRY, program.entry);
  pushPair(space, Auxiliary.UID, 0n);
  pushPair(space, Auxiliary.EUID, 0n);
  pushPair(space, Auxiliary.GID, 0n);
  pushPair(space, Auxiliary.EGID, 0n);
  pushPair(space, Auxiliary.HWCAP, hardwareCapabilities());
  pushPair(space, Auxiliary.CLKTCK, CLOCK_TICKS);
  pushPair(space, Auxiliary.SECURE, 0n);
  pushPair(space, Auxiliary.RANDOM, random);
  pushPair(space, Auxiliary.EXECFN, path);
  pushPair(space, Auxiliary.NULL, 0n);
}
