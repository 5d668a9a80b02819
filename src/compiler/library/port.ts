import { u8 as toU8, u16 as toU16, u32 as toU32, type u8, type u16, type u32 } from './integers.ts';
import { plugged, unconnected } from './socket.ts';

function read(port: u16, size: 1 | 2 | 4): number {
  return plugged().readPort?.(port, size) ?? unconnected('port');
}

function write(port: u16, size: 1 | 2 | 4, value: number): void {
  const socket = plugged();
  if (socket.writePort === undefined) unconnected('port');
  socket.writePort(port, size, value);
}

/** Port I/O: IN and OUT. In Node the plugged-in device models answer. */
export const port = {
  in8: (number: u16): u8 => toU8(read(number, 1)),
  in16: (number: u16): u16 => toU16(read(number, 2)),
  in32: (number: u16): u32 => toU32(read(number, 4)),
  out8: (number: u16, value: u8): void => write(number, 1, value),
  out16: (number: u16, value: u16): void => write(number, 2, value),
  out32: (number: u16, value: u32): void => write(number, 4, value),
} as const;
