import { packArchive, readArchive } from '../archive.ts';
import { type BuiltImages, buildImages, compileKernelOf, compileProgram } from '../images.ts';
import { coldProgram } from './cold-code.ts';
import type { GuestImage } from './on-machine.ts';

/** What a guest exercises, and so how fast it ought to be. */
export type GuestKind = 'compute' | 'sse2' | 'division' | 'cold' | 'system';

/** Speeds to reach, relative to QEMU's code generator. */
export const GOALS: Readonly<Record<GuestKind, number>> = { compute: 0.9, sse2: 4, division: 5, cold: 5, system: 1 };
/** The same for the geometric mean over all guests, by engine. */
export const MEAN_GOALS: Readonly<Record<string, number>> = { interpreter: 0.25, auto: 1.5, translator: 1.5 };

export interface Guest {
  readonly name: string;
  readonly kind: GuestKind;
  /** A program under our kernel, one made of machine code, or a kernel of its own. */
  readonly form: 'program' | 'machine code' | 'kernel';
}

const programs = (kind: GuestKind, ...names: readonly string[]): Guest[] =>
  names.map((name) => ({ name, kind, form: 'program' }));

export const GUESTS: readonly Guest[] = [
  ...programs('compute', 'integer-mix', 'sieve', 'sha256', 'aes', 'quicksort', 'modular-exponentiation', 'bytecode'),
  ...programs('compute', 'recursion', 'pointer-chasing', 'hash-table', 'string-search', 'matrix', 'queens'),
  ...programs('compute', 'atomics', 'rep-copy'),
  ...programs('sse2', 'n-body', 'mandelbrot', 'string-scan'),
  ...programs('division', 'division'),
  { name: 'cold-code', kind: 'cold', form: 'machine code' },
  ...programs('cold', 'self-modifying'),
  ...programs('system', 'system-calls', 'page-faults'),
  ...['page-tables', 'interrupts', 'timer-interrupts'].map((name): Guest => ({ name, kind: 'system', form: 'kernel' })),
];

/** How many functions the cold guest calls, each once. */
const COLD_FUNCTIONS = 100_000;
const PROGRAM_SOURCE = 'tests/bench/guests.ts';
const KERNEL_SOURCE = 'tests/bench/kernels.ts';

/** The benchmark's own kernels in one image. */
export function benchKernel(): Promise<Uint8Array> {
  return compileKernelOf(KERNEL_SOURCE);
}

/** Our kernel with its servers and one program more, which it starts with an argument. */
export function imageWith({ kernel, servers }: BuiltImages, name: string, data: Uint8Array, argument = ''): GuestImage {
  const initramfs = packArchive([...readArchive(servers), { name, data }]);
  return { kernel, initramfs, commandLine: `init=/${name} ${argument}` };
}

/** Makes what the guests run from, each thing once and only when it is wanted. */
export class GuestImages {
  #own: Promise<BuiltImages> | undefined;
  #benchKernel: Promise<Uint8Array> | undefined;
  #program: Promise<Uint8Array> | undefined;

  /** @param passes of a program, when not as many as its speed asks for */
  async imageOf({ name, form }: Guest, passes?: number): Promise<GuestImage> {
    if (form === 'kernel') {
      this.#benchKernel ??= benchKernel();
      return { kernel: await this.#benchKernel, commandLine: `init=${name}` };
    }
    this.#own ??= buildImages();
    return imageWith(
      await this.#own,
      'bench',
      await this.#data(form),
      passes === undefined ? name : `${name} ${passes}`,
    );
  }

  #data(form: Guest['form']): Promise<Uint8Array> | Uint8Array {
    if (form === 'machine code') return coldProgram(COLD_FUNCTIONS);
    this.#program ??= compileProgram(PROGRAM_SOURCE);
    return this.#program;
  }
}
