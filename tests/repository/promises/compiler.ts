import { keptBy } from './kept-by.ts';

/** src/compiler. */
export const COMPILER = [
  ...keptBy('compiler/rules/fixtures.test.ts', '', [
    ['rules have codes', 'rules > have codes of their own'],
    [
      'diagnostics say rule, fix, reason and source line',
      'says rule, place, source line, fix and reason, as tsc prints',
    ],
    ['each rule is broken by a fixture', 'rules > are each broken by a fixture'],
  ]),
  ...keptBy(
    'compiler/grammar/matrix.test.ts',
    'every production of the grammar is compiled, refused with a code, or an error of tsc',
    [
      ['the grammar matrix is complete: nodes', 'lists every kind of node'],
      ['the grammar matrix is complete: operators', 'lists every operator'],
      ['the grammar matrix is complete: literals', 'lists every literal'],
      ['each production is what the matrix says', '…: …'],
    ],
  ),
  ...keptBy('compiler/differential/random.test.ts', '', [
    [
      'generated programs do on our machine what they do in Node',
      'agrees with Node on random programs within the rules',
    ],
  ]),
  ...keptBy('compiler/differential/integers.test.ts', 'integers mean what Node says', [
    ['written programs, too', 'converts between every two types'],
  ]),
  ...keptBy('compiler/elf/image.test.ts', '', [
    [
      'ELF64 kernel with PVH note and Multiboot 1 header',
      'kernel images > carry a PVH note and a Multiboot header whose checksum is right and which cover the whole file',
    ],
    ['static ELF64 programs', 'user images > begin at 0x400000 and are static'],
    [
      'W^X segments',
      'kernel images > have no page that is both writable and executable, and no page with two permissions',
    ],
  ]),
  ...keptBy('oracle/kernel-boot.test.ts', 'kernel images', [
    ['W^X, says readelf', 'have no segment that is writable and executable, by readelf'],
  ]),
  ...keptBy('oracle/kernel-debug.test.ts', 'the kernel image', [
    ['symbols', 'has a symbol for every function, in .text, by readelf'],
    [
      'DWARF 5 of the kernel and every program is read without complaint',
      'has DWARF 5 that readelf --debug-dump reads without complaint',
    ],
  ]),
  ...keptBy('compiler/dwarf/debug-information.test.ts', 'debug information (optimize: …)', [
    ['debug lines', 'leads from every address to the line that the span named, and back'],
    ['debug functions', 'names every function with its range and line'],
    ['debug parameters', 'says where parameters are from the first instruction on'],
    ['debug locals', 'says where a local is once it is set, and its value while that is a constant'],
    ['debug classes', 'describes classes, enumerations and objects'],
  ]),
  ...keptBy('compiler/compile.test.ts', 'compile', [
    ['two compiles, same bytes', 'makes the same bytes of the same kernel, without a diagnostic'],
  ]),
  ...keptBy('oracle/gcc-pairs.test.ts', 'compiled code beside gcc -O1', [
    [
      '1.5 times gcc -O1 in size, twice in instructions',
      '…: same result, at most 1.5 times the bytes and twice the instructions',
    ],
    ['at least eight pairs', 'covers at least eight programs'],
  ]),
  ...keptBy('cli/build.test.ts', 'build', [
    ['unchanged sources are not compiled again', 'compiles nothing that has not changed'],
    ['changed sources are', 'compiles what a changed source reaches, and nothing else'],
  ]),
  ...keptBy('cli/bench.test.ts', 'the report', [
    [
      'the bench prints how long the kernel takes to compile',
      'prints how long the kernel takes to compile, and how many cases a second are answered',
    ],
  ]),
];
