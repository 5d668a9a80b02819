/** The exceptions that system instructions raise, by their mnemonic. */

import { GuestException } from '../bus.ts';
import { Vector } from './vectors.ts';

export function undefinedOpcode(): GuestException {
  return new GuestException(Vector.INVALID_OPCODE);
}

export function generalProtection(errorCode = 0): GuestException {
  return new GuestException(Vector.GENERAL_PROTECTION, errorCode);
}

export function stackFault(errorCode = 0): GuestException {
  return new GuestException(Vector.STACK_FAULT, errorCode);
}

export function segmentNotPresent(errorCode: number): GuestException {
  return new GuestException(Vector.SEGMENT_NOT_PRESENT, errorCode);
}

export function invalidTss(errorCode: number): GuestException {
  return new GuestException(Vector.INVALID_TSS, errorCode);
}
