import type { IrFunction } from '../ir/module.ts';
import { simplifyBranches } from './branches.ts';
import { removeDeadCode } from './dead-code.ts';
import { destructSsa } from './destruct.ts';
import { hoistInvariants } from './hoist.ts';
import { propagate } from './propagate.ts';
import { buildSsa, hasSsa } from './ssa.ts';

/** Rounds after which more rewriting hardly ever finds anything. */
const maximumRounds = 4;

/** The function with less to do. What it computes, its spans and its variables' bindings stay. */
export function optimizeFunction(ir: IrFunction): IrFunction {
  if (ir.convention === 'naked' || !hasSsa(ir)) return ir;
  const ssa = buildSsa(ir);
  simplifyBranches(ssa);
  for (let round = 0; round < maximumRounds; round++) {
    const changed = propagate(ssa);
    removeDeadCode(ssa);
    const branches = simplifyBranches(ssa);
    if (!changed && !branches) break;
  }
  if (hoistInvariants(ssa)) {
    propagate(ssa);
    removeDeadCode(ssa);
  }
  return destructSsa(ssa);
}
