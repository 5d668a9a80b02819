import { transformSync } from 'esbuild';
import { expect } from 'vitest';
import { compileToIr, formatDiagnostic } from '../../../src/compiler/compile.ts';
import { Evaluator } from '../../../src/compiler/ir/evaluate.ts';
import { bitsOf, type IrModule } from '../../../src/compiler/ir/module.ts';
import { verifyModule } from '../../../src/compiler/ir/verify.ts';
import * as dialect from '../../../src/compiler/library/index.ts';
import { plug, unplug } from '../../../src/compiler/library/socket.ts';
import { sourceHost } from '../source-host.ts';
import { onMachine } from './freestanding.ts';

export type Argument = number | bigint | boolean;
/** A function's name and its arguments. */
export type Call = readonly [string, ...Argument[]];

export const MODULE = 'test/program.ts';
const HEADER =
  "import { Atomic32, Atomic64, addressOf, array, assert, bytes, constructAt, embed, Errno, err, f8, f16, f32, f64, hex, i8, i16, i32, i64, mem, mulHigh64, mulLow32, objectAt, ok, packed, panic, phys, port, printer, type Result, references, sparseTable, struct, table, type Table, type FixedArray, type InlineArray, type ViewOf, u8, u16, u32, u64, type VirtAddr, virt } from '#dialect';\n";

/** A program of the dialect: the library's names are imported. */
export const program = (text: string): string => HEADER + text;

type Exports = Record<string, (...given: Argument[]) => unknown>;

/** Runs a program in Node, against the library's own implementation. */
export function inNode(source: string): Exports {
  const { code } = transformSync(source, { loader: 'ts', format: 'cjs', target: 'node20' });
  const module: { exports: Exports } = { exports: {} };
  new Function('require', 'exports', 'module', code)(() => dialect, module.exports, module);
  return module.exports;
}

/** Compiles a program to IR; a diagnostic fails the test. */
export function toIr(source: string): IrModule {
  const { ir, diagnostics } = compileToIr({
    entry: MODULE,
    kind: 'user',
    host: sourceHost({ [MODULE]: source }),
    keepExports: true,
  });
  if (ir === null) throw new Error(diagnostics.map(formatDiagnostic).join('\n'));
  expect(verifyModule(ir)).toEqual([]);
  return ir;
}

interface Outcome {
  readonly result?: bigint | undefined;
  readonly output: string;
  readonly panicked: boolean;
}

function nodeOutcome(exports: Exports, [name, ...given]: Call, bits: number): Outcome {
  let output = '';
  plug({
    writePort: (_number, _size, value) => {
      output += String.fromCharCode(value);
    },
  });
  try {
    const value = exports[name]!(...given) as Argument | undefined;
    return { result: value === undefined ? undefined : BigInt.asUintN(bits, BigInt(value)), output, panicked: false };
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError || error instanceof ReferenceError) throw error;
    return { output, panicked: true };
  } finally {
    unplug();
  }
}

function irOutcome(ir: IrModule, [name, ...given]: Call): Outcome {
  let output = '';
  const symbol = `program.${name}`;
  const fn = ir.functions.find((candidate) => candidate.name === symbol)!;
  const registers = given.map((value, index) => {
    const { register } = fn.parameters[index]!;
    return BigInt.asUintN(bitsOf[fn.registers[register]!], BigInt(value));
  });
  const evaluator = new Evaluator(ir, {
    portOut: (_port, _bytes, value) => {
      output += String.fromCharCode(Number(value));
    },
  });
  try {
    return { result: evaluator.call(symbol, registers)[0], output, panicked: false };
  } catch (error) {
    if (!String(error).includes('unreachable')) throw error;
    return { output, panicked: true };
  }
}

const resultBits = (ir: IrModule, name: string): number => {
  const fn = ir.functions.find((candidate) => candidate.name === `program.${name}`);
  const [type] = fn?.results ?? [];
  return type === undefined ? 64 : bitsOf[type];
};

const argumentText = (value: Argument): string => (typeof value === 'bigint' ? `${value}n` : String(value));

/** The calls as the program itself writes them, each result as a u64. */
const callText = ([name, ...given]: Call): string => `u64(${name}(${given.map(argumentText).join(', ')}))`;

/** The calls that return, made one after the other in one program: in Node and as machine code. */
function agreeOnMachine(source: string, calls: readonly Call[]): void {
  const exports = inNode(source);
  const outcomes = calls.map((call) => nodeOutcome(exports, call, 64));
  const expected = {
    results: outcomes.map(({ result }) => result),
    output: outcomes.map(({ output }) => output).join(''),
  };
  expect(onMachine(source, calls.map(callText))).toEqual(expected);
}

/**
 * Each call must give the same result, output and panic in Node and from the compiled IR, where state is fresh for each
 * call; those that return must agree as machine code too, in one run.
 */
export function agree(text: string, calls: readonly Call[]): void {
  const source = program(text);
  const ir = toIr(source);
  const returning: Call[] = [];
  for (const call of calls) {
    const expected = nodeOutcome(inNode(source), call, resultBits(ir, call[0]));
    expect({ call, ...irOutcome(ir, call) }).toEqual({ call, ...expected });
    if (!expected.panicked) returning.push(call);
  }
  agreeOnMachine(source, returning);
}
