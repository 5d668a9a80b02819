/**
 * Blocks with much floating-point arithmetic are emitted twice. The swift version takes for granted that all numbers are ordinary and
 * all memory is where it was before: of its results it keeps the most unusual, and looks at that only where something comes that cannot
 * be taken back. When it was wrong it takes the vector registers back and goes on from there in the careful version, which stands
 * behind it, so that nothing in the swift one is ever jumped over.
 */
import type { Statement } from '../semantics/nodes.ts';
import type { Code, Label } from '../wasm/code.ts';
import type { Block, RegionInstruction } from './region.ts';
import type { RegisterResolver } from './register-use.ts';

type Width = 32 | 64;

/** Instructions from one on that can be taken back together, or one that cannot. */
export interface Segment {
  readonly first: number;
  /** Vector registers that they write. */
  readonly written: readonly number[];
}

/** So many looks at numbers make a second version worthwhile. */
const WORTHWHILE = 4;

const REVOCABLE = new Set<Statement['kind']>([
  ...(['let', 'assign', 'readVector', 'writeVector', 'readRegister', 'readField'] as const),
  ...(['operandAddress', 'operandSegment', 'load', 'if', 'leave', 'raise'] as const),
]);

/** Writes vector registers only. */
function isRevocable(statements: readonly Statement[]): boolean {
  return statements.every(
    (each) =>
      REVOCABLE.has(each.kind) && (each.kind !== 'if' || (isRevocable(each.whenTrue) && isRevocable(each.whenFalse))),
  );
}

function vectorsWritten({ record, translatable }: RegionInstruction, resolver: RegisterResolver): number[] {
  const visit = (statements: readonly Statement[]): number[] =>
    statements.flatMap((each) => {
      if (each.kind === 'writeVector') return [resolver.resolve(record, each.register, 'vector').number];
      return each.kind === 'if' ? [...visit(each.whenTrue), ...visit(each.whenFalse)] : [];
    });
  return visit(translatable.program.statements);
}

/** @param known for each instruction, the bound values that need no look @returns undefined for a block that is not worth it */
export function segmentsOf(
  { instructions }: Block,
  known: readonly ReadonlySet<number>[],
  resolver: RegisterResolver,
): Segment[] | undefined {
  const looks = instructions.flatMap(({ translatable }, index) =>
    translatable.program.statements.filter(
      (each) => each.kind === 'if' && each.establishes && !known[index]!.has(each.establishes.local.id),
    ),
  );
  if (looks.length < WORTHWHILE) return undefined;
  const segments: { first: number; written: number[] }[] = [];
  let canGoOn = false;
  instructions.forEach((instruction, index) => {
    const revocable = isRevocable(instruction.translatable.program.statements);
    if (!canGoOn || !revocable) segments.push({ first: index, written: [] });
    canGoOn = revocable;
    if (revocable) segments.at(-1)!.written.push(...vectorsWritten(instruction, resolver));
  });
  return segments.map(({ first, written }) => ({ first, written: [...new Set(written)] }));
}

/** The swift version of a block, while it is emitted. */
export class Swift {
  isOn = false;
  readonly #code: Code;
  readonly #vector: readonly (number | undefined)[];
  /** Locals with the registers as they were when the segment began. */
  readonly #saved = new Map<number, number>();
  /** Locals with the most unusual key so far. */
  readonly #most = new Map<Width, number>();
  readonly #collected = new Set<Width>();
  readonly #pushTest: (width: Width, most: number) => void;
  #written: readonly number[] = [];
  #careful!: Label;

  /**
   * @param vector local of each vector register
   * @param pushTest pushes whether the key in a local says that some number was not ordinary (Lanes.someBeyond)
   */
  constructor(code: Code, vector: readonly (number | undefined)[], pushTest: (width: Width, most: number) => void) {
    this.#code = code;
    this.#vector = vector;
    this.#pushTest = pushTest;
  }

  /** @param careful where the segment begins in the careful version */
  begin({ written }: Segment, careful: Label): void {
    this.#settle();
    this.isOn = true;
    this.#careful = careful;
    this.#written = written;
    for (const register of written) {
      if (!this.#saved.has(register)) this.#saved.set(register, this.#code.local('v128'));
      this.#code.get(this.#vector[register]!).set(this.#saved.get(register)!);
    }
  }

  /** Behind the last segment. */
  end(): void {
    this.#settle();
    this.isOn = false;
  }

  /** @param pushKey pushes the key of a number (Lanes.unusualKey) */
  collect(width: Width, pushKey: () => void): void {
    const most = this.#most.get(width) ?? this.#code.local('v128');
    this.#most.set(width, most);
    pushKey();
    if (this.#collected.has(width)) this.#code.get(most).op('i32x4.max_s');
    this.#code.set(most);
    this.#collected.add(width);
  }

  /** Takes the segment back and goes on in the careful version. */
  fail(): void {
    for (const register of this.#written) this.#code.get(this.#saved.get(register)!).set(this.#vector[register]!);
    this.#code.br(this.#careful);
  }

  /** Looks at what was collected. */
  #settle(): void {
    for (const width of this.#collected) {
      this.#pushTest(width, this.#most.get(width)!);
      this.#code.if();
      this.fail();
      this.#code.end();
    }
    this.#collected.clear();
  }
}
