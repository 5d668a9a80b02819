import * as R from '../interpreter/records.ts';
import { GPR, ZERO_SLOT } from '../layout.ts';
import { RBP, RSP } from '../semantics/context.ts';
import type { AccessKind, InstructionNode } from '../semantics/nodes.ts';
import type { CpuState } from '../state.ts';

/** What a record says of its instruction's operands. */
export class RecordOperands {
  /** Of which record. */
  record = 0;
  readonly #state: CpuState;

  constructor(state: CpuState) {
    this.#state = state;
  }

  constant(what: InstructionNode['what']): bigint {
    const { u64, u32, u8 } = this.#state;
    const { record } = this;
    switch (what) {
      case 'rip':
        return u64[(record + R.RIP) >> 3]!;
      case 'nextRip':
        return u64[(record + R.RIP) >> 3]! + BigInt(u8[record + R.LENGTH]!);
      case 'immediate2':
        return BigInt(u32[(record + R.TARGET) >> 2]!);
      default:
        return u64[(record + R.IMMEDIATE) >> 3]!;
    }
  }

  /** The name of an access: those with the same name are likely to be near each other. */
  group(access: AccessKind): string {
    if (access !== 'operand') return access;
    const { i32, u8 } = this.#state;
    const field = (offset: number) => i32[(this.record + offset) >> 2]!;
    const [base, index, segment] = [field(R.BASE), field(R.INDEX), u8[this.record + R.SEGMENT]!];
    if (index === ZERO_SLOT && (base === GPR + 8 * RSP || base === GPR + 8 * RBP)) return 'stack';
    const region = base === ZERO_SLOT ? field(R.DISPLACEMENT) >> 16 : '';
    return [segment, base, index, region].join();
  }
}
