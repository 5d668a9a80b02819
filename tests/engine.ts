import { inject } from 'vitest';
import type { Engine } from '../src/cpu/cpu.ts';
import type { TranslatorOptions } from '../src/cpu/translator/translator.ts';

/** How instructions are executed, where a test leaves it open. */
export interface EngineSetting {
  readonly engine?: Engine;
  readonly translator?: Partial<TranslatorOptions>;
}

declare module 'vitest' {
  export interface ProvidedContext {
    engine: EngineSetting;
  }
}

/**
 * The setting that vitest.config.ts gives the project: tests spread it into the options of every processor and machine that they make,
 * so that they run on each engine.
 */
export const ENGINE = inject('engine');
