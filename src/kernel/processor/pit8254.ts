/** The 8254's channel 2, used once: to measure how fast the other clocks run. */
import { port, u8, type u32 } from '#dialect';

const CHANNEL_2 = 0x42;
const COMMAND = 0x43;
/** Bit 0 gates channel 2, bit 1 connects the speaker, bit 5 reads the channel's output. */
const SYSTEM_CONTROL = 0x61;
const GATE = 1;
const SPEAKER = 2;
const OUTPUT = 0x20;
/** Channel 2, low byte then high, mode 0 (interrupt on terminal count), binary. */
const ONE_SHOT = 0xb0;

/** Input clock of all three channels, in Hz. */
export const PIT_HZ = 1_193_182;

/** Starts counting `count` (at most 65,535) input clocks down. */
export function startCountdown(count: u32): void {
  const control = port.in8(SYSTEM_CONTROL);
  port.out8(SYSTEM_CONTROL, u8(control & ~SPEAKER & ~GATE));
  port.out8(COMMAND, ONE_SHOT);
  port.out8(CHANNEL_2, u8(count & 0xff));
  port.out8(CHANNEL_2, u8(count >> 8));
  port.out8(SYSTEM_CONTROL, u8((control & ~SPEAKER) | GATE));
}

/** True once the count has run out. */
export function isCountdownOver(): boolean {
  return (port.in8(SYSTEM_CONTROL) & OUTPUT) !== 0;
}
