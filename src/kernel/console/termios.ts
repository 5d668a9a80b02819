/** What programs can set about the terminal (termios(3)), with Linux's numbers. */
import { array, embed, f8, f32, struct, u8, type u32 } from '#dialect';

export const InputFlag = {
  ISTRIP: 0x20,
  INLCR: 0x40,
  IGNCR: 0x80,
  ICRNL: 0x100,
  IXON: 0x400,
  IXANY: 0x800,
  IMAXBEL: 0x2000,
  IUTF8: 0x4000,
} as const;

export const OutputFlag = { OPOST: 1, ONLCR: 4, OCRNL: 8, ONOCR: 0x10, ONLRET: 0x20, XTABS: 0x1800 } as const;

export const LocalFlag = {
  ISIG: 1,
  ICANON: 2,
  ECHO: 8,
  ECHOE: 0x10,
  ECHOK: 0x20,
  ECHONL: 0x40,
  NOFLSH: 0x80,
  TOSTOP: 0x100,
  ECHOCTL: 0x200,
  ECHOKE: 0x800,
  IEXTEN: 0x8000,
} as const;

/** Indexes of `characters`. */
export const Control = {
  INTR: 0,
  QUIT: 1,
  ERASE: 2,
  KILL: 3,
  EOF: 4,
  TIME: 5,
  MIN: 6,
  START: 8,
  STOP: 9,
  SUSP: 10,
  EOL: 11,
  REPRINT: 12,
  WERASE: 14,
  LNEXT: 15,
  EOL2: 16,
} as const;
export type Control = (typeof Control)[keyof typeof Control];

const CONTROL_COUNT = 19;
/** B115200, CS8, CREAD, HUPCL, CLOCAL. */
const SERIAL_LINE = 0x1cb2;

/** The kernel's struct termios, as TCGETS stores it. */
export const Termios = struct({
  input: f32,
  output: f32,
  control: f32,
  local: f32,
  discipline: f8,
  characters: array(u8, CONTROL_COUNT),
});

export const TERMIOS_BYTES = 36n;

export const termios = embed(Termios);

/** ISIG, ICANON, IEXTEN and all of echo that there is. */
export const COOKED =
  LocalFlag.ISIG |
  LocalFlag.ICANON |
  LocalFlag.ECHO |
  LocalFlag.ECHOE |
  LocalFlag.ECHOK |
  LocalFlag.ECHOCTL |
  LocalFlag.ECHOKE |
  LocalFlag.IEXTEN;

/** What a terminal starts with: Control-C, Control-\, DEL, Control-U and so on, each doing what it is known for. */
export function initializeTermios(): void {
  termios.input = InputFlag.ICRNL | InputFlag.IXON;
  termios.output = OutputFlag.OPOST | OutputFlag.ONLCR;
  termios.control = SERIAL_LINE;
  termios.local = COOKED;
  setCharacter(Control.INTR, 3);
  setCharacter(Control.QUIT, 28);
  setCharacter(Control.ERASE, 127);
  setCharacter(Control.KILL, 21);
  setCharacter(Control.EOF, 4);
  setCharacter(Control.TIME, 0);
  setCharacter(Control.MIN, 1);
  setCharacter(Control.START, 17);
  setCharacter(Control.STOP, 19);
  setCharacter(Control.SUSP, 26);
  setCharacter(Control.REPRINT, 18);
  setCharacter(Control.WERASE, 23);
  setCharacter(Control.LNEXT, 22);
}

function setCharacter(index: Control, value: u8): void {
  termios.characters[index] = value;
}

/** A character that is 0 is switched off. */
export function isControl(byte: u8, index: Control): boolean {
  return byte !== 0 && byte === termios.characters[index]!;
}

export function hasInputFlag(flag: u32): boolean {
  return (termios.input & flag) !== 0;
}

export function hasOutputFlag(flag: u32): boolean {
  return (termios.output & flag) !== 0;
}

export function hasLocalFlag(flag: u32): boolean {
  return (termios.local & flag) !== 0;
}
