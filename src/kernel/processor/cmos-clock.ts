/** The battery-backed clock that knows the date (MC146818A data sheet, behind ports 70H and 71H). */
import { port, u8, type u16, u32, u64 } from '#dialect';

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;

const Register = {
  SECONDS: 0,
  MINUTES: 2,
  HOURS: 4,
  DAY: 7,
  MONTH: 8,
  YEAR: 9,
  STATUS_A: 10,
  STATUS_B: 11,
} as const;

const UPDATE_IN_PROGRESS = 0x80;
const BINARY = 4;
const HOURS_24 = 2;
const AFTERNOON = 0x80;
/** Looks at a clock that never stops updating, because there is none. */
const MOST_LOOKS = 100_000;

function read(register: u8): u8 {
  port.out8(INDEX, register);
  return port.in8(DATA);
}

function waitForUpdate(): void {
  let looks: u32 = 0;
  while ((read(Register.STATUS_A) & UPDATE_IN_PROGRESS) !== 0 && looks < MOST_LOOKS) looks = u32(looks + 1);
}

function decoded(value: u8, isBinary: boolean): u32 {
  return isBinary ? u32(value) : u32((value >> 4) * 10 + (value & 15));
}

/** Seconds since 1970-01-01 00:00 UTC. The clock's two digits of a year are those of 2000 to 2099. */
export function readCalendarClock(): u64 {
  let seconds = readOnce();
  for (;;) {
    const again = readOnce();
    if (again === seconds) return seconds;
    seconds = again;
  }
}

function readOnce(): u64 {
  waitForUpdate();
  const status = read(Register.STATUS_B);
  const isBinary = (status & BINARY) !== 0;
  const days = daysSince1970(
    u32(2000 + decoded(read(Register.YEAR), isBinary)),
    decoded(read(Register.MONTH), isBinary),
    decoded(read(Register.DAY), isBinary),
  );
  const hours = decodedHours(read(Register.HOURS), status);
  const minutes = decoded(read(Register.MINUTES), isBinary);
  const seconds = decoded(read(Register.SECONDS), isBinary);
  return u64(u64(days) * 86_400n + u64(hours * 3600 + minutes * 60 + seconds));
}

function decodedHours(value: u8, status: u8): u32 {
  const hours = decoded(u8(value & ~AFTERNOON), (status & BINARY) !== 0);
  if ((status & HOURS_24) !== 0) return hours;
  return u32((hours % 12) + ((value & AFTERNOON) !== 0 ? 12 : 0));
}

/** Days of the Gregorian calendar; years from March on, so that the leap day is a year's last. */
function daysSince1970(year: u32, month: u32, day: u32): u32 {
  const isEarly = month <= 2;
  const shifted = u32(isEarly ? year - 1 : year);
  const monthFromMarch = u32(isEarly ? month + 9 : month - 3);
  const dayOfYear = u32(u32((153 * monthFromMarch + 2) / 5) + day - 1);
  const leapDays = u32(u32(shifted / 4) - u32(shifted / 100) + u32(shifted / 400));
  return u32(shifted * 365 + leapDays + dayOfYear - 719_468);
}
