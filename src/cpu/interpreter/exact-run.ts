import { FIELDS } from '../layout.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import * as R from './records.ts';

/** What `recordAfter` returns where no record is the answer. */
export const RUN_ENDS = 0;
export const NO_EXACT_RECORD = -1;

/**
 * Defines (record, count) -> the record `count` instructions behind one in its run; RUN_ENDS when the run ends before; NO_EXACT_RECORD
 * when there is none at that place, as within a fused pair, or none with exact flags before it.
 */
export function defineRecordAfter(module: ModuleBuilder): number {
  return module.add(['i32', 'i32'], ['i32'], (code) => {
    const [at, count] = [0, 1];
    const [wanted, position, marks] = [code.local('i32'), code.local('i32'), code.local('i32')];
    const marked = (mark: number) => code.get(marks).i32(mark).op('i32.and');
    code.get(at).load('i32', 16, R.POSITION).tee(position).get(count).op('i32.add').set(wanted);
    const next = code.loop();
    code.get(at).load('i32', 8, R.MARKS).set(marks);
    marked(R.MARK.stub).if();
    code.i32(RUN_ENDS).return().end();
    marked(R.MARK.breakpoint).op('i32.eqz').if();
    code.get(position).i32(2).i32(1);
    marked(R.MARK.fused).select().op('i32.add').set(position).end();
    code.get(position).get(wanted).op('i32.gt_s').if();
    code.i32(NO_EXACT_RECORD).return().end();
    code.get(at).i32(R.RECORD_BYTES).op('i32.add').tee(at);
    code.load('i32', 16, R.POSITION).get(position).op('i32.ne').if();
    code.i32(RUN_ENDS).return().end();
    code.get(position).get(wanted).op('i32.ne').brIf(next).end();
    code.i32(NO_EXACT_RECORD).get(at);
    code.get(at).load('i32', 8, R.MARKS).i32(R.MARK.staleFlags).op('i32.and').select();
  });
}

/**
 * Defines (record, ticks, more) -> the ticks that are left: the interpreter's loop, which goes on behind its ticks for as long as the
 * next run ends within `more` further instructions.
 * @param run (record, ticks) -> the ticks that are left; leaves exitReason and exitRecord
 */
export function defineExactRun(module: ModuleBuilder, run: number, recordAfter: number): number {
  return module.add(['i32', 'i32', 'i32'], ['i32'], (code) => {
    const [record, ticks, more] = [0, 1, 2];
    const left = code.local('i32');
    const again = code.loop();
    code.get(record).get(ticks).call(run).set(ticks);
    code.i32(0).load('i32', 32, FIELDS.exitRecord.address).set(record);
    code.i32(0).load('i32', 32, FIELDS.exitReason.address).i32(R.EXIT.TICKS).op('i32.eq');
    code.get(ticks).get(record).load('i32', 16, R.POSITION).op('i32.sub').get(more).op('i32.add').tee(left);
    code.i32(0).op('i32.gt_s').op('i32.and').if();
    code.get(record).get(left).call(recordAfter).i32(RUN_ENDS).op('i32.eq').brIf(again);
    code.end().end().get(ticks);
  });
}
