import ts from 'typescript';
import { type Diagnostic, locate } from './diagnostics.ts';
import { joined, LIBRARY, LIBRARY_FOLDER, STANDARD_LIBRARY } from './paths.ts';

/** How the compiler reads files. Paths are relative to the repository's root, with forward slashes. */
export interface SourceHost {
  /** The file's text, undefined when there is none. */
  readFile(path: string): string | undefined;
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  strict: true,
  noLib: true,
  types: [],
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noFallthroughCasesInSwitch: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  allowImportingTsExtensions: true,
  noEmit: true,
};

/** A program of the dialect, parsed and bound; checked on demand. */
export interface Program {
  readonly checker: ts.TypeChecker;
  /** The program's own modules, dependencies first, the entry last. */
  readonly sources: readonly ts.SourceFile[];
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was read, library included, in path order: what the cache key covers. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
}

/** What each host's files have been parsed to: programs that share files share the work, of binding names too. */
const parsed = new WeakMap<SourceHost, Map<string, ts.SourceFile>>();

function parse(host: SourceHost, path: string, text: string, language: ts.CreateSourceFileOptions): ts.SourceFile {
  let files = parsed.get(host);
  if (files === undefined) {
    files = new Map();
    parsed.set(host, files);
  }
  const known = files.get(path);
  if (known?.text === text) return known;
  const file = ts.createSourceFile(path, text, language);
  files.set(path, file);
  return file;
}

/** Parses and type-checks the program that starts at `entry`. The library's own bodies are not checked again. */
export function createProgram(entry: string, host: SourceHost): Program {
  const files = new Map<string, string | undefined>();
  const read = (path: string): string | undefined => {
    const known = files.get(path);
    if (known !== undefined || files.has(path)) return known;
    const text = host.readFile(path);
    files.set(path, text);
    return text;
  };
  const program = ts.createProgram({
    rootNames: [STANDARD_LIBRARY, LIBRARY, entry],
    options,
    host: compilerHost(read, (path, text, language) => parse(host, path, text, withoutComments(language))),
  });
  const checker = program.getTypeChecker();
  const sources = inDependencyOrder(program, entry);
  const found = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...sources.flatMap((source) => [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ]),
  ];
  return {
    checker,
    sources,
    diagnostics: found.map(fromTypeScript),
    files: [...files]
      .flatMap(([path, text]) => (text === undefined ? [] : [{ path, text }]))
      .sort((a, b) => (a.path < b.path ? -1 : 1)),
  };
}

/** Whether a declaration belongs to the dialect's library. */
export const isLibraryFile = (file: ts.SourceFile): boolean => file.fileName.startsWith(LIBRARY_FOLDER);

/** Documentation comments mean nothing to the compiler, and parsing them costs a tenth of the parse. */
function withoutComments(language: ts.ScriptTarget | ts.CreateSourceFileOptions): ts.CreateSourceFileOptions {
  const options = typeof language === 'object' ? language : { languageVersion: language };
  return { ...options, jsDocParsingMode: ts.JSDocParsingMode.ParseNone };
}

function compilerHost(
  read: (path: string) => string | undefined,
  parse: (path: string, text: string, language: ts.ScriptTarget | ts.CreateSourceFileOptions) => ts.SourceFile,
): ts.CompilerHost {
  return {
    fileExists: (path) => read(path) !== undefined,
    readFile: read,
    jsDocParsingMode: ts.JSDocParsingMode.ParseNone,
    getSourceFile(path, language) {
      const text = read(path);
      return text === undefined ? undefined : parse(path, text, language);
    },
    getDefaultLibFileName: () => STANDARD_LIBRARY,
    getCurrentDirectory: () => '',
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
    writeFile: () => {},
    resolveModuleNameLiterals: (literals, importer) =>
      literals.map(({ text }) => {
        const path = text === '#dialect' ? LIBRARY : joined(importer, text);
        if (read(path) === undefined) return { resolvedModule: undefined };
        return { resolvedModule: { resolvedFileName: path, extension: ts.Extension.Ts } };
      }),
  };
}

function inDependencyOrder(program: ts.Program, entry: string): ts.SourceFile[] {
  const order: ts.SourceFile[] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const file = program.getSourceFile(path);
    if (file === undefined || isLibraryFile(file)) return;
    for (const statement of file.statements) {
      if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
      const { moduleSpecifier } = statement;
      if (moduleSpecifier && ts.isStringLiteral(moduleSpecifier)) visit(joined(path, moduleSpecifier.text));
    }
    order.push(file);
  };
  visit(entry);
  return order;
}

function fromTypeScript(found: ts.Diagnostic): Diagnostic {
  const message = ts.flattenDiagnosticMessageText(found.messageText, '\n');
  const location = found.file && found.start !== undefined ? locate(found.file, found.start, found.length ?? 1) : null;
  return { code: `TS${found.code}`, message, location };
}
