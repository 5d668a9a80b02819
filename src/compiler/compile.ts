import type { Diagnostic } from './frontend/diagnostics.ts';
import { createProgram, type Program, type SourceHost } from './frontend/program.ts';
import type { IrModule } from './ir/module.ts';
import { emit, type ImageMap } from './link/emit.ts';
import { lowerProgram } from './lower/program.ts';

export { type Diagnostic, formatDiagnostic } from './frontend/diagnostics.ts';
export type { SourceHost } from './frontend/program.ts';

export interface CompileRequest {
  /** The entry module, relative to the host's root. */
  readonly entry: string;
  readonly kind: 'kernel' | 'user';
  readonly host: SourceHost;
  /** default true */
  readonly optimize?: boolean;
}

export interface CompileResult {
  /** The ELF64 image; null when there are diagnostics. */
  readonly image: Uint8Array | null;
  readonly map: ImageMap | null;
  /** tsc's first; the dialect's only when tsc has none. */
  readonly diagnostics: readonly Diagnostic[];
  /** What the image was made from, in path order. */
  readonly sources: readonly { readonly path: string; readonly text: string }[];
}

/** Compiles a program of the dialect to an ELF64 image. The same sources give the same bytes. */
export function compile(request: CompileRequest): CompileResult {
  const { ir, diagnostics, program } = compileToIr(request);
  const sources = program.files;
  if (ir === null) return { image: null, map: null, diagnostics, sources };
  const { image, map } = emit(ir, { optimize: request.optimize ?? true });
  return { image, map, diagnostics, sources };
}

export interface IrResult {
  readonly ir: IrModule | null;
  readonly diagnostics: readonly Diagnostic[];
  readonly program: Program;
}

/** The front end alone: checks and lowers. With `keepExports`, every exported function of the entry module is emitted. */
export function compileToIr(
  request: Pick<CompileRequest, 'entry' | 'kind' | 'host'> & { readonly keepExports?: boolean },
): IrResult {
  const program = createProgram(request.entry, request.host);
  if (program.diagnostics.length > 0) return { ir: null, diagnostics: program.diagnostics, program };
  const { ir, diagnostics } = lowerProgram(program, request.entry, request.kind, request.keepExports ?? false);
  return { ir: diagnostics.length > 0 ? null : ir, diagnostics, program };
}
