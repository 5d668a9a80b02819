/** The devices below /dev that are this server's own, by Linux's numbers (Documentation/admin-guide/devices.txt). */
import { addressOf, aligned, array, Errno, err, ok, type Result, u8, u32, u64 } from '#dialect';
import { FileMode } from '../../../kernel/abi/stat.ts';
import { getRandom } from '../../runtime/system-calls.ts';
import { addEntry, findEntry } from './directory.ts';
import { PAGE_BYTES, staged } from './heap.ts';
import { createNode, type Node } from './node.ts';
import { giveOutput } from './request.ts';

/** dev_t of small numbers: the major in bits 8 to 19. */
export function deviceNumber(major: u32, minor: u32): u64 {
  return u64((u64(major & 0xfff) << 8n) | u64(minor & 0xff));
}

/** Numbers of the devices that there are. */
export const Device = {
  NULL: 0x103n,
  ZERO: 0x105n,
  FULL: 0x107n,
  RANDOM: 0x108n,
  URANDOM: 0x109n,
  TTY: 0x500n,
  CONSOLE: 0x501n,
  SERIAL: 0x440n,
} as const;

const zeros = aligned(4096, array(u8, 4096));
const random = aligned(16, array(u8, 256));
const RANDOM_BYTES = 256n;
const DEVICE_PERMISSIONS = 0o666;

/** Gives the caller `length` bytes of zeros; EFAULT. */
export function giveZeros(offset: u64, length: u64): Result<void> {
  for (let done: u64 = 0n; done < length; done = u64(done + PAGE_BYTES)) {
    const rest = u64(length - done);
    const given = giveOutput(u64(offset + done), addressOf(zeros), rest < PAGE_BYTES ? rest : PAGE_BYTES);
    if (!given.ok) return given;
  }
  return ok();
}

function giveRandom(length: u64): Result<void> {
  for (let done: u64 = 0n; done < length; done = u64(done + RANDOM_BYTES)) {
    const rest = u64(length - done);
    const part = rest < RANDOM_BYTES ? rest : RANDOM_BYTES;
    if (getRandom(addressOf(random), part) < 0n) return err(Errno.EIO);
    const given = giveOutput(done, addressOf(random), part);
    if (!given.ok) return given;
  }
  return ok();
}

/** read(2) of a device; the count. ENXIO: a device that is not there. */
export function readDevice(node: Node, length: u64): Result<u64> {
  if (node.device === Device.NULL) return ok(0n);
  const isZero = node.device === Device.ZERO || node.device === Device.FULL;
  if (!isZero && node.device !== Device.RANDOM && node.device !== Device.URANDOM) return err(Errno.ENXIO);
  const given = isZero ? giveZeros(0n, length) : giveRandom(length);
  return given.ok ? ok(length) : err(given.error);
}

/** write(2) to a device; the count. ENOSPC: /dev/full. ENXIO: a device that is not there. */
export function writeDevice(node: Node, length: u64): Result<u64> {
  if (node.device === Device.FULL) return err(Errno.ENOSPC);
  const device = node.device;
  const takesAll =
    device === Device.NULL || device === Device.ZERO || device === Device.RANDOM || device === Device.URANDOM;
  return takesAll ? ok(length) : err(Errno.ENXIO);
}

function addDevice(directory: Node, name: string, device: u64): Result<void> {
  const text = staged(name);
  if (findEntry(directory, text, name.length) !== null) return ok();
  const node = createNode(u32(FileMode.CHARACTER_DEVICE | DEVICE_PERMISSIONS), 0, 0);
  if (!node.ok) return err(node.error);
  node.value.device = device;
  return addEntry(directory, text, name.length, node.value);
}

/** Fills /dev, but for what the archive has there; ENOSPC. */
export function addDevices(directory: Node): Result<void> {
  const console = addDevice(directory, 'console', Device.CONSOLE);
  if (!console.ok) return console;
  const terminal = addDevice(directory, 'tty', Device.TTY);
  if (!terminal.ok) return terminal;
  const serial = addDevice(directory, 'ttyS0', Device.SERIAL);
  if (!serial.ok) return serial;
  const nothing = addDevice(directory, 'null', Device.NULL);
  if (!nothing.ok) return nothing;
  const zero = addDevice(directory, 'zero', Device.ZERO);
  if (!zero.ok) return zero;
  const full = addDevice(directory, 'full', Device.FULL);
  if (!full.ok) return full;
  const generator = addDevice(directory, 'random', Device.RANDOM);
  if (!generator.ok) return generator;
  return addDevice(directory, 'urandom', Device.URANDOM);
}
