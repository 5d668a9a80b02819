import { fuse } from '../interpreter/fusion.ts';
import type { VariantTable } from '../interpreter/variants.ts';
import { FIELDS } from '../layout.ts';
import { Context } from '../semantics/context.ts';
import { semanticsOf } from '../semantics/index.ts';
import type { Program, Statement } from '../semantics/nodes.ts';
import { prune } from '../semantics/prune.ts';

/** How a program ends: it goes on, may branch, always branches, or jumps to a computed address. */
export type Ending = 'next' | 'conditional' | 'branch' | 'jump';

/** Statements, and what they do to the flags. */
export interface FlagUse {
  readonly program: Program;
  /** Looks at the status flags as they are before. */
  readonly readsFlags: boolean;
}

/** A program ready for translation. */
export interface TranslatableProgram extends FlagUse {
  /** The same without its writes to the flags, for where nobody will look at them. */
  readonly withoutFlags: FlagUse;
  /** Replaces all status flags, whatever the operands. */
  readonly writesFlags: boolean;
  /** Control may leave before it is complete. */
  readonly mayExit: boolean;
  readonly ending: Ending;
  /** It is a jump that may set RF: see FIELDS.resumeTicks. */
  readonly resumes: boolean;
}

const NEVER = new Set<Statement['kind']>(['bulk', 'restart']);
const WRITES = new Set<Statement['kind']>(['writeRegister', 'writeVector', 'writeField', 'setFlags']);
const EXITS = new Set<Statement['kind']>(['load', 'raise', 'leave']);

/** Regions may rely on MXCSR: see RegionFrame. */
const changesMxcsr = (statement: Statement): boolean =>
  statement.kind === 'writeField' && statement.address === FIELDS.mxcsr.address;

/** What translation must know of a list of statements. */
class Survey {
  translatable = true;
  readsFlags = false;
  mayExit = false;
  #written = false;

  visit(statements: readonly Statement[]): void {
    for (const statement of statements) {
      const { kind } = statement;
      if (NEVER.has(kind) || changesMxcsr(statement)) this.translatable = false;
      // An instruction that has begun to change the state cannot be left to the interpreter any more.
      const mayExit =
        EXITS.has(kind) || (kind === 'store' && statement.kind === 'store' && statement.place === undefined);
      if (mayExit && this.#written) this.translatable = false;
      this.mayExit ||= mayExit;
      this.readsFlags ||= kind === 'condition' || kind === 'statusFlags';
      if (WRITES.has(kind) || kind === 'store') this.#written = true;
      if (statement.kind === 'if') {
        this.visit(statement.whenTrue);
        this.visit(statement.whenFalse);
      } else if (statement.kind === 'loop' && !isComputation(statement.body)) {
        this.translatable = false;
      }
    }
  }
}

/** Only works values out: neither reads nor changes the state, and cannot leave. @param also other kinds that may occur */
export function isComputation(
  statements: readonly Statement[],
  also: ReadonlySet<Statement['kind']> = new Set(),
): boolean {
  return statements.every((statement) => {
    if (statement.kind === 'if')
      return isComputation(statement.whenTrue, also) && isComputation(statement.whenFalse, also);
    return statement.kind === 'let' || statement.kind === 'assign' || also.has(statement.kind);
  });
}

function surveyOf(statements: readonly Statement[]): Survey {
  const survey = new Survey();
  survey.visit(statements);
  return survey;
}

function endingOf(statements: readonly Statement[]): Ending {
  const last = statements.at(-1);
  if (last?.kind === 'jump') return 'jump';
  if (last?.kind !== 'branch') return 'next';
  return last.condition === undefined ? 'branch' : 'conditional';
}

/** The programs of the interpreter's variants, recorded when first asked for. */
export class Programs {
  readonly #table: VariantTable;
  readonly #known = new Map<number, TranslatableProgram | undefined>();

  constructor(table: VariantTable) {
    this.#table = table;
  }

  /**
   * @param variant of the first instruction @param condition of the conditional jump fused to it, or -1
   * @returns undefined when only the interpreter executes it
   */
  find(variant: number, condition: number): TranslatableProgram | undefined {
    const key = variant * 32 + condition + 1;
    if (!this.#known.has(key)) this.#known.set(key, this.#prepare(variant, condition));
    return this.#known.get(key);
  }

  #prepare(number: number, condition: number): TranslatableProgram | undefined {
    const variant = this.#table.variants[number]!;
    const recorded = Context.record(variant, semanticsOf(variant.form)!);
    const whole = condition < 0 ? recorded : fuse(recorded, condition, variant.operandSize);
    if (whole === undefined) return undefined;
    const statements = prune(whole.statements, false, new Set());
    const quiet = prune(whole.statements, true, new Set());
    const survey = surveyOf(statements);
    if (!survey.translatable) return undefined;
    return {
      program: { statements, locals: whole.locals },
      readsFlags: survey.readsFlags,
      withoutFlags: { program: { statements: quiet, locals: whole.locals }, readsFlags: surveyOf(quiet).readsFlags },
      writesFlags: statements.some((statement) => statement.kind === 'setFlags'),
      mayExit: survey.mayExit,
      ending: endingOf(statements),
      resumes: statements.some((statement) => statement.kind === 'jump' && statement.resumes),
    };
  }
}
