import * as R from '../interpreter/records.ts';
import { GPR, XMM } from '../layout.ts';
import type { RegisterReference, Statement } from '../semantics/nodes.ts';
import type { CpuState } from '../state.ts';

/** A register operand once the record is known. */
export interface ResolvedRegister {
  readonly file: 'general' | 'vector';
  /** 0 to 15; of vectors, MMX registers have numbers from MMX_VECTORS on. */
  readonly number: number;
  /** AH, CH, DH or BH. */
  readonly high: boolean;
}

const NONE = -1;

function generalNumber(address: number): number {
  const offset = address - GPR;
  return offset >= 0 && offset < 128 ? offset >> 3 : NONE;
}

/** Finds the registers that records name: their fields hold host addresses of register slots. */
export class RegisterResolver {
  readonly #state: CpuState;

  constructor(state: CpuState) {
    this.#state = state;
  }

  resolve(record: number, { field, number }: RegisterReference, file: 'general' | 'vector'): ResolvedRegister {
    if (field === 'fixed') return { file, number: number >= 20 ? number - 20 : number, high: number >= 20 };
    const offset = field === 'reg' ? R.REG : field === 'rm' ? R.BASE : R.VVVV;
    const address = this.#state.i32[(record + offset) >> 2]!;
    if (file === 'vector') return { file, number: (address - XMM) >> 4, high: false };
    return { file, number: generalNumber(address), high: ((address - GPR) & 7) === 1 };
  }

  /** @returns the 64 bits of the record's immediate */
  immediate(record: number): bigint {
    return this.#state.u64[(record + R.IMMEDIATE) >> 3]!;
  }

  /** @returns the number of the general register in the slot at `record + field`, or -1 for the zero slot and segment bases */
  addressRegister(record: number, field: number): number {
    return generalNumber(this.#state.i32[(record + field) >> 2]!);
  }
}

/** The registers that a region's instructions touch, as bit masks by register number. */
export class RegisterUse {
  general = 0;
  generalWritten = 0;
  vector = 0;
  vectorWritten = 0;
  readonly #resolver: RegisterResolver;

  constructor(resolver: RegisterResolver) {
    this.#resolver = resolver;
  }

  add(record: number, statements: readonly Statement[]): void {
    for (const statement of statements) {
      switch (statement.kind) {
        case 'readRegister':
          this.general |= 1 << this.#resolver.resolve(record, statement.register, 'general').number;
          break;
        case 'writeRegister': {
          const bit = 1 << this.#resolver.resolve(record, statement.register, 'general').number;
          this.general |= bit;
          this.generalWritten |= bit;
          break;
        }
        case 'readVector':
          this.vector |= 1 << this.#resolver.resolve(record, statement.register, 'vector').number;
          break;
        case 'writeVector': {
          const bit = 1 << this.#resolver.resolve(record, statement.register, 'vector').number;
          this.vector |= bit;
          this.vectorWritten |= bit;
          break;
        }
        case 'operandAddress':
          for (const field of [R.BASE, R.INDEX]) {
            const number = this.#resolver.addressRegister(record, field);
            if (number >= 0) this.general |= 1 << number;
          }
          break;
        case 'if':
          this.add(record, statement.whenTrue);
          this.add(record, statement.whenFalse);
          break;
      }
    }
  }
}
