/** The guests that only compute: they call no kernel, and run under ours or as part of one. */
import type { u32 } from '#dialect';
import { aes } from './guests/aes.ts';
import { atomics } from './guests/atomics.ts';
import { bytecode } from './guests/bytecode.ts';
import { division } from './guests/division.ts';
import { hashTable } from './guests/hash-table.ts';
import { integerMix } from './guests/integer-mix.ts';
import { mandelbrot } from './guests/mandelbrot.ts';
import { matrix } from './guests/matrix.ts';
import { modularExponentiation } from './guests/modular-exponentiation.ts';
import { nBody } from './guests/n-body.ts';
import { pointerChasing } from './guests/pointer-chasing.ts';
import { queens } from './guests/queens.ts';
import { quicksort } from './guests/quicksort.ts';
import { recursion } from './guests/recursion.ts';
import { repCopy } from './guests/rep-copy.ts';
import { sha256 } from './guests/sha256.ts';
import { sieve } from './guests/sieve.ts';
import { stringScan } from './guests/string-scan.ts';
import { stringSearch } from './guests/string-search.ts';

/** @param visit told each guest's name, the passes that take QEMU's code generator half a second or more, and its work */
export function forEachComputeGuest(visit: (name: string, passes: u32, work: () => u32) => void): void {
  visit('integer-mix', 12, integerMix);
  visit('sieve', 6, sieve);
  visit('sha256', 12, sha256);
  visit('aes', 10, aes);
  visit('quicksort', 3, quicksort);
  visit('modular-exponentiation', 5, modularExponentiation);
  visit('bytecode', 3, bytecode);
  visit('recursion', 4, recursion);
  visit('pointer-chasing', 3, pointerChasing);
  visit('hash-table', 3, hashTable);
  visit('string-search', 4, stringSearch);
  visit('matrix', 15, matrix);
  visit('queens', 20, queens);
  visit('atomics', 20, atomics);
  visit('rep-copy', 60, repCopy);
  visit('n-body', 6, nBody);
  visit('mandelbrot', 15, mandelbrot);
  visit('string-scan', 25, stringScan);
  visit('division', 1, division);
}
