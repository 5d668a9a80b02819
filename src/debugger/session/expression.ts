import { SymbolError } from '../image-set.ts';
import { readRegister } from '../registers.ts';
import type { Session } from './session.ts';

/** Thrown for input that a person can correct; the message is the whole answer. */
export class CommandError extends Error {}

/**
 * The address that a person wrote: a number (`0x...` or decimal), a symbol, a register (`rsp` or `$rsp`), or a sum or difference of
 * such terms (`process_table+0x40`).
 */
export function parseAddress(text: string, session: Session): bigint {
  const terms = text.match(/[+-]?[^+-]+/g);
  if (terms === null) throw new CommandError('an address is missing: give a number, a symbol or a register');
  return terms.reduce((sum, term) => {
    const negative = term.startsWith('-');
    const value = parseTerm(term.replace(/^[+-]/, '').trim(), session);
    return BigInt.asUintN(64, negative ? sum - value : sum + value);
  }, 0n);
}

function parseTerm(term: string, session: Session): bigint {
  if (/^(0x[0-9a-f]+|\d+)$/i.test(term)) return BigInt(term);
  const register = readRegister(session.target.state, term.replace(/^\$/, '').toLowerCase());
  if (register !== undefined) return register;
  try {
    return session.findSymbol(term);
  } catch (error) {
    if (error instanceof SymbolError) throw new CommandError(error.message);
    throw error;
  }
}

/** A count given as a command's argument, `fallback` when it is absent. */
export function parseCount(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new CommandError(`'${text}' is not a count: give a whole number from 1`);
  return value;
}

/**
 * The places that a breakpoint argument names: `file.ts:line`, `*address`, or an address expression.
 */
export function parseCodeAddresses(text: string, session: Session): bigint[] {
  const source = /^(.+\.\w+):(\d+)$/.exec(text);
  if (source !== null) {
    const found = session.addressesOfLine(source[1]!, Number(source[2]));
    if (found.length === 0) throw new CommandError(`no code was made from ${text}; is the file part of the image?`);
    return found;
  }
  return [parseAddress(text.replace(/^\*/, ''), session)];
}
