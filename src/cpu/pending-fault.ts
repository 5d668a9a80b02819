import { GuestException } from './bus.ts';
import { FIELDS } from './layout.ts';
import type { CpuState } from './state.ts';
import { Vector } from './system/vectors.ts';

const VECTOR_WORD = FIELDS.faultVector.address >> 2;
const HAS_ERROR_CODE_WORD = FIELDS.faultHasErrorCode.address >> 2;
const ERROR_CODE_WORD = FIELDS.faultErrorCode.address >> 2;
const ADDRESS_WORD = FIELDS.faultAddress.address >> 2;

/** The exception that an instruction or its fetch has left in the fault fields, until it is delivered. */
export class PendingFault {
  readonly #state: CpuState;
  readonly #isStackOperand: () => boolean;
  /** The fault came from an operand whose segment decides between #SS and #GP. */
  #ofOperand = false;

  /** @param isStackOperand whether the memory operand of the instruction that faulted is in the stack segment */
  constructor(state: CpuState, isStackOperand: () => boolean) {
    this.#state = state;
    this.#isStackOperand = isStackOperand;
  }

  /** Leaves an exception in the fault fields. */
  raise(vector: number, errorCode?: number): 0 {
    const words = this.#state.i32;
    this.#ofOperand = false;
    words[VECTOR_WORD] = vector;
    words[HAS_ERROR_CODE_WORD] = errorCode === undefined ? 0 : 1;
    words[ERROR_CODE_WORD] = errorCode ?? 0;
    return 0;
  }

  /** A memory operand is not canonical: #SS(0) in the stack segment, else #GP(0). */
  raiseOperand(): void {
    this.raise(Vector.GENERAL_PROTECTION, 0);
    this.#ofOperand = true;
  }

  /** The page walk has filled in the fault fields. */
  pageFault(): void {
    this.#ofOperand = false;
  }

  /**
   * @param withAddress whether somebody wants the address of a page fault with the exception
   * @returns what to deliver; CR2 is set
   */
  take(withAddress: boolean): GuestException {
    const state = this.#state;
    const words = state.i32;
    const vector = this.#ofOperand && this.#isStackOperand() ? Vector.STACK_FAULT : words[VECTOR_WORD]!;
    this.#ofOperand = false;
    const errorCode = words[HAS_ERROR_CODE_WORD]! === 0 ? undefined : words[ERROR_CODE_WORD]!;
    if (vector !== Vector.PAGE_FAULT) return new GuestException(vector, errorCode);
    state.setHalves(FIELDS.cr2.address, words[ADDRESS_WORD]!, words[ADDRESS_WORD + 1]!);
    return new GuestException(vector, errorCode, withAddress ? state.get64('faultAddress') : undefined);
  }
}
