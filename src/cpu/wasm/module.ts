import { Bytes, Code, TYPE_CODE } from './code.ts';
import type { ValueType } from './operators.ts';

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

const FUNCTION_KIND = 0;
const TABLE_KIND = 1;
const MEMORY_KIND = 2;
const FUNCREF = 0x70;

/** A WebAssembly module put together in memory (Core Specification 2.0, 5.5). Imports come before functions. */
export class ModuleBuilder {
  readonly #types: FunctionType[] = [];
  readonly #typeKeys = new Map<string, number>();
  readonly #imports: { name: string; type: number }[] = [];
  readonly #functions: { type: number; code: Code | undefined }[] = [];
  readonly #exports: { name: string; kind: number; index: number }[] = [];
  readonly #elements: { offset: number; functions: readonly number[] }[] = [];
  #tableSize = 0;

  type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters}>${results}`;
    const known = this.#typeKeys.get(key);
    if (known !== undefined) return known;
    this.#typeKeys.set(key, this.#types.length);
    this.#types.push({ parameters, results });
    return this.#types.length - 1;
  }

  /** @returns the index of the function imported as env.`name` */
  import(name: string, parameters: readonly ValueType[], results: readonly ValueType[]): number {
    if (this.#functions.length > 0) throw new Error('imports come before functions');
    this.#imports.push({ name, type: this.type(parameters, results) });
    return this.#imports.length - 1;
  }

  /** Reserves a function index, so that it can be called before its body exists. */
  declare(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    this.#functions.push({ type: this.type(parameters, results), code: undefined });
    return this.#imports.length + this.#functions.length - 1;
  }

  define(index: number, code: Code): void {
    this.#functions[index - this.#imports.length]!.code = code;
  }

  /** Declares and defines a function. @param emit writes its body; `self` is its own index @returns its index */
  add(
    parameters: readonly ValueType[],
    results: readonly ValueType[],
    emit: (code: Code, self: number) => void,
  ): number {
    const index = this.declare(parameters, results);
    const code = new Code(parameters.length);
    emit(code, index);
    this.define(index, code);
    return index;
  }

  export(name: string, index: number): void {
    this.#exports.push({ name, kind: FUNCTION_KIND, index });
  }

  /** Exports the module's only table. */
  exportTable(name: string): void {
    this.#exports.push({ name, kind: TABLE_KIND, index: 0 });
  }

  /** Makes the table at least so large; slots without a function are null. */
  reserveTable(size: number): void {
    this.#tableSize = Math.max(this.#tableSize, size);
  }

  /** Puts functions into the table from slot `offset` on. */
  element(offset: number, functions: readonly number[]): void {
    this.#elements.push({ offset, functions });
    this.#tableSize = Math.max(this.#tableSize, offset + functions.length);
  }

  /** @param memory size of the imported memory env.memory in pages: at least, at most */
  bytes(memory: { minimum: number; maximum: number }): Uint8Array<ArrayBuffer> {
    const out = new Bytes().append([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, items: readonly ((bytes: Bytes) => void)[]) => {
      if (items.length === 0) return;
      const body = new Bytes().unsigned(items.length);
      for (const item of items) item(body);
      out.byte(id).unsigned(body.length).append(body.take());
    };
    section(
      1,
      this.#types.map((type) => (b) => {
        b.byte(0x60).unsigned(type.parameters.length);
        for (const parameter of type.parameters) b.byte(TYPE_CODE[parameter]);
        b.unsigned(type.results.length);
        for (const result of type.results) b.byte(TYPE_CODE[result]);
      }),
    );
    section(2, [
      (b) => b.name('env').name('memory').byte(MEMORY_KIND).byte(1).unsigned(memory.minimum).unsigned(memory.maximum),
      ...this.#imports.map(
        (item) => (b: Bytes) => b.name('env').name(item.name).byte(FUNCTION_KIND).unsigned(item.type),
      ),
    ]);
    section(
      3,
      this.#functions.map(
        ({ type }) =>
          (b) =>
            b.unsigned(type),
      ),
    );
    section(
      4,
      this.#tableSize > 0 ? [(b) => b.byte(FUNCREF).byte(1).unsigned(this.#tableSize).unsigned(this.#tableSize)] : [],
    );
    section(
      7,
      this.#exports.map((item) => (b) => b.name(item.name).byte(item.kind).unsigned(item.index)),
    );
    section(
      9,
      this.#elements.map(({ offset, functions }) => (b) => {
        b.byte(0).byte(0x41).signed(offset).byte(0x0b).unsigned(functions.length);
        for (const index of functions) b.unsigned(index);
      }),
    );
    section(
      10,
      this.#functions.map(({ code }, index) => (b) => {
        if (!code) throw new Error(`function ${index} has no body`);
        b.append(code.finish());
      }),
    );
    return out.take();
  }
}
