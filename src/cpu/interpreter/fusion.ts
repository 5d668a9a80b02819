import { fusedCondition } from '../semantics/flags.ts';
import type { Program } from '../semantics/nodes.ts';

/** Appends to a comparison the conditional jump that follows it. @returns undefined when the pair has no short cut */
export function fuse(program: Program, condition: number, size: number): Program | undefined {
  const flags = program.statements.findLast((statement) => statement.kind === 'setFlags');
  if (flags?.kind !== 'setFlags' || flags.flagKind.kind !== 'constant') return undefined;
  const kind = Number(flags.flagKind.bits) >> 2;
  const holds = fusedCondition(condition, kind, flags.a, flags.b, size);
  return holds && { ...program, statements: [...program.statements, { kind: 'branch', condition: holds }] };
}
