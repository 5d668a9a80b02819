import { defineConfig } from 'vitest/config';

/** One project per layer; `npx vitest run --project cpu` runs one of them. */
const layers = ['repository', 'cpu', 'devices', 'machine', 'compiler', 'kernel', 'debugger', 'cli', 'system', 'oracle'];

/** Where continuous integration looks for the count of skipped tests. */
const report =
  process.env.VERDIGRIS_REQUIRE_ORACLES === '1' ? [['json', { outputFile: 'dist/tests.json' }] as const] : [];

export default defineConfig({
  test: {
    reporters: ['default', ...report],
    projects: layers.map((name) => ({
      test: { name, include: [`tests/${name}/**/*.test.ts`], testTimeout: 60_000, hookTimeout: 120_000 },
    })),
  },
});
