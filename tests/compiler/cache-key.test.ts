import { expect, it } from 'vitest';
import { cacheKey, reachable } from '../../src/compiler/cache-key.ts';
import { sourceHost } from './source-host.ts';

const files = {
  'test/main.ts': "import { value } from './parts/value.ts';\nimport './side.ts';\n",
  'test/parts/value.ts': "export { value } from '../deep.ts';\n",
  'test/deep.ts': 'export const value = 1;\n',
  'test/side.ts': '',
  'test/unrelated.ts': '',
};
const key = (changed: Readonly<Record<string, string>> = {}, compiler = 'one'): string =>
  cacheKey({ entry: 'test/main.ts', kind: 'user', host: sourceHost({ ...files, ...changed }), compiler });

it('covers every source that the entry reaches, the library included, and nothing else', () => {
  const paths = reachable('test/main.ts', sourceHost(files)).map(([path]) => path);
  expect(paths).toEqual(expect.arrayContaining(['test/deep.ts', 'test/side.ts', 'src/compiler/library/integers.ts']));
  expect(paths).toContain('src/kernel/kernel.lib.d.ts');
  expect(paths).not.toContain('test/unrelated.ts');
});

it('changes with any of them and with the compiler, and only then', () => {
  expect(key()).toBe(key());
  expect(key({ 'test/unrelated.ts': 'x' })).toBe(key());
  expect(key({ 'test/deep.ts': 'export const value = 2;\n' })).not.toBe(key());
  expect(key({ 'test/side.ts': '\n' })).not.toBe(key());
  expect(key({}, 'two')).not.toBe(key());
});
