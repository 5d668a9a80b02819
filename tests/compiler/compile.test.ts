import { describe, expect, it } from 'vitest';
import { compile, compileToIr, formatDiagnostic } from '../../src/compiler/compile.ts';
import { sourceHost } from './source-host.ts';

const kernel = { entry: 'src/kernel/main.ts', kind: 'kernel', host: sourceHost() } as const;

describe('compile', () => {
  it('makes the same bytes of the same kernel, without a diagnostic', () => {
    const first = compile(kernel);
    expect(first.diagnostics.map(formatDiagnostic)).toEqual([]);
    expect(Buffer.from(first.image!).equals(Buffer.from(compile(kernel).image!))).toBe(true);
  });

  it('accepts the sample of the whole dialect', () => {
    const entry = 'tests/compiler/dialect/samples/kernel-like.ts';
    const { diagnostics } = compileToIr({ entry, kind: 'user', host: sourceHost(), keepExports: true });
    expect(diagnostics.map(formatDiagnostic)).toEqual([]);
  });

  it('emits what the entry point reaches and nothing else, and checks the rest', () => {
    const text = `import { entry, syscall, u32, u64 } from '#dialect';
const unused = 7;
let counter: u32 = 0;
function used(a: u64): u64 { return u64(a + 1n); }
export function dead(): u32 { counter = 1; return counter; }
export const main = entry((stack) => { syscall(60n, used(stack)); });
`;
    const { ir } = compileToIr({ entry: 'test/main.ts', kind: 'user', host: sourceHost({ 'test/main.ts': text }) });
    expect(ir?.functions.map(({ name }) => name)).toEqual(['main.main', 'main.used']);
    expect(ir?.data).toEqual([]);
    const wrong = text.replace('counter = 1', 'counter = counter + 1');
    const { diagnostics } = compileToIr({
      entry: 'test/main.ts',
      kind: 'user',
      host: sourceHost({ 'test/main.ts': wrong }),
    });
    expect(diagnostics.map(({ code, location }) => `${code} ${location?.line}`)).toEqual(['VG1001 5']);
  });

  it('proves away the bounds checks that ranges make needless', () => {
    const text = `import { array, type u32, u32 as word } from '#dialect';
const list = array(word, 8);
export function loop(): u32 { let sum: u32 = 0; for (let i: u32 = 0; i < 8; i++) sum = word(sum + list[i]!); return sum; }
export function masked(i: u32): u32 { return list[i & 7]!; }
export function guarded(i: u32): u32 { if (i >= list.length) return 0; return list[i]!; }
export function twice(i: u32): u32 { return word(list[i]! + list[i]!); }
`;
    const host = sourceHost({ 'test/main.ts': text });
    const { ir } = compileToIr({ entry: 'test/main.ts', kind: 'user', host, keepExports: true });
    const checks = ir!.functions.map(({ name, blocks }) => `${name} ${blocks.filter(({ cold }) => cold).length}`);
    expect(checks).toEqual(['main.loop 0', 'main.masked 0', 'main.guarded 0', 'main.twice 1']);
  });
});
