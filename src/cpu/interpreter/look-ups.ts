/** Functions of the table for places where the interpreter does not know the record to go on with: (record, ticks) -> record, as all there. */
import { EXIT_RECORD, FIELDS, INDIRECT_RECORD } from '../layout.ts';
import type { Code } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import * as R from './records.ts';
import type { SharedFunctions } from './shared-functions.ts';

/** By the pseudo handler that each stands behind. */
export type LookUps = ReadonlyMap<number, number>;

export function defineLookUps(module: ModuleBuilder, functions: SharedFunctions): LookUps {
  return new Map([
    [R.PSEUDO.lookup, defineLookup(module, functions.lookup)],
    [R.PSEUDO.link, defineLink(module, functions.link)],
    [R.PSEUDO.relookup, defineRenew(module, functions.renew)],
  ]);
}

/** Sets where the record returned by `goOn` leads, and what that charges. */
function aim(code: Code, cost: () => void): void {
  code.i32(0).get(0).load('i64', 64, R.RIP).store('i64', 64, FIELDS.rip.address);
  code.i32(0);
  cost();
  code.store('i32', 32, FIELDS.leaveCost.address);
}

function leave(code: Code, reason: number): void {
  code.i32(0).i32(reason).store('i32', 32, FIELDS.exitReason.address);
  code.i32(0).get(0).store('i32', 32, FIELDS.exitRecord.address);
  code.i32(EXIT_RECORD).return();
}

const goOn = (code: Code): Code => code.i32(INDIRECT_RECORD).return();

/** Control goes to `rip`; what it costs to come there has been charged. */
function defineLookup(module: ModuleBuilder, lookup: number): number {
  return module.add(['i32', 'i32'], ['i32'], (code) => {
    code.call(lookup).if();
    code.i32(0).i32(0).store('i32', 32, FIELDS.leaveCost.address);
    goOn(code).end();
    leave(code, R.EXIT.LOOKUP);
    code.unreachable();
  });
}

function defineLink(module: ModuleBuilder, link: number): number {
  return module.add(['i32', 'i32'], ['i32'], (code) => {
    aim(code, () => code.get(0).load('i32', 32, R.COST));
    code.get(0).call(link);
    goOn(code);
    code.unreachable();
  });
}

/** Where the driver is to stop within the run it does this itself: it may have given the record another handler. */
function defineRenew(module: ModuleBuilder, renew: number): number {
  return module.add(['i32', 'i32'], ['i32'], (code) => {
    const outcome = code.local('i32');
    code.get(1).i32(0).op('i32.ge_s').if();
    aim(code, () => code.get(0).load('i32', 16, R.POSITION));
    code.get(0).call(renew).tee(outcome).i32(1).op('i32.eq').if().get(0).return().end();
    code.get(outcome).op('i32.eqz').if();
    goOn(code).end().end();
    leave(code, R.EXIT.RELOOKUP);
    code.unreachable();
  });
}
