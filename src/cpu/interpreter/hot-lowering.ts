import { KIND } from '../flags.ts';
import { FIELDS } from '../layout.ts';
import type { Program, Statement } from '../semantics/nodes.ts';
import { prune } from '../semantics/prune.ts';
import { Lowering, type LoweringOptions, type Surroundings } from './lower.ts';

/** The even condition codes, halved. */
const CONDITION = { below: 1, zero: 2, belowOrEqual: 3, sign: 4, less: 6, lessOrEqual: 7 } as const;

/**
 * Lowers arms of the interpreter's loop. They call nothing: a call in one arm would have V8 spill the loop's variables for all of them.
 * Where the common case ends, before anything has changed, an arm gives the instruction up to its function (`giveUp`).
 */
export class HotLowering extends Lowering {
  readonly #giveUp: () => void;

  constructor(to: Surroundings, options: LoweringOptions, giveUp: () => void) {
    super(to, options);
    this.#giveUp = giveUp;
  }

  protected override missedLoad(): void {
    this.#giveUp();
  }

  protected override missedStore(): void {
    this.#giveUp();
  }

  protected override missedPlace(): void {
    this.#giveUp();
  }

  protected override raise(): void {
    this.#giveUp();
  }

  protected override statusFlags(): void {
    throw new Error('an instruction that needs all status flags is no arm of the loop');
  }

  /** The frequent kinds of flags only. */
  protected override condition(condition: number): void {
    const { code } = this;
    const kind = this.take('i32');
    code.i32(0).load('i32', 32, FIELDS.flagsKind.address).i32(-4).op('i32.and').set(kind);
    const isKind = (wanted: number) =>
      code
        .get(kind)
        .i32(wanted * 4)
        .op('i32.eq');
    const a = () => code.i32(0).load('i64', 64, FIELDS.flagsA.address);
    const b = () => code.i32(0).load('i64', 64, FIELDS.flagsB.address);
    const giveUp = () => this.#giveUp();
    const either = (test: () => void, whenTrue: () => void, otherwise: () => void) => {
      test();
      code.if('i32');
      whenTrue();
      code.else();
      otherwise();
      code.end();
    };
    const compare = (operator: string) => () => {
      a();
      b();
      code.op(operator);
    };
    const shifted = (value: () => void) => {
      value();
      this.#shiftToTop();
    };
    const compareSigned = (operator: string) => () => {
      shifted(a);
      shifted(b);
      code.op(operator);
    };
    const isZero = () => a().op('i64.eqz');
    const resultCompares = (operator: string) => () => {
      shifted(a);
      code.i64(0n).op(operator);
    };
    const subtraction = () => isKind(KIND.SUB);
    const afterLogic = (whenTrue: () => void) => () => either(() => isKind(KIND.LOGIC), whenTrue, giveUp);
    /** RAW and SBB do not hold the result; SUB has been dealt with. */
    const fromResult = (whenTrue: () => void) => () =>
      either(
        () =>
          code
            .get(kind)
            .op('i32.eqz')
            .get(kind)
            .i32(KIND.SBB * 4)
            .op('i32.eq')
            .op('i32.or'),
        giveUp,
        whenTrue,
      );
    switch (condition >> 1) {
      case CONDITION.below:
        either(
          () => {
            subtraction();
            isKind(KIND.ADD).op('i32.or');
          },
          compare('i64.lt_u'),
          afterLogic(() => code.i32(0)),
        );
        break;
      case CONDITION.zero:
        either(subtraction, compare('i64.eq'), fromResult(isZero));
        break;
      case CONDITION.belowOrEqual:
        either(subtraction, compare('i64.le_u'), afterLogic(isZero));
        break;
      case CONDITION.sign:
        either(
          subtraction,
          () => {
            a();
            b();
            code.op('i64.sub');
            this.#shiftToTop();
            code.i64(0n).op('i64.lt_s');
          },
          fromResult(resultCompares('i64.lt_s')),
        );
        break;
      case CONDITION.less:
        either(subtraction, compareSigned('i64.lt_s'), afterLogic(resultCompares('i64.lt_s')));
        break;
      case CONDITION.lessOrEqual:
        either(subtraction, compareSigned('i64.le_s'), afterLogic(resultCompares('i64.le_s')));
        break;
      default:
        giveUp();
        code.i32(0);
    }
    if (condition & 1) code.op('i32.eqz');
  }

  /** Shifts the i64 on the stack so that the sign bit of the flags' operand size becomes bit 63. */
  #shiftToTop(): void {
    this.code.i64(64n).i64(8n).i32(0).load('i64', 32, FIELDS.flagsKind.address).i64(3n).op('i64.and').op('i64.shl');
    this.code.op('i64.sub').op('i64.shl');
  }
}

const MAY_GIVE_UP = new Set<Statement['kind']>(['load', 'store', 'raise', 'condition']);

function some(statements: readonly Statement[], test: (statement: Statement) => boolean): boolean {
  return statements.some(
    (statement) =>
      test(statement) ||
      (statement.kind === 'if' && (some(statement.whenTrue, test) || some(statement.whenFalse, test))) ||
      (statement.kind === 'loop' && some(statement.body, test)),
  );
}

/** @returns whether an arm of this program needs a function to give up to */
export function mayGiveUp(program: Program): boolean {
  return some(program.statements, ({ kind }) => MAY_GIVE_UP.has(kind));
}

/** @returns whether a program can be an arm: it calls for no shared function */
export function fitsArm(program: Program, noFlags: boolean): boolean {
  const calls = ({ kind }: Statement) =>
    kind === 'statusFlags' || kind === 'bulk' || kind === 'operandSegment' || kind === 'segmentAddress';
  return !some(prune(program.statements, noFlags, new Set()), calls);
}
