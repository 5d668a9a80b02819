/** Random numbers. The machine has no source of entropy: they are the same in every run. */
import type { u64 } from '#dialect';
import { SplitMix64 } from '../abi/split-mix.ts';

const generator = new SplitMix64();

export function random64(): u64 {
  return generator.draw();
}
