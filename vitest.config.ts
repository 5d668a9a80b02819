import { defineConfig } from 'vitest/config';

/** One project per layer; `npx vitest run --project cpu` runs one of them. */
const layers = ['repository', 'cpu', 'devices', 'machine', 'compiler', 'kernel', 'debugger', 'cli', 'system', 'oracle'];

export default defineConfig({
  test: {
    projects: layers.map((name) => ({
      test: { name, include: [`tests/${name}/**/*.test.ts`], testTimeout: 60_000, hookTimeout: 120_000 },
    })),
  },
});
