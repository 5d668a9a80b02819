import { keptBy } from './kept-by.ts';

/** The repository itself: installing, testing, packaging, reading. */
export const REPOSITORY = [
  ...keptBy('cli/start.test.ts', '', [
    [
      '`npm start` alone boots the kernel',
      'npm start boots the kernel, runs its programs and ends with the status of init',
    ],
  ]),
  ...keptBy('repository/prepare.test.ts', 'npm scripts', [
    [
      'dependencies are installed when they are missing or stale, quietly',
      'install dependencies when there are none and when the lock file is newer, and say nothing',
    ],
    ['a failing installation is told in one sentence', 'say in one sentence why an installation failed'],
  ]),
  ...keptBy('repository/package.test.ts', '', [
    ['Node 20.19 and npm are all it needs', 'package.json > needs Node 20.19, and asks for nothing else'],
    [
      '`npm test` runs types, lint, format and every layer of tests',
      'package.json > runs types, lint, format and every layer of tests by npm test',
    ],
    [
      '`npm start`, `npm test` and `npm run bench` bring the clone up to date themselves',
      'package.json > installs and builds by pre-scripts of start, test and bench',
    ],
    [
      'the package has the command verdigris',
      'package.json > has the bin verdigris, and exports with types that the build makes',
    ],
    ['boot, Machine and compile are an API', 'the API > offers boot, Machine and compile'],
    ['the API compiles and boots', 'the API > compiles a program, and boots an image until it has printed something'],
    ['the README has a row for each verb', 'the README > lists every verb of the command line'],
    ['the README names every option of boot, trace and exec', 'the README > names every option of every verb'],
    ['the README shows what the boot really prints', 'the README > shows the boot as it is'],
    [
      'the README leads through the source, and says how to add things',
      'the README > tells the reading order, and how to add a device, an instruction, a system call and a program',
    ],
    ['what the README names exists', 'the README > names only files that exist'],
  ]),
  ...keptBy('repository/browser.test.ts', '', [
    ['the API needs nothing of Node', 'the API boots, types and compiles where there is nothing of Node'],
  ]),
  ...keptBy('repository/packed.test.ts', 'the packed package', [
    ['types come with the API', 'has types that check a consumer, and refuse a wrong one'],
    [
      'the installed package boots from a program and from the command line',
      'boots from a program and from the command line',
    ],
    [
      'the package has images, sources and nothing of the tests',
      'has the command, the API, images and sources, and no tests',
    ],
  ]),
  ...keptBy('repository/integration.test.ts', 'continuous integration', [
    ['.ci/run installs every oracle', '.ci/run installs the package of every tool that a test may want'],
    ['.ci/run fails when a test was skipped', '.ci/none-skipped.js fails for a skipped test, and for none at all'],
  ]),
  ...keptBy('repository/imports.test.ts', 'imports run one way', [
    ['only src/cli uses Node', 'only src/cli uses Node'],
  ]),
  ...keptBy('repository/source-lines.test.ts', '', [
    [
      '`npm run report` prints the source by folder',
      'npm run report > prints lines of code and comments apart, by folder, and what the kernel has',
    ],
    [
      'the kernel stays below 15,000 lines',
      'the kernel > has fewer than 15,000 lines of code, boot data and programs not counted',
    ],
  ]),
];
