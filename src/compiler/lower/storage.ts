import ts from 'typescript';
import { unwrapped } from '../frontend/constants.ts';
import type { InlineStorage } from '../frontend/layout.ts';
import { describe } from '../frontend/type-names.ts';
import { type DialectType, NO_ENVIRONMENT } from '../frontend/types.ts';
import { at } from '../ir/builder.ts';
import type { DataObject, DataSection } from '../ir/module.ts';
import { undeclaredType } from '../rules/widths.ts';
import { isModuleLevel, type ModuleLowering } from './module.ts';
import type { Place } from './places.ts';
import { inlineValue } from './properties.ts';
import { StaticWriter } from './static-data.ts';

interface Global {
  readonly symbol: string;
  readonly type: DialectType;
  /** The storage made in place, null for a variable that holds a value. */
  readonly inline: InlineStorage | null;
}

const READ_ONLY = new Set(['table', 'sparseTable', 'bytes']);

/** Module-level variables and objects: each becomes a data object when something first refers to it. */
export class Storage {
  readonly #module: ModuleLowering;
  readonly #globals = new Map<ts.VariableDeclaration, Global | null>();

  constructor(module: ModuleLowering) {
    this.#module = module;
  }

  /** The place of a module-level variable, undefined for constants and for what has no storage. */
  place(declaration: ts.VariableDeclaration): Place | undefined {
    const global = this.#global(declaration);
    if (global === undefined) return undefined;
    const { symbol, type, inline } = global;
    if (inline === null) return { kind: 'memory', address: at.symbol(symbol), type, volatile: false };
    return { kind: 'inline', value: inlineValue(inline.type, at.symbol(symbol), inline.length) };
  }

  /** The symbol of the storage that a name refers to. */
  symbolOf(node: ts.Identifier): string | undefined {
    const declaration = this.#module.constants.symbolOf(node)?.valueDeclaration;
    if (declaration === undefined || !ts.isVariableDeclaration(declaration)) return undefined;
    return this.#global(declaration)?.symbol;
  }

  #global(declaration: ts.VariableDeclaration): Global | undefined {
    const known = this.#globals.get(declaration);
    if (known !== undefined) return known ?? undefined;
    if (!isModuleLevel(declaration) || declaration.initializer === undefined) return undefined;
    const { layouts, types } = this.#module;
    const inline = layouts.inlineStorage(declaration.initializer, NO_ENVIRONMENT) ?? null;
    const isConst = (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) !== 0;
    const type = inline?.type ?? types.of(declaration.name, NO_ENVIRONMENT);
    if (inline === null && isConst && type.kind !== 'object' && type.kind !== 'integer') return undefined;
    if (type.kind === 'plain')
      this.#module.report(undeclaredType(declaration.name.getText(), describe(type)), declaration);
    const symbol = this.#module.symbolFor(declaration, declaration.name.getText(), `data ${declaration.pos}`);
    const global: Global = { symbol, type, inline };
    this.#globals.set(declaration, global);
    this.#emit(declaration, global);
    return global;
  }

  #emit(declaration: ts.VariableDeclaration, { symbol, type, inline }: Global): void {
    const { layouts, debugTypes } = this.#module;
    const initialiser = unwrapped(declaration.initializer!);
    const { size, alignment } = inline ?? layouts.storageOf(type, declaration);
    const writer = new StaticWriter(this.#module, size);
    if (inline !== null) writer.inline(0, inline.type, inline.length, initialiser, NO_ENVIRONMENT);
    else writer.value(0, type, initialiser, NO_ENVIRONMENT);
    const section = this.#section(declaration, writer.isZero);
    const object: DataObject = {
      name: symbol,
      section,
      size,
      alignment: placedAt(size, alignment),
      bytes: section.endsWith('bss') ? new Uint8Array() : writer.bytes,
      relocations: writer.relocations,
      debug: {
        displayName: declaration.name.getText(),
        type: inline === null ? debugTypes.of(type) : debugTypes.inline(inline.type, inline.length),
        span: this.#module.spanOf(declaration.name),
      },
    };
    this.#module.ir.data.push(object);
  }

  #section(declaration: ts.VariableDeclaration, isZero: boolean): DataSection {
    const boot = declaration.getSourceFile().fileName.endsWith('.boot.ts');
    if (isZero) return boot ? '.boot.bss' : '.bss';
    const node = unwrapped(declaration.initializer!);
    const name = ts.isCallExpression(node) ? this.#module.constants.libraryName(node.expression) : undefined;
    if (name !== undefined && READ_ONLY.has(name) && !boot) return '.rodata';
    return boot ? '.boot.data' : '.data';
  }
}

const PAGE = 4096;
const LINE = 16;

/** Larger objects start on a 16-byte boundary, whole pages on a page. */
function placedAt(size: number, alignment: number): number {
  if (size >= PAGE && size % PAGE === 0) return Math.max(alignment, PAGE);
  return size >= LINE ? Math.max(alignment, LINE) : alignment;
}
