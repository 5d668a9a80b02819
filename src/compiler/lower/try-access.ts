import type ts from 'typescript';
import { type DialectType, type IntegerType, integers } from '../frontend/types.ts';
import { at } from '../ir/builder.ts';
import type { Register } from '../ir/module.ts';
import type { FunctionLowering } from './function.ts';
import { addressArgument, argumentRegister, type Intrinsic } from './intrinsics.ts';
import { valueOfRegisters } from './representation.ts';
import { type Value, VOID_VALUE } from './values.ts';

const { u8, u16, u32, u64 } = integers;
const EFAULT = 14n;

/** A Result whose error is EFAULT where the flag (i8) is set. */
function faulting(lowering: FunctionLowering, type: DialectType, value: Value, fault: Register): Value {
  const { builder } = lowering;
  const error = builder.select(fault, builder.const('i32', EFAULT), builder.const('i32', 0n));
  return { kind: 'result', type: { kind: 'result', value: type }, value, error };
}

const tryLoad =
  (type: IntegerType): Intrinsic =>
  (lowering, node) => {
    const address = addressArgument(lowering, node, 0);
    const result = lowering.builder.register(`i${type.bits}`);
    const fault = lowering.builder.register('i8');
    lowering.builder.emit({ op: 'tryLoad', result, fault, address });
    return faulting(lowering, type, valueOfRegisters(type, [result]), fault);
  };

const tryStore =
  (type: IntegerType): Intrinsic =>
  (lowering, node) => {
    const address = lowering.settledAddress(addressArgument(lowering, node, 0), node.arguments.slice(1));
    const source = argumentRegister(lowering, node, 1, type);
    const fault = lowering.builder.register('i8');
    lowering.builder.emit({ op: 'tryStore', fault, address, source });
    return faulting(lowering, { kind: 'void' }, VOID_VALUE, fault);
  };

function tryCopy(lowering: FunctionLowering, node: ts.CallExpression): Value {
  const { builder } = lowering;
  const destination = lowering.pointer(addressArgument(lowering, node, 0));
  const source = lowering.pointer(addressArgument(lowering, node, 1));
  const length = argumentRegister(lowering, node, 2, u64);
  const result = builder.register('i64');
  builder.emit({ op: 'tryCopy', result, destination, source, length });
  const fault = builder.compare('ne', result, builder.const('i64', 0n));
  return faulting(lowering, { kind: 'void' }, VOID_VALUE, fault);
}

/** A loop of byte stores, left at the first that faults. */
function tryFill(lowering: FunctionLowering, node: ts.CallExpression): Value {
  const { builder } = lowering;
  const destination = lowering.pointer(addressArgument(lowering, node, 0));
  const source = argumentRegister(lowering, node, 1, u8);
  const length = argumentRegister(lowering, node, 2, u64);
  const index = builder.register('i64');
  const fault = builder.register('i8');
  const test = builder.block();
  const body = builder.block();
  const next = builder.block();
  const done = builder.block();
  builder.copy(index, builder.const('i64', 0n));
  builder.copy(fault, builder.const('i8', 0n));
  builder.jump(test);
  builder.enter(test);
  builder.branchCompare('ult', index, length, body, done);
  builder.enter(body);
  builder.emit({ op: 'tryStore', fault, address: at.element(destination, index, 1), source });
  builder.branch(fault, done, next);
  builder.enter(next);
  builder.copy(index, builder.binary('add', index, builder.const('i64', 1n)));
  builder.jump(test);
  builder.enter(done);
  return faulting(lowering, { kind: 'void' }, VOID_VALUE, fault);
}

/** The accesses that answer EFAULT: one instruction each, listed in the exception table by the back end. */
export const tryIntrinsics: Readonly<Record<string, Intrinsic>> = {
  tryLoad8: tryLoad(u8),
  tryLoad16: tryLoad(u16),
  tryLoad32: tryLoad(u32),
  tryLoad64: tryLoad(u64),
  tryStore8: tryStore(u8),
  tryStore16: tryStore(u16),
  tryStore32: tryStore(u32),
  tryStore64: tryStore(u64),
  tryCopy,
  tryFill,
};
