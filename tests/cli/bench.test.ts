import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { coldProgram } from '../../src/cli/bench/cold-code.ts';
import { GuestTimer } from '../../src/cli/bench/guest-timer.ts';
import { GUESTS, GuestImages, imageWith } from '../../src/cli/bench/guests.ts';
import { countInstructions, readCounts } from '../../src/cli/bench/instruction-counts.ts';
import { type GuestImage, runOnMachine } from '../../src/cli/bench/on-machine.ts';
import { plotBench } from '../../src/cli/bench/plot.ts';
import { profileGuest } from '../../src/cli/bench/profile.ts';
import { PLOT_FILE, REPORT_FILE, withReport } from '../../src/cli/bench/readme.ts';
import { type BenchReport, type GuestResult, meanRatio } from '../../src/cli/bench/report.ts';
import { formatBench } from '../../src/cli/bench/terminal.ts';
import { buildImages } from '../../src/cli/images.ts';
import { forEachComputeGuest } from '../bench/compute.ts';
import { block, encrypt, prepare } from '../bench/guests/aes.ts';
import { queens } from '../bench/guests/queens.ts';
import { verdigris } from './verdigris.ts';

const root = resolve(import.meta.dirname, '../..');

function feed(timer: GuestTimer, text: string): void {
  for (const byte of new TextEncoder().encode(text)) timer.byte(byte);
}

describe('the timer of a guest', () => {
  it('takes the time between begin and end, and reads the checksum', () => {
    let now = 1;
    const timer = new GuestTimer(() => now);
    feed(timer, 'booting\nbegin\r\n');
    now = 3.5;
    feed(timer, 'end 42');
    expect(timer.run).toBeUndefined();
    feed(timer, '\n');
    now = 9;
    expect(timer.run).toEqual({ checksum: '42', seconds: 2.5 });
  });

  it('knows no run of a guest that began nothing', () => {
    const timer = new GuestTimer(() => 0);
    feed(timer, 'end 42\n');
    expect(timer.run).toBeUndefined();
  });
});

describe('guests', { timeout: 180_000 }, () => {
  const images = new GuestImages();
  const imageOf = (wanted: string) => images.imageOf(GUESTS.find(({ name }) => name === wanted)!, 1);
  let coldImage: GuestImage;
  let queensInNode: string;
  beforeAll(async () => {
    queensInNode = String(queens());
    coldImage = imageWith(await buildImages(), 'bench', coldProgram(2_000));
  }, 240_000);

  it('are at least 20, and those that only compute are the ones that programs and kernels share', () => {
    const names: string[] = [];
    forEachComputeGuest((name) => names.push(name));
    const computing = GUESTS.filter(({ kind }) => ['compute', 'sse2', 'division'].includes(kind));
    expect(computing.map(({ name }) => name)).toEqual(names);
    expect(GUESTS.length).toBeGreaterThanOrEqual(20);
  });

  it('compute on the machine what they compute in Node, by as many instructions on every engine', async () => {
    const image = await imageOf('queens');
    const interpreted = runOnMachine(image, 'interpreter');
    const translated = runOnMachine(image, 'auto');
    expect([interpreted.checksum, translated.checksum]).toEqual([queensInNode, queensInNode]);
    expect(translated.instructions).toBe(interpreted.instructions);
  });

  it('do the same work inside a kernel, where it is counted', async () => {
    const [count] = await countInstructions(false, ['queens']);
    expect(count).toMatchObject({ name: 'queens', ours: { checksum: queensInNode }, qemu: undefined });
    expect(count!.ours.instructions).toBeGreaterThan(30_000_000);
  });

  it('of cold code execute every instruction once', () => {
    const { checksum, instructions } = runOnMachine(coldImage, 'interpreter');
    expect(checksum).toBe('0');
    // 2,000 functions of eight instructions, each with its call and return; the system calls of the lines, and page faults.
    expect(instructions).toBeGreaterThan(20_000);
    expect(instructions).toBeLessThan(24_000);
  });

  it('are sampled while they work', () => {
    const { name, functions } = profileGuest('cold-code', coldImage, 'auto');
    expect(name).toBe('cold-code');
    expect(functions.length).toBeGreaterThan(0);
    expect(functions.every(({ share }) => share >= 0 && share <= 1)).toBe(true);
  });

  it('encrypt the example of FIPS 197, appendix C.1', () => {
    prepare();
    [0x0011_2233, 0x4455_6677, 0x8899_aabb, 0xccdd_eeff].forEach((word, column) => {
      block[column] = word as (typeof block)[number];
    });
    encrypt();
    expect([...block]).toEqual([0x69c4_e0d8, 0x6a7b_0430, 0xd8cd_b780, 0x70b4_c55a]);
  });
});

describe('the report', () => {
  const guest = (
    name: string,
    kind: GuestResult['kind'],
    qemuSeconds: number | undefined,
    seconds: number,
  ): GuestResult => {
    const ratio = qemuSeconds === undefined ? undefined : qemuSeconds / seconds;
    const interpreterRatio = ratio === undefined ? undefined : ratio / 4;
    const engines = { interpreter: { seconds: 4 * seconds, ratio: interpreterRatio }, auto: { seconds, ratio } };
    return { name, kind, instructions: 2e8, checksum: '1', qemuSeconds, engines };
  };
  const guests = [guest('sieve', 'compute', 0.1, 0.1), guest('n-body', 'sse2', 0.8, 0.4)];
  const report: BenchReport = {
    date: '2026-11-24',
    engines: ['interpreter', 'auto'],
    rounds: 3,
    versions: { verdigris: '0.1.0', node: '20', QEMU: undefined },
    guests,
    geometricMeans: { interpreter: meanRatio(guests, 'interpreter'), auto: meanRatio(guests, 'auto') },
    profiles: [
      {
        name: 'n-body',
        functions: [{ name: 'walk page-walk.ts', share: 0.25 }],
        exits: [{ cause: 'interpreted', instruction: 'sqrtsd', count: 9, places: 1, hottest: '0x401000' }],
      },
    ],
    counts: [
      { name: 'sieve', ours: { checksum: '1', instructions: 7 }, qemu: { checksum: '1', instructions: 7 } },
      { name: 'rep-copy', ours: { checksum: '1', instructions: 7 }, qemu: { checksum: '1', instructions: 9 } },
    ],
    costs: [
      { name: 'getpid', title: 'getpid', goal: 150, ours: 144, linux: 316 },
      { name: 'ipc-call-reply', title: 'IPC', goal: 1200, ours: undefined, linux: undefined },
      { name: 'fork-exit-wait', title: 'fork', goal: 60_000, ours: 70_000, linux: 136_227 },
    ],
    tools: { kernelCompile: 2, kernelElapsed: 1.5, casesPerSecond: 40_000 },
    pairs: [{ name: 'bits', ours: { size: 80, instructions: 1200 }, gcc: { size: 100, instructions: 1000 } }],
    boot: {
      firstByte: { processor: 0.4, wall: 0.5 },
      powerOff: { processor: 0.6, wall: 0.8 },
      peakBytes: 2 ** 27,
      status: 0,
    },
  };

  it('shows instructions a second, and each ratio with the goal of its class', () => {
    const text = formatBench(report);
    expect(text).toMatch(/^sieve +200\.0 M +2000 +500 +0\.25x +2000 +1\.00x +0\.9x +reached$/m);
    expect(text).toMatch(/^n-body +200\.0 M +250 +125 +0\.50x +500 +2\.00x +4x +below$/m);
  });

  it('takes the geometric mean over all guests, for each engine with its goal', () => {
    const text = formatBench(report);
    expect(text).toMatch(/^geometric mean, interpreter +0\.35x +0\.25x +reached$/m);
    expect(text).toMatch(/^geometric mean, auto +1\.41x +1\.5x +below$/m);
    expect(meanRatio([...guests, guest('queens', 'compute', undefined, 1)], 'auto')).toBeUndefined();
  });

  it('shows where QEMU counts differently, boot times, the pairs against gcc, and versions', () => {
    const text = formatBench(report);
    expect(text).toContain(
      'instructions counted as by QEMU (-icount): 1 of 2 compute guests\n  rep-copy: 7 here, 9 there\n',
    );
    expect(text).toContain('boot to power-off: 0.60 s of processor time, 0.80 s in all');
    expect(text).toContain('boot with 256 MiB of RAM: 128 MiB of memory in use at most');
    expect(text).toMatch(/^bits .*0\.80x.*1\.20x/m);
    expect(text).toContain('QEMU absent');
  });

  it('shows where the time of a slow guest goes', () => {
    const text = formatBench(report);
    expect(text).toContain('n-body: where the time goes\n   25.0 %  walk page-walk.ts\n');
    expect(text).toContain('  9 exits (interpreted): sqrtsd at 0x401000\n');
  });

  it('prints how long the kernel takes to compile, and how many cases a second are answered', () => {
    const text = formatBench(report);
    expect(text).toContain('kernel compiled from nothing: 2.00 s of processor time, 1.50 s in all (goal: 3 in all)\n');
    expect(text).toContain('exec --cases: 40000 cases a second of processor time (goal: 20000)\n');
  });

  it('shows what system calls cost, with the goal and what they cost under Linux', () => {
    const text = formatBench(report);
    expect(text).toMatch(/^getpid +144 +316 +150 +reached$/m);
    expect(text).toMatch(/^IPC +- +- +1200$/m);
    expect(text).toMatch(/^fork +70000 +136227 +60000 +below$/m);
  });

  it('reads counts from lines of three words, whatever is printed around them', () => {
    expect([...readCounts('booting now\r\nsieve 17 250\r\nend\n')]).toEqual([
      ['sieve', { checksum: '17', instructions: 250 }],
    ]);
  });

  it('is drawn with a bar, a goal and a dot for each guest, and one more for the mean', () => {
    const svg = plotBench(report);
    const count = (tag: string) => svg.split(`<${tag} `).length - 1;
    const legend = { rect: 3, circle: 1 };
    expect([count('rect') - legend.rect, count('circle') - legend.circle]).toEqual([3, 3]);
    expect(svg).toContain('<title>n-body: 2.00x, goal 4x</title>');
    expect(svg.trimEnd().endsWith('</svg>')).toBe(true);
  });

  it('replaces the one that a README shows, and nothing else', () => {
    const before = 'text\n<!-- bench: written by `npm run bench -- --readme` -->\nold\n<!-- end of bench -->\nmore\n';
    const after = withReport(before, report);
    expect(after).toMatch(/^text\n<!-- bench[\s\S]*sieve[\s\S]*<!-- end of bench -->\nmore\n$/);
    expect(after).not.toContain('old');
    expect(withReport(after, report)).toBe(after);
    expect(() => withReport('text', report)).toThrow('the README has no place for a report');
  });

  it('in the README is the one in docs, and so is its picture', () => {
    const read = (name: string) => readFileSync(resolve(root, name), 'utf8');
    const kept = JSON.parse(read(REPORT_FILE)) as BenchReport;
    expect(read('README.md')).toBe(withReport(read('README.md'), kept));
    expect(read(PLOT_FILE)).toBe(plotBench(kept));
  });
});

describe('verdigris bench', () => {
  it('shows what --json printed before, without measuring', async () => {
    const { status, stdout } = await verdigris(['bench', '--from', resolve(root, REPORT_FILE)]);
    const kept = JSON.parse(readFileSync(resolve(root, REPORT_FILE), 'utf8')) as BenchReport;
    expect([status, stdout]).toEqual([0, formatBench(kept)]);
  });

  it.each([
    [['--only', 'nothing'], /^verdigris: there is no guest nothing; there are integer-mix, sieve, /],
    [['--from', 'package.json'], /^verdigris: package.json is not what bench --json prints$/],
    [['--from', 'README.md'], /^verdigris: README.md is not what bench --json prints$/],
    [['--linux', 'nowhere'], /^verdigris: .*nowhere.*there is no such file/],
    [['--from', REPORT_FILE, '--svg', 'nowhere/plot.svg'], /^verdigris: .*nowhere\/plot\.svg/],
  ])('says in one sentence what is wrong with %j', async (options, sentence) => {
    const { status, stderr } = await verdigris(['bench', ...options]);
    expect(status).toBe(125);
    expect(stderr.trimEnd()).toMatch(sentence);
  });
});
