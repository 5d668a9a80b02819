import ts from 'typescript';
import { Constants, unwrapped } from '../frontend/constants.ts';
import { broken, type Diagnostic, type Rule } from '../frontend/diagnostics.ts';
import { Layouts } from '../frontend/layout.ts';
import { isLibraryFile, type Program } from '../frontend/program.ts';
import { identityOf } from '../frontend/type-names.ts';
import { NO_ENVIRONMENT, type ObjectType, type TypeEnvironment, TypeResolver } from '../frontend/types.ts';
import { createModule } from '../ir/builder.ts';
import type { IrFunction, IrModule, Span } from '../ir/module.ts';
import { wrapperShape } from '../rules/syntax.ts';
import { DebugTypes } from './debug-types.ts';
import { type Instance, lowerInstance } from './instances.ts';
import { instanceSuffix, localName, moduleName } from './names.ts';
import { isFunctionExpression, Panics } from './panics.ts';
import { Storage } from './storage.ts';
import { Strings, stringEqualityFunction } from './strings.ts';
import type { Callable, Value } from './values.ts';

/** A call of one of the dialect's function wrappers at module level. */
export interface Wrapper {
  readonly name: string;
  readonly call: ts.CallExpression;
  readonly body: ts.ArrowFunction | ts.FunctionExpression;
}

const WRAPPERS = new Set(['isr', 'isrWithCode', 'naked', 'entry', 'panicHandler']);

/** The state of lowering one program: what is asked for is lowered, nothing else is emitted. */
export class ModuleLowering {
  readonly ir: IrModule;
  readonly checker: ts.TypeChecker;
  readonly constants: Constants;
  readonly types: TypeResolver;
  readonly layouts: Layouts;
  readonly strings: Strings;
  readonly storage: Storage;
  readonly panics: Panics;
  readonly debugTypes: DebugTypes;
  readonly diagnostics: Diagnostic[] = [];
  readonly #program: Program;
  readonly #root: string;
  readonly #instances = new Map<string, Instance>();
  /** the symbols of what has no type parameters: most of what is asked for, again and again */
  readonly #plain = new Map<ts.Node, string>();
  readonly #queue: Instance[] = [];
  readonly #symbols = new Map<string, string>();
  readonly #files = new Map<ts.SourceFile, number>();
  readonly #lowered = new Set<ts.Node>();
  #wrappers: readonly Wrapper[] | null = null;
  #stringEquality: string | null = null;
  #reported = new Set<string>();

  constructor(program: Program, entry: string, kind: 'kernel' | 'user') {
    this.#program = program;
    this.#root = entry.slice(0, entry.lastIndexOf('/') + 1);
    this.ir = createModule(entry, kind, '');
    this.checker = program.checker;
    this.constants = new Constants(program.checker);
    this.types = new TypeResolver(program.checker);
    const add = (diagnostic: Diagnostic): void => this.#add(diagnostic);
    this.layouts = new Layouts(program.checker, this.types, this.constants, add);
    this.strings = new Strings(this.ir.data, add);
    this.debugTypes = new DebugTypes(this.ir.types, this.layouts, this.constants, (node) => this.spanOf(node));
    this.storage = new Storage(this);
    this.panics = new Panics(this);
  }

  report(rule: Rule, node: ts.Node): void {
    this.#add(broken(rule, node));
  }

  /** A generic function may break the same rule at the same place once for each instance: it is said once. */
  #add(diagnostic: Diagnostic): void {
    const { code, message, location } = diagnostic;
    const key = `${code} ${location?.file}:${location?.line}:${location?.column} ${message}`;
    if (this.#reported.has(key)) return;
    this.#reported.add(key);
    this.diagnostics.push(diagnostic);
  }

  addFunction(fn: IrFunction): void {
    this.ir.functions.push(fn);
  }

  displayPath(file: ts.SourceFile): string {
    return file.fileName;
  }

  spanOf(node: ts.Node): Span {
    const file = node.getSourceFile();
    const start = node.getStart(file);
    const { line, character } = file.getLineAndCharacterOfPosition(start);
    return { file: this.#fileIndex(file), line: line + 1, column: character + 1, length: node.end - start };
  }

  #fileIndex(file: ts.SourceFile): number {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    const index = this.ir.files.push(file.fileName) - 1;
    this.#files.set(file, index);
    return index;
  }

  // Functions ----------------------------------------------------------------------------------------------------------

  /** The function that an expression names or is, undefined when it is none. */
  functionValue(node: ts.Expression): (Value & { kind: 'function' }) | undefined {
    const callable = this.#callable(unwrapped(node));
    if (callable === undefined) return undefined;
    return {
      kind: 'function',
      node: callable,
      environment: NO_ENVIRONMENT,
      type: this.types.of(callable, NO_ENVIRONMENT),
    };
  }

  #callable(node: ts.Expression): Callable | undefined {
    if (ts.isPropertyAccessExpression(node)) return this.#member(node);
    if (isFunctionExpression(node)) return node;
    if (!ts.isIdentifier(node)) return undefined;
    const symbol = this.constants.symbolOf(node);
    const declaration = symbol?.valueDeclaration;
    if (declaration === undefined || isLibraryFile(declaration.getSourceFile())) return undefined;
    if (ts.isFunctionDeclaration(declaration)) return declaration;
    const initialiser = this.constants.initialiserOf(node);
    if (initialiser === undefined || !isModuleLevel(declaration)) return undefined;
    const body = this.functionBody(unwrapped(initialiser));
    if (body !== undefined) return body;
    return ts.isIdentifier(initialiser) ? this.#callable(initialiser) : undefined;
  }

  /** `namespace.function`, `import * as module` members, and functions in constant objects. */
  #member(node: ts.PropertyAccessExpression): Callable | undefined {
    const declaration = this.constants.symbolOf(node.name)?.valueDeclaration;
    if (declaration !== undefined && ts.isFunctionDeclaration(declaration)) return declaration;
    if (declaration !== undefined && ts.isVariableDeclaration(declaration) && declaration.initializer) {
      return this.functionBody(unwrapped(declaration.initializer));
    }
    const member = this.constants.memberOf(node);
    return member === undefined
      ? undefined
      : (this.functionBody(unwrapped(member)) ?? this.#callable(unwrapped(member)));
  }

  /** The function written in an initialiser, inside a wrapper or not. */
  functionBody(node: ts.Expression): ts.ArrowFunction | ts.FunctionExpression | undefined {
    if (isFunctionExpression(node)) return node;
    if (!ts.isCallExpression(node)) return undefined;
    const name = this.constants.libraryName(node.expression);
    if (name === undefined || !WRAPPERS.has(name)) return undefined;
    const [body] = node.arguments;
    if (body !== undefined && isFunctionExpression(body)) return body;
    this.report(wrapperShape(name), node);
    return undefined;
  }

  /** `Class.method` of a static method. */
  staticMethod(node: ts.PropertyAccessExpression): { node: Callable; environment: TypeEnvironment } | undefined {
    const declaration = this.constants.symbolOf(node.name)?.valueDeclaration;
    if (declaration === undefined) return undefined;
    const fromModule = ts.isFunctionDeclaration(declaration) && !isLibraryFile(declaration.getSourceFile());
    if (fromModule) return { node: declaration, environment: NO_ENVIRONMENT };
    if (!ts.isMethodDeclaration(declaration)) return undefined;
    const isStatic = declaration.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.StaticKeyword);
    return isStatic ? { node: declaration, environment: NO_ENVIRONMENT } : undefined;
  }

  method(type: ObjectType, name: string): ts.MethodDeclaration | undefined {
    return type.declaration.members.find(
      (member): member is ts.MethodDeclaration => ts.isMethodDeclaration(member) && member.name.getText() === name,
    );
  }

  /** What the type parameters of a called function stand for. */
  environmentOfCall(
    node: ts.CallExpression,
    declaration: Callable,
    outer: TypeEnvironment,
    caller: TypeEnvironment,
  ): TypeEnvironment {
    const parameters = declaration.typeParameters ?? [];
    if (parameters.length === 0) return outer;
    const signature = this.checker.getResolvedSignature(node);
    const checker = this.checker as ts.TypeChecker & {
      getTypeArgumentsForResolvedSignature(signature: ts.Signature): readonly ts.Type[] | undefined;
    };
    const inferred = signature === undefined ? [] : (checker.getTypeArgumentsForResolvedSignature(signature) ?? []);
    const map = new Map(outer.parameters);
    parameters.forEach((parameter, index) => {
      const symbol = this.checker.getSymbolAtLocation(parameter.name);
      const type = inferred[index];
      if (symbol !== undefined && type !== undefined) map.set(symbol, this.types.resolve(type, caller));
    });
    return { parameters: map, self: outer.self };
  }

  /** The symbol of a function's code, which will be lowered. */
  requestFunction(node: Callable, environment: TypeEnvironment = NO_ENVIRONMENT): string {
    return this.#request({ kind: 'function', node, environment });
  }

  /** The symbol of a class's initialiser: what `constructAt` runs. */
  requestInitialiser(type: ObjectType): string {
    return this.#request({
      kind: 'initialiser',
      node: type.declaration,
      environment: this.layouts.environmentOf(type),
    });
  }

  #request(wanted: Omit<Instance, 'symbol' | 'displayName' | 'live'>): string {
    const { node, environment } = wanted;
    if (environment.parameters.size > 0) return this.#instantiate(wanted);
    let symbol = this.#plain.get(node);
    if (symbol === undefined) {
      symbol = this.#instantiate(wanted);
      this.#plain.set(node, symbol);
    }
    return symbol;
  }

  #instantiate(wanted: Omit<Instance, 'symbol' | 'displayName' | 'live'>): string {
    const { node, environment, kind } = wanted;
    const types = [...environment.parameters.values()].map(identityOf).join();
    const key = `${kind} ${node.getSourceFile().fileName}:${node.pos}<${types}>`;
    const known = this.#instances.get(key);
    if (known !== undefined) return known.symbol;
    const displayName = this.#displayName(wanted);
    const symbol = this.symbolFor(node, displayName, key);
    const instance: Instance = { ...wanted, displayName, symbol };
    this.#instances.set(key, instance);
    this.#queue.push(instance);
    return symbol;
  }

  #displayName({ kind, node, environment }: Pick<Instance, 'kind' | 'node' | 'environment'>): string {
    const suffix = instanceSuffix(environment);
    if (kind === 'initialiser') return `${(node as ts.ClassDeclaration).name?.text ?? 'class'}${suffix}.construct`;
    const owner = node.parent;
    if (ts.isClassDeclaration(owner)) return `${owner.name?.text ?? 'class'}${suffix}.${localName(node)}`;
    return localName(node) + suffix;
  }

  /** A symbol name that nothing else in the program has. */
  symbolFor(node: ts.Node, name: string, key: string): string {
    const wanted = `${moduleName(node.getSourceFile().fileName, this.#root)}.${name}`.replaceAll(/[^\w.$]/g, '_');
    for (let count = 1; ; count++) {
      const symbol = count === 1 ? wanted : `${wanted}.${count}`;
      const owner = this.#symbols.get(symbol);
      if (owner !== undefined && owner !== key) continue;
      this.#symbols.set(symbol, key);
      return symbol;
    }
  }

  stringEquality(): string {
    if (this.#stringEquality === null) {
      this.#stringEquality = 'string.equal';
      this.addFunction(stringEqualityFunction(this.#stringEquality));
    }
    return this.#stringEquality;
  }

  /** Lowers everything that was asked for, and what that asks for. */
  drain(): void {
    for (let instance = this.#queue.shift(); instance !== undefined; instance = this.#queue.shift()) {
      this.#lowered.add(instance.node);
      this.addFunction(lowerInstance(this, instance));
    }
  }

  /** Lowers, without emitting them, the functions that nothing asked for: their mistakes are reported all the same. */
  checkUnused(): void {
    const { functions, data } = this.ir;
    const kept = { functions: functions.length, data: data.length };
    for (const source of this.#program.sources) {
      for (const node of unusedIn(source, this.#lowered, (call) => this.functionBody(call))) {
        const method = ts.isMethodDeclaration(node) ? node.parent : undefined;
        if (method !== undefined && !ts.isClassDeclaration(method)) continue;
        const self: ObjectType | null = method ? { kind: 'object', declaration: method, typeArguments: [] } : null;
        this.requestFunction(node, self === null ? NO_ENVIRONMENT : this.layouts.environmentOf(self));
      }
    }
    this.drain();
    functions.length = kept.functions;
    data.length = kept.data;
  }

  // The program ----------------------------------------------------------------------------------------------------------

  /** Every function wrapper at module level, in program order. */
  wrappers(): readonly Wrapper[] {
    if (this.#wrappers !== null) return this.#wrappers;
    const found: Wrapper[] = [];
    for (const source of this.#program.sources) {
      for (const { initializer } of moduleVariables(source)) {
        const call = initializer && unwrapped(initializer);
        if (call === undefined || !ts.isCallExpression(call)) continue;
        const name = this.constants.libraryName(call.expression);
        const body = name !== undefined && WRAPPERS.has(name) ? this.functionBody(call) : undefined;
        if (body !== undefined) found.push({ name: name!, call, body });
      }
    }
    this.#wrappers = found;
    return found;
  }

  /** The wrapper around a function, if any. */
  wrapperOf(node: ts.Node): string | undefined {
    const call = node.parent;
    if (!ts.isCallExpression(call) || call.arguments[0] !== node) return undefined;
    const name = this.constants.libraryName(call.expression);
    return name !== undefined && WRAPPERS.has(name) ? name : undefined;
  }
}

export function moduleVariables(source: ts.SourceFile): ts.VariableDeclaration[] {
  return source.statements
    .filter(ts.isVariableStatement)
    .flatMap((statement) => [...statement.declarationList.declarations]);
}

export const isModuleLevel = (declaration: ts.Node): boolean =>
  ts.isVariableDeclaration(declaration) && ts.isSourceFile(declaration.parent.parent.parent);

/** Functions and methods, not generic, that were not lowered yet. */
function unusedIn(
  source: ts.SourceFile,
  lowered: ReadonlySet<ts.Node>,
  bodyOf: (call: ts.Expression) => ts.ArrowFunction | ts.FunctionExpression | undefined,
): Callable[] {
  const found: Callable[] = [];
  const note = (node: Callable | undefined): void => {
    if (node?.body === undefined || node.typeParameters !== undefined || lowered.has(node)) return;
    if (!takesFunction(node)) found.push(node);
  };
  for (const statement of source.statements) {
    if (ts.isFunctionDeclaration(statement)) note(statement);
    if (ts.isClassDeclaration(statement) && statement.typeParameters === undefined) {
      for (const member of statement.members) if (ts.isMethodDeclaration(member)) note(member);
    }
  }
  for (const { initializer } of moduleVariables(source)) {
    if (initializer !== undefined) note(bodyOf(unwrapped(initializer)));
  }
  return found;
}

/** A function with function parameters may only exist in expansions. */
const takesFunction = (node: Callable): boolean =>
  node.parameters.some(({ type }) => type !== undefined && ts.isFunctionTypeNode(type));
