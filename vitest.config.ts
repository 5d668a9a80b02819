import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import type { EngineSetting } from './tests/engine.ts';
import { ENGINE_PROJECTS } from './tests/engine-projects.ts';

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

/** @param engine without one, each test file gets a process of its own */
function project(name: string, include: readonly string[], engine?: EngineSetting): TestProjectConfiguration {
  const needsImages = include.some((path) => bootsImages.some((layer) => path.startsWith(`tests/${layer}/`)));
  return {
    test: {
      globalSetup: needsImages ? ['tests/cli/build-images.ts'] : [],
      name,
      include: [...include],
      provide: { engine: engine ?? {} },
      isolate: engine === undefined,
      testTimeout: 60_000,
      hookTimeout: 120_000,
    },
  };
}

/** Where continuous integration looks for the count of skipped tests. */
const reporters: [string, Record<string, unknown>][] = [['default', {}]];
if (process.env.VERDIGRIS_REQUIRE_ORACLES === '1') reporters.push(['json', { outputFile: 'dist/tests.json' }]);

export default defineConfig({
  test: {
    reporters,
    maxWorkers: '100%',
    projects: [
      ...layers.map((layer) => project(layer, [`tests/${layer}/**/*.test.ts`])),
      ...ENGINE_PROJECTS.map(({ name, files, engine }) => project(name, files, engine)),
    ],
  },
});
