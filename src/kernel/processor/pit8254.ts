/** The 8254's channel 2, used once: to measure how fast the other clocks run. */
import { port, u8, u32 } from '#dialect';

const CHANNEL_2 = 0x42;
const COMMAND = 0x43;
/** Bit 0 gates channel 2, bit 1 connects the speaker. */
const SYSTEM_CONTROL = 0x61;
const GATE = 1;
const SPEAKER = 2;
/** Channel 2, low byte then high, mode 0 (interrupt on terminal count), binary. */
const ONE_SHOT = 0xb0;

/** Input clock of all three channels, in Hz. */
export const PIT_HZ = 1_193_182;

/** Counts from here downwards, once. */
const LONGEST_COUNT = 0xffff;
/** Keeps channel 2's count as it is now, to be read low byte first. */
const LATCH = 0x80;

/** Starts counting input clocks, for at most 54 ms. */
export function startCounting(): void {
  const control = port.in8(SYSTEM_CONTROL);
  port.out8(SYSTEM_CONTROL, u8(control & ~SPEAKER & ~GATE));
  port.out8(COMMAND, ONE_SHOT);
  port.out8(CHANNEL_2, u8(LONGEST_COUNT & 0xff));
  port.out8(CHANNEL_2, u8(LONGEST_COUNT >> 8));
  port.out8(SYSTEM_CONTROL, u8((control & ~SPEAKER) | GATE));
}

/** Input clocks since `startCounting`. */
export function countedClocks(): u32 {
  port.out8(COMMAND, LATCH);
  const low = port.in8(CHANNEL_2);
  const high = port.in8(CHANNEL_2);
  return u32(LONGEST_COUNT - (low | (high << 8)));
}
