import type ts from 'typescript';
import { broken, type Diagnostic } from '../frontend/diagnostics.ts';
import { at, FunctionBuilder } from '../ir/builder.ts';
import type { DataObject, IrFunction, Register } from '../ir/module.ts';
import { asciiOnly } from '../rules/values.ts';
import type { FunctionLowering } from './function.ts';
import { lengthRegister } from './representation.ts';
import type { Value } from './values.ts';

/** String literals in .rodata, each text once. */
export class Strings {
  readonly #symbols = new Map<string, string>();
  readonly #data: DataObject[];
  readonly #report: (diagnostic: Diagnostic) => void;

  constructor(data: DataObject[], report: (diagnostic: Diagnostic) => void) {
    this.#data = data;
    this.#report = report;
  }

  symbol(text: string): string {
    const known = this.#symbols.get(text);
    if (known !== undefined) return known;
    const symbol = `string.${this.#symbols.size}`;
    this.#symbols.set(text, symbol);
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const common = { alignment: 1, relocations: [], debug: null };
    this.#data.push({ name: symbol, section: '.rodata', size: bytes.length, bytes, ...common });
    return symbol;
  }

  value(text: string, node: ts.Node): Value {
    for (const character of text) {
      if (character.charCodeAt(0) <= 127) continue;
      this.#report(broken(asciiOnly(), node));
      break;
    }
    return { kind: 'string', pointer: at.symbol(this.symbol(text)), length: BigInt(text.length), text };
  }
}

/** Whether two strings are equal byte for byte (i8). Compares lengths first, then bytes in a loop. */
export function equalStrings(
  lowering: FunctionLowering,
  left: Value & { kind: 'string' },
  right: Value & { kind: 'string' },
): Register {
  const { builder } = lowering;
  const pointers = [lowering.pointer(left.pointer), lowering.pointer(right.pointer)];
  const lengths = [lengthRegister(lowering, left.length), lengthRegister(lowering, right.length)];
  return builder.call(
    lowering.module.stringEquality(),
    [pointers[0]!, lengths[0]!, pointers[1]!, lengths[1]!],
    ['i8'],
  )[0]!;
}

/** `(pointer, length, pointer, length) -> i8`: the function behind `===` on strings. */
export function stringEqualityFunction(symbol: string): IrFunction {
  const builder = new FunctionBuilder(symbol, { results: ['i8'] });
  const left = builder.parameter('left', 'i64');
  const leftLength = builder.parameter('leftLength', 'i64');
  const right = builder.parameter('right', 'i64');
  const rightLength = builder.parameter('rightLength', 'i64');
  const [test, body, next, equal, different] = [0, 0, 0, 0, 0].map(() => builder.block()) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const index = builder.const('i64', 0n);
  builder.branchCompare('eq', leftLength, rightLength, test, different);
  builder.enter(test);
  builder.branchCompare('ult', index, leftLength, body, equal);
  builder.enter(body);
  const a = builder.load('i8', at.element(left, index, 1));
  builder.branchCompare('eq', a, builder.load('i8', at.element(right, index, 1)), next, different);
  builder.enter(next);
  builder.copy(index, builder.binary('add', index, builder.const('i64', 1n)));
  builder.jump(test);
  builder.enter(equal);
  builder.return(builder.const('i8', 1n));
  builder.enter(different);
  builder.return(builder.const('i8', 0n));
  return builder.function;
}
