// Brings a fresh or changed clone up to date: installs dependencies when the lock file is newer than what is installed,
// and rebuilds dist/ when a source is newer than it. Silent unless something fails.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modifiedAt = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0);

function newestBelow(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    newest = Math.max(newest, entry.isDirectory() ? newestBelow(path) : modifiedAt(path));
  }
  return newest;
}

function installDependencies() {
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (modifiedAt(installed) >= modifiedAt(join(root, 'package-lock.json'))) return;
  try {
    execFileSync('npm', ['ci', '--silent', '--no-audit', '--no-fund'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    process.stderr.write(`verdigris: npm ci failed in ${root}: ${error.stderr ?? error.message}\n`);
    process.exit(1);
  }
}

/** Milliseconds after which nobody who started with an older build will ask for a part of it. */
const GRACE = 600_000;

/** Removes what earlier builds left in dist/. */
function removeOutdated(outputs) {
  for (const name of readdirSync(join(root, 'dist'))) {
    const file = join(root, 'dist', name);
    const isOutput = /\.js(\.map)?$/.test(name) && !outputs.has(`dist/${name}`);
    if (isOutput && Date.now() - modifiedAt(file) > GRACE) rmSync(file, { force: true });
  }
}

async function buildDist() {
  const stamp = join(root, 'dist', '.built');
  const folders = ['src', 'bin'].map((folder) => newestBelow(join(root, folder)));
  const sources = Math.max(...folders, modifiedAt(join(root, 'package-lock.json')));
  if (modifiedAt(stamp) >= sources) return;
  const { build } = await import(pathToFileURL(join(root, 'node_modules/esbuild/lib/main.js')).href);
  const options = {
    absWorkingDir: root,
    metafile: true,
    outdir: 'dist',
    bundle: true,
    platform: 'node',
    target: 'node20',
    external: ['chalk', 'commander'],
    alias: { typescript: './bin/bundled-typescript.js' },
    // TypeScript, bundled, need not be searched for exports at every start; it is not to look for the files of a Node host.
    define: { 'process.browser': 'true' },
    minifyWhitespace: true,
    logLevel: 'error',
  };
  const modules = build({
    ...options,
    entryPoints: {
      index: 'src/index.ts',
      cli: 'src/cli/main.ts',
      report: 'src/cli/report.ts',
      interpreter: 'src/cpu/interpreter/stored.ts',
    },
    splitting: true,
    format: 'esm',
    sourcemap: true,
  });
  // The compiler once more, as a script whose value is its exports: src/cli/compiler.ts says why.
  const script = build({
    ...options,
    entryPoints: { compiler: 'src/compiler/compile.ts' },
    format: 'iife',
    globalName: 'compiler',
    banner: { js: '(() => {' },
    footer: { js: 'return compiler;})()' },
  });
  const outputs = (await Promise.all([modules, script])).flatMap(({ metafile }) => Object.keys(metafile.outputs));
  removeOutdated(new Set(outputs));
  const { storeInterpreter } = await import(pathToFileURL(join(root, 'dist/interpreter.js')).href);
  writeFileSync(join(root, 'dist/interpreter.bin'), storeInterpreter());
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
}

if (existsSync(join(root, 'package-lock.json')) && existsSync(join(root, 'src'))) {
  installDependencies();
  await buildDist();
}
