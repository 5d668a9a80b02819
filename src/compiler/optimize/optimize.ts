import type { IrFunction, IrModule } from '../ir/module.ts';
import { bindVariables } from '../ir/variables.ts';
import { simplifyBranches } from './branches.ts';
import { removeDeadCode } from './dead-code.ts';
import { destructSsa } from './destruct.ts';
import { hoistInvariants } from './hoist.ts';
import { calleesFirst, inlineCalls, isInlinable, referencedSymbols } from './inline.ts';
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

/**
 * Optimises a module's functions: callees before callers, so that what is expanded is already small. Functions that
 * nothing refers to any more are left out; the order is the module's.
 */
export function optimizeModule(module: IrModule): IrFunction[] {
  const inlinable = new Map<string, IrFunction>();
  const optimized = new Map<string, IrFunction>();
  for (const fn of calleesFirst(module.functions)) {
    const result = optimizeFunction(bindVariables(inlineCalls(fn, inlinable)));
    optimized.set(fn.name, result);
    if (isInlinable(result)) inlinable.set(fn.name, result);
  }
  const functions = module.functions.map((fn) => optimized.get(fn.name)!);
  const referenced = referencedSymbols(module, functions);
  return functions.filter((fn) => referenced.has(fn.name));
}
