import type { i64, u32, u64 } from './integers.ts';
import { i64 as toI64, u64 as toU64 } from './integers.ts';

declare const hexadecimal: unique symbol;

/** An integer to be printed in base 16 with at least so many digits. */
export interface Hex {
  readonly [hexadecimal]: true;
}

interface HexValue {
  readonly value: u64;
  readonly digits: u32;
}

/** `${hex(address, 16)}` inside a printer's template. */
export function hex(value: number | bigint, digits: u32 = 1): Hex {
  return { value: toU64(value), digits } as unknown as Hex;
}

export type Printable = string | number | bigint | boolean | Hex;

/** Where a printer's pieces go. Negative numbers go to `signed`, all others to `unsigned`. */
export interface Sink {
  readonly text: (text: string) => void;
  readonly unsigned: (value: u64) => void;
  readonly signed: (value: i64) => void;
  readonly hex: (value: u64, digits: u32) => void;
}

export type Print = (text: TemplateStringsArray, ...values: Printable[]) => void;

/** Makes a template tag that writes piece by piece, without allocation: `` print`pid ${pid}\n` ``. A module constant. */
export function printer(sink: Sink): Print {
  return (text, ...values) => {
    for (let index = 0; index < text.length; index++) {
      const piece = text[index] as string;
      if (piece.length > 0) sink.text(piece);
      if (index < values.length) printValue(sink, values[index] as Printable);
    }
  };
}

function printValue(sink: Sink, value: Printable): void {
  if (typeof value === 'string') sink.text(value);
  else if (typeof value === 'boolean') sink.text(value ? 'true' : 'false');
  else if (typeof value === 'object') {
    const { value: digitsOf, digits } = value as unknown as HexValue;
    sink.hex(digitsOf, digits);
  } else if (value < 0) sink.signed(toI64(value));
  else sink.unsigned(toU64(value));
}
