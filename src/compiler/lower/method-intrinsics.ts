import type ts from 'typescript';
import { integers } from '../frontend/types.ts';
import type { Address, MemoryOrder, UpdateOperator } from '../ir/module.ts';
import type { FunctionLowering } from './function.ts';
import { argumentRegister } from './intrinsics.ts';
import { characterAt } from './properties.ts';
import { valueOfRegisters } from './representation.ts';
import { type Value, VOID_VALUE } from './values.ts';
import { lowerExpression } from './visitors.ts';

const UPDATES: Readonly<Record<string, UpdateOperator>> = {
  exchange: 'exchange',
  fetchAdd: 'add',
  fetchAnd: 'and',
  fetchOr: 'or',
};

const ORDERS: Readonly<Record<string, MemoryOrder>> = {
  relaxed: 'relaxed',
  acquire: 'acquire',
  release: 'release',
  'acq-rel': 'sequential',
  'seq-cst': 'sequential',
};

/** Methods of atomic cells and strings. */
export function lowerMethodIntrinsic(
  lowering: FunctionLowering,
  object: Value,
  name: string,
  node: ts.CallExpression,
): Value | undefined {
  if (object.kind === 'string' && name === 'charCodeAt') {
    const index = lowerExpression(lowering, node.arguments[0]!);
    return index.kind === 'integer' ? characterAt(lowering, object, index, node) : VOID_VALUE;
  }
  if (object.kind !== 'pointer' || object.type.kind !== 'atomic') return undefined;
  return atomicOperation(lowering, object.address, object.type.bits, name, node);
}

function atomicOperation(
  lowering: FunctionLowering,
  address: Address,
  bits: 32 | 64,
  name: string,
  node: ts.CallExpression,
): Value {
  const { builder } = lowering;
  const type = bits === 32 ? integers.u32 : integers.u64;
  const orderAt = (index: number): MemoryOrder => {
    const order = node.arguments[index] && lowering.module.constants.evaluate(node.arguments[index]);
    return typeof order === 'string' ? (ORDERS[order] ?? 'sequential') : 'sequential';
  };
  if (name === 'load') {
    const result = builder.register(`i${bits}`);
    builder.emit({ op: 'atomicLoad', result, address, order: orderAt(0) });
    return valueOfRegisters(type, [result]);
  }
  const source = argumentRegister(lowering, node, 0, type);
  if (name === 'store') {
    builder.emit({ op: 'atomicStore', address, source, order: orderAt(1) });
    return VOID_VALUE;
  }
  const result = builder.register(`i${bits}`);
  if (name === 'compareExchange') {
    const replacement = argumentRegister(lowering, node, 1, type);
    builder.emit({ op: 'compareExchange', result, address, expected: source, replacement });
  } else builder.emit({ op: 'atomicUpdate', operator: UPDATES[name]!, result, address, source });
  return valueOfRegisters(type, [result]);
}
