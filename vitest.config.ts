import { defineConfig } from 'vitest/config';

/** One project per layer; `npx vitest run --project cpu` runs one of them. */
const layers = [
  'repository',
  'cpu',
  'devices',
  'machine',
  'compiler',
  'kernel',
  'user',
  'debugger',
  'cli',
  'system',
  'oracle',
];

/** Layers whose tests boot what is in images/. */
const bootsImages = ['repository', 'debugger', 'cli'];

/** Where continuous integration looks for the count of skipped tests. */
const reporters: [string, Record<string, unknown>][] = [['default', {}]];
if (process.env.VERDIGRIS_REQUIRE_ORACLES === '1') reporters.push(['json', { outputFile: 'dist/tests.json' }]);

export default defineConfig({
  test: {
    reporters,
    maxWorkers: '100%',
    projects: layers.map((name) => ({
      test: {
        globalSetup: bootsImages.includes(name) ? ['tests/cli/build-images.ts'] : [],
        name,
        include: [`tests/${name}/**/*.test.ts`],
        testTimeout: 60_000,
        hookTimeout: 120_000,
      },
    })),
  },
});
