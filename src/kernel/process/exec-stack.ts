/**
 * The initial stack of a program (System V AMD64 ABI 3.4.1): argc, argv, envp, auxiliary vector, and above them the
 * strings. Everything is measured before anything is written.
 */
import {
  addressOf,
  array,
  bytes,
  Errno,
  err,
  mem,
  ok,
  type Result,
  u8,
  u32,
  u64,
  userPtr,
  type VirtAddr,
  virt,
} from '#dialect';
import type { AddressSpace } from '../memory/address-space.ts';
import { AreaFlag, linkArea, newArea, Protection } from '../memory/area.ts';
import { directMap, greater, lesser, PAGE_OFFSET_MASK, PAGE_SIZE, pageFloor, STACK_TOP } from '../memory/layout.ts';
import { copyIn, readUser64, userStringLength } from '../memory/user-copy.ts';
import { frameAt, populate, writeToSpace } from '../memory/user-pages.ts';
import { hardwareCapabilities } from '../processor/features.ts';
import type { Credentials } from './credentials.ts';
import type { LoadedProgram } from './loader.ts';
import { random64 } from './random.ts';

/** Most bytes of one string with its terminator (MAX_ARG_STRLEN), and least that both vectors together may have (ARG_MAX). */
const STRING_BYTES = 0x2_0000n;
const LEAST_ARGUMENT_BYTES = 0x2_0000n;
/** Most bytes of both vectors with their pointers, however long the stack may be. */
const MOST_ARGUMENT_BYTES = 0x60_0000n;
const POINTER_BYTES = 8n;

/** A vector of strings, in user memory or, for the system's own programs, in the kernel's. */
export class StringVector {
  /** Address of the pointers, which a null one ends; 0 is an empty vector. */
  pointers: u64 = 0n;
  isKernel: boolean = false;
  /** Strings, and bytes of all of them with their terminators: the kernel's own words first. */
  count: u32 = 0;
  bytes: u64 = 0n;
  /** Index of the first pointer that counts. */
  first: u32 = 0;
  /** Words in `words` that come before the strings behind the pointers, and their bytes. */
  wordCount: u32 = 0;
  wordBytes: u64 = 0n;
}

export const argumentVector = new StringVector();
export const environmentVector = new StringVector();

/** Room for a path and what the first lines of scripts add: the words end at its end. */
const WORD_BYTES = 8192;
const words = array(u8, WORD_BYTES);

function wordsAddress(vector: StringVector): VirtAddr {
  return virt(addressOf(words) + u64(WORD_BYTES) - vector.wordBytes);
}

/** Names a vector and measures it. EFAULT: not readable. E2BIG: too much in any case. */
export function measureVector(vector: StringVector, pointers: u64, isKernel: boolean): Result<void> {
  vector.pointers = pointers;
  vector.isKernel = isKernel;
  vector.count = 0;
  vector.bytes = 0n;
  vector.first = 0;
  vector.wordCount = 0;
  vector.wordBytes = 0n;
  if (pointers === 0n) return ok();
  for (;;) {
    const string = pointerAt(vector, vector.count);
    if (!string.ok) return err(string.error);
    if (string.value === 0n) return ok();
    const length = lengthOf(string.value, isKernel);
    if (!length.ok) return err(length.error);
    vector.bytes = u64(vector.bytes + length.value + 1n);
    vector.count = u32(vector.count + 1);
    const cost = u64(vector.bytes + u64(vector.count) * POINTER_BYTES);
    if (cost > MOST_ARGUMENT_BYTES) return err(Errno.E2BIG);
  }
}

/**
 * Checks the measured vectors and a path against what a stack of a limited size may begin with (execve(2)), and gives an
 * empty argument vector the one empty string that programs rely on. E2BIG.
 */
export function checkArgumentSize(pathLength: u64, stackLimit: u64): Result<void> {
  if (argumentVector.count === 0) {
    const added = prependWord(addressOf(words), 0n);
    if (!added.ok) return added;
  }
  const share = lesser(u64(stackLimit >> 2n), MOST_ARGUMENT_BYTES);
  const limit = greater(share, LEAST_ARGUMENT_BYTES);
  const pointers = u64(u64(argumentVector.count + environmentVector.count) * POINTER_BYTES);
  const strings = u64(argumentVector.bytes + environmentVector.bytes + pathLength + 1n);
  return limit <= pointers || strings > u64(limit - pointers) ? err(Errno.E2BIG) : ok();
}

/** Puts a word of kernel memory before the arguments. E2BIG: the words do not fit. */
export function prependWord(word: VirtAddr, length: u64): Result<void> {
  const vector = argumentVector;
  const bytes = u64(length + 1n);
  if (u64(vector.wordBytes + bytes) > u64(WORD_BYTES)) return err(Errno.E2BIG);
  vector.wordBytes = u64(vector.wordBytes + bytes);
  vector.wordCount = u32(vector.wordCount + 1);
  vector.bytes = u64(vector.bytes + bytes);
  vector.count = u32(vector.count + 1);
  const place = wordsAddress(vector);
  mem.copy(place, word, length);
  mem.store8(virt(place + length), 0);
  return ok();
}

/** Takes the first argument away; EFAULT. */
export function dropFirstArgument(): Result<void> {
  const vector = argumentVector;
  const isWord = vector.wordCount > 0;
  const string = isWord ? ok(u64(wordsAddress(vector))) : pointerAt(vector, vector.first);
  if (!string.ok) return err(string.error);
  const length = lengthOf(string.value, isWord || vector.isKernel);
  if (!length.ok) return err(length.error);
  const bytes = u64(length.value + 1n);
  vector.count = u32(vector.count - 1);
  vector.bytes = u64(vector.bytes - bytes);
  if (isWord) {
    vector.wordCount = u32(vector.wordCount - 1);
    vector.wordBytes = u64(vector.wordBytes - bytes);
  } else vector.first = u32(vector.first + 1);
  return ok();
}

function pointerAt(vector: StringVector, index: u32): Result<u64> {
  const address = u64(vector.pointers + u64(index) * POINTER_BYTES);
  if (vector.isKernel) return ok(mem.load64(virt(address)));
  return readUser64(userPtr<u64>(address));
}

/** Length without the terminator; EFAULT, E2BIG from `STRING_BYTES` on. */
function lengthOf(string: u64, isKernel: boolean): Result<u64> {
  const length = isKernel ? ok(kernelStringLength(virt(string))) : userStringLength(userPtr<u8>(string), STRING_BYTES);
  if (!length.ok) return length;
  return length.value < STRING_BYTES ? length : err(Errno.E2BIG);
}

function kernelStringLength(string: VirtAddr): u64 {
  let length: u64 = 0n;
  while (mem.load8(virt(string + length)) !== 0) length = u64(length + 1n);
  return length;
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
  PLATFORM: 15n,
  HWCAP: 16n,
  CLKTCK: 17n,
  SECURE: 23n,
  RANDOM: 25n,
  HWCAP2: 26n,
  EXECFN: 31n,
} as const;
const AUXILIARY_PAIRS = 19n;
const CLOCK_TICKS = 100n;
const RANDOM_BYTES = 16n;
const platformName = bytes('x86_64\0');
const PLATFORM_BYTES = 7n;
/** What a stack can hold below the program's arguments before it grows. */
const STACK_ROOM = 0x2_0000n;

/** Where the next word goes while a stack is being written: the user address, and the same in the direct map. */
let cursor: u64 = 0n;
let place: VirtAddr = virt(0n);

function moveCursor(space: AddressSpace, address: u64): void {
  cursor = address;
  place = virt(directMap(frameAt(space, pageFloor(address))) + (address & PAGE_OFFSET_MASK));
}

/** Writes one word at the cursor; its page has been populated. */
function push(space: AddressSpace, value: u64): void {
  if ((cursor & PAGE_OFFSET_MASK) === 0n) moveCursor(space, cursor);
  mem.store64(place, value);
  cursor = u64(cursor + 8n);
  place = virt(place + 8n);
}

function pushPair(space: AddressSpace, type: u64, value: u64): void {
  push(space, type);
  push(space, value);
}

/**
 * Gives a space its stack with the measured vectors and a path name (in kernel memory) on it, for a process with these
 * credentials. Returns the stack pointer that the program starts with. E2BIG, EFAULT: the vectors have changed since they
 * were measured. ENOMEM.
 */
export function buildStack(
  space: AddressSpace,
  program: LoadedProgram,
  credentials: Credentials,
  path: VirtAddr,
  pathLength: u64,
): Result<u64> {
  const pathAt = u64(STACK_TOP - 8n - (pathLength + 1n));
  const strings = u64(pathAt - (argumentVector.bytes + environmentVector.bytes));
  space.argumentsStart = strings;
  space.argumentsEnd = u64(strings + argumentVector.bytes);
  const platform = u64(strings - PLATFORM_BYTES);
  const random = u64((platform - RANDOM_BYTES) & ~15n);
  const pointers = u64(1n + u64(argumentVector.count) + 1n + u64(environmentVector.count) + 1n + AUXILIARY_PAIRS * 2n);
  const stack = u64((random - pointers * POINTER_BYTES) & ~15n);
  const mapped = mapStack(space, stack);
  if (!mapped.ok) return err(mapped.error);
  const named = writeToSpace(space, pathAt, path, pathLength);
  if (!named.ok) return err(named.error);
  const described = writeToSpace(space, platform, addressOf(platformName), PLATFORM_BYTES);
  if (!described.ok) return err(described.error);
  moveCursor(space, random);
  pushPair(space, random64(), random64());
  moveCursor(space, stack);
  push(space, u64(argumentVector.count));
  const first = pushVector(space, argumentVector, strings);
  if (!first.ok) return err(first.error);
  const second = pushVector(space, environmentVector, u64(strings + argumentVector.bytes));
  if (!second.ok) return err(second.error);
  pushAuxiliary(space, program, credentials, random, platform, pathAt);
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
  const written = pushWords(space, vector, target);
  if (!written.ok) return written;
  let address = u64(target + vector.wordBytes);
  const others = u32(vector.count - vector.wordCount);
  for (let index: u32 = 0; index < others; index++) {
    const string = pointerAt(vector, u32(vector.first + index));
    if (!string.ok) return err(string.error);
    const length = lengthOf(string.value, vector.isKernel);
    if (!length.ok) return err(length.error);
    if (u64(address + length.value + 1n) > end) return err(Errno.E2BIG);
    const copied = copyToSpace(space, address, string.value, length.value, vector.isKernel);
    if (!copied.ok) return copied;
    push(space, address);
    address = u64(address + length.value + 1n);
  }
  push(space, 0n);
  return ok();
}

function pushWords(space: AddressSpace, vector: StringVector, target: u64): Result<void> {
  if (vector.wordCount === 0) return ok();
  const source = wordsAddress(vector);
  const written = writeToSpace(space, target, source, vector.wordBytes);
  if (!written.ok) return written;
  let offset: u64 = 0n;
  for (let index: u32 = 0; index < vector.wordCount; index++) {
    push(space, u64(target + offset));
    offset = u64(offset + kernelStringLength(virt(source + offset)) + 1n);
  }
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

function pushAuxiliary(
  space: AddressSpace,
  program: LoadedProgram,
  credentials: Credentials,
  random: u64,
  platform: u64,
  path: u64,
): void {
  const user = credentials.user;
  const group = credentials.group;
  const isSecure = user.real !== user.effective || group.real !== group.effective;
  pushPair(space, Auxiliary.HWCAP, hardwareCapabilities());
  pushPair(space, Auxiliary.PAGESZ, PAGE_SIZE);
  pushPair(space, Auxiliary.CLKTCK, CLOCK_TICKS);
  pushPair(space, Auxiliary.PHDR, program.headers);
  pushPair(space, Auxiliary.PHENT, program.headerSize);
  pushPair(space, Auxiliary.PHNUM, program.headerCount);
  pushPair(space, Auxiliary.BASE, 0n);
  pushPair(space, Auxiliary.FLAGS, 0n);
  pushPair(space, Auxiliary.ENTRY, program.entry);
  pushPair(space, Auxiliary.UID, u64(user.real));
  pushPair(space, Auxiliary.EUID, u64(user.effective));
  pushPair(space, Auxiliary.GID, u64(group.real));
  pushPair(space, Auxiliary.EGID, u64(group.effective));
  pushPair(space, Auxiliary.SECURE, isSecure ? 1n : 0n);
  pushPair(space, Auxiliary.RANDOM, random);
  pushPair(space, Auxiliary.HWCAP2, 0n);
  pushPair(space, Auxiliary.EXECFN, path);
  pushPair(space, Auxiliary.PLATFORM, platform);
  pushPair(space, Auxiliary.NULL, 0n);
}
