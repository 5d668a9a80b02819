import ts from 'typescript';
import type { Diagnostic } from '../frontend/diagnostics.ts';
import { exactly, within } from '../frontend/interval.ts';
import type { Program } from '../frontend/program.ts';
import { NO_ENVIRONMENT } from '../frontend/types.ts';
import type { IrModule } from '../ir/module.ts';
import { noEntry, topLevelStatement } from '../rules/syntax.ts';
import { literalOutOfRange } from '../rules/widths.ts';
import { checkClass } from './classes.ts';
import { ModuleLowering } from './module.ts';
import type { Callable } from './values.ts';

/** Lowers a checked program: from its entry points, everything they reach. */
export function lowerProgram(
  program: Program,
  entry: string,
  kind: 'kernel' | 'user',
  keepExports: boolean,
): { ir: IrModule; diagnostics: readonly Diagnostic[] } {
  const module = new ModuleLowering(program, entry, kind);
  for (const source of program.sources) checkTopLevel(module, source);
  const source = program.sources.at(-1)!;
  const exported = exportsOf(module, source);
  if (kind === 'kernel') kernelEntries(module, exported);
  else userEntry(module);
  if (keepExports) keep(module, [...exported.values()]);
  if (module.ir.entries.elf === '') module.report(noEntry(kind), source);
  module.drain();
  module.checkUnused();
  return { ir: module.ir, diagnostics: inPlaceOrder(module.diagnostics) };
}

/** Emits functions that nothing calls; the first stands for the entry point of a program that has none. */
function keep(module: ModuleLowering, nodes: readonly Callable[]): void {
  for (const node of nodes) {
    if (node.typeParameters !== undefined) continue;
    const symbol = module.requestFunction(node);
    if (module.ir.entries.elf === '') module.ir.entries = { elf: symbol };
  }
}

/** The functions that a module exports, by name. */
function exportsOf(module: ModuleLowering, source: ts.SourceFile): Map<string, Callable> {
  const found = new Map<string, Callable>();
  const symbol = module.checker.getSymbolAtLocation(source);
  for (const exported of symbol === undefined ? [] : module.checker.getExportsOfModule(symbol)) {
    const target = exported.flags & ts.SymbolFlags.Alias ? module.checker.getAliasedSymbol(exported) : exported;
    const declaration = target.valueDeclaration;
    if (declaration === undefined) continue;
    if (ts.isFunctionDeclaration(declaration)) found.set(exported.name, declaration);
    else if (ts.isVariableDeclaration(declaration) && declaration.initializer) {
      const body = module.functionBody(declaration.initializer);
      if (body !== undefined) found.set(exported.name, body);
    }
  }
  return found;
}

/** A kernel's entry module exports `pvhEntry`, `multibootEntry` or both. */
function kernelEntries(module: ModuleLowering, exported: ReadonlyMap<string, Callable>): void {
  const symbolOf = (name: string): string | undefined => {
    const node = exported.get(name);
    return node === undefined ? undefined : module.requestFunction(node);
  };
  const pvh = symbolOf('pvhEntry');
  const multiboot = symbolOf('multibootEntry');
  const elf = pvh ?? multiboot;
  if (elf === undefined) return;
  module.ir.entries = { elf, ...(pvh && { pvh }), ...(multiboot && { multiboot }) };
}

/** A user program starts at its `entry(...)`. */
function userEntry(module: ModuleLowering): void {
  const wrapper = module.wrappers().findLast(({ name }) => name === 'entry');
  if (wrapper !== undefined) module.ir.entries = { elf: module.requestFunction(wrapper.body) };
}

const DECLARATIONS = new Set([
  ts.SyntaxKind.ImportDeclaration,
  ts.SyntaxKind.ExportDeclaration,
  ts.SyntaxKind.VariableStatement,
  ts.SyntaxKind.FunctionDeclaration,
  ts.SyntaxKind.ClassDeclaration,
  ts.SyntaxKind.InterfaceDeclaration,
  ts.SyntaxKind.TypeAliasDeclaration,
  ts.SyntaxKind.EmptyStatement,
]);

function checkTopLevel(module: ModuleLowering, source: ts.SourceFile): void {
  for (const statement of source.statements) {
    if (!DECLARATIONS.has(statement.kind)) module.report(topLevelStatement(), statement);
    if (ts.isClassDeclaration(statement)) checkClass(module, statement);
    if (!ts.isVariableStatement(statement)) continue;
    for (const declaration of statement.declarationList.declarations) checkConstant(module, declaration);
  }
}

/** A constant must fit the type it declares. */
function checkConstant(module: ModuleLowering, { name, type, initializer }: ts.VariableDeclaration): void {
  if (type === undefined || initializer === undefined) return;
  const declared = module.types.of(name, NO_ENVIRONMENT);
  const value = module.constants.integer(initializer);
  if (declared.kind !== 'integer' || value === undefined || within(exactly(value), declared.range)) return;
  module.report(literalOutOfRange(String(value), declared.name), initializer);
}

function inPlaceOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const key = ({ location }: Diagnostic): [string, number, number] =>
    location === null ? ['', 0, 0] : [location.file, location.line, location.column];
  return [...diagnostics].sort((a, b) => {
    const [fileA, lineA, columnA] = key(a);
    const [fileB, lineB, columnB] = key(b);
    return fileA < fileB ? -1 : fileA > fileB ? 1 : lineA - lineB || columnA - columnB;
  });
}
