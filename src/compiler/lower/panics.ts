import ts from 'typescript';
import { at, FunctionBuilder } from '../ir/builder.ts';
import type { FunctionLowering } from './function.ts';
import type { ModuleLowering } from './module.ts';
import { lengthRegister } from './representation.ts';
import type { Callable, Value } from './values.ts';

/** How a failed check reaches the program's panic handler. */
export class Panics {
  readonly #module: ModuleLowering;
  readonly #thunks = new Map<string, string>();
  #handler: Callable | null | undefined;

  constructor(module: ModuleLowering) {
    this.#module = module;
  }

  /** Panics with a message known now: one small function for each message and file, so that a check costs two instructions. */
  emit(lowering: FunctionLowering, message: string): void {
    const { builder } = lowering;
    const handler = this.#handlerNode();
    if (handler !== null) {
      const file = this.#module.displayPath(lowering.frame.declaration.getSourceFile());
      builder.call(this.#thunk(handler, message, file), [builder.const('i32', BigInt(builder.span.line))]);
    }
    builder.unreachable();
  }

  /** Panics with a message that is a value. */
  emitValue(lowering: FunctionLowering, message: Value & { kind: 'string' }): void {
    if (message.text !== undefined) {
      this.emit(lowering, message.text);
      return;
    }
    const { builder } = lowering;
    const handler = this.#handlerNode();
    if (handler !== null) {
      const file = this.#module.displayPath(lowering.frame.declaration.getSourceFile());
      builder.call(this.#module.requestFunction(handler), [
        lowering.pointer(message.pointer),
        lengthRegister(lowering, message.length),
        builder.addressOf(at.symbol(this.#module.strings.symbol(file))),
        builder.const('i64', BigInt(file.length)),
        builder.const('i32', BigInt(builder.span.line)),
      ]);
    }
    builder.unreachable();
  }

  #thunk(handler: Callable, message: string, file: string): string {
    const key = `${file}\n${message}`;
    const known = this.#thunks.get(key);
    if (known !== undefined) return known;
    const symbol = `panic.${this.#thunks.size}`;
    this.#thunks.set(key, symbol);
    const builder = new FunctionBuilder(symbol, { displayName: 'panic', inline: 'never' });
    const line = builder.parameter('line', 'i32');
    const text = (value: string) => [
      builder.addressOf(at.symbol(this.#module.strings.symbol(value))),
      builder.const('i64', BigInt(value.length)),
    ];
    builder.call(this.#module.requestFunction(handler), [...text(message), ...text(file), line]);
    builder.unreachable();
    this.#module.addFunction(builder.function);
    return symbol;
  }

  /** The function given to `panicHandler(...)`, wherever in the program. */
  #handlerNode(): Callable | null {
    if (this.#handler !== undefined) return this.#handler;
    this.#handler = null;
    for (const { call, body } of this.#module.wrappers()) {
      if (this.#module.constants.libraryName(call.expression) === 'panicHandler') this.#handler = body;
    }
    return this.#handler;
  }
}

/** Whether a node is a function written in place. */
export const isFunctionExpression = (node: ts.Node): node is ts.ArrowFunction | ts.FunctionExpression =>
  ts.isArrowFunction(node) || ts.isFunctionExpression(node);
