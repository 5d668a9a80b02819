import { type Profiler, Session } from 'node:inspector';
import type { Engine } from '../../cpu/cpu.ts';
import { rankExits, type TranslatorExit } from '../run-report.ts';
import { type GuestImage, runOnMachine } from './on-machine.ts';

/** Where a guest's time goes on our machine. */
export interface GuestProfile {
  readonly name: string;
  /** Functions by their own share of the time, the largest first; what is compiled to WebAssembly has a module's hash and a number. */
  readonly functions: readonly { readonly name: string; readonly share: number }[];
  /** Ways out of translated code since power-on, the most frequent first. */
  readonly exits: readonly TranslatorExit[];
}

const FUNCTIONS_SHOWN = 10;
const EXITS_SHOWN = 5;
const SAMPLE_MICROSECONDS = 500;

/** Runs a guest once more, sampled between its two lines. */
export function profileGuest(name: string, image: GuestImage, engine: Engine): GuestProfile {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROSECONDS });
  let profile: Profiler.Profile | undefined;
  let exits: TranslatorExit[] = [];
  runOnMachine(image, engine, (machine, edge) => {
    if (edge === 'begin') session.post('Profiler.start');
    else {
      session.post('Profiler.stop', (_error, result) => {
        profile = result.profile;
      });
      exits = rankExits(machine.processor.translator?.exits(Number.POSITIVE_INFINITY) ?? []);
    }
  });
  session.disconnect();
  return { name, functions: rankFunctions(profile!), exits: exits.slice(0, EXITS_SHOWN) };
}

function rankFunctions({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): GuestProfile['functions'] {
  // Starting and stopping the sampler, and what that calls, is no part of the guest's time.
  const sampler = new Set(nodes.filter(isSampler).flatMap(({ id, children = [] }) => [id, ...children]));
  const ours = nodes.filter(({ id }) => !sampler.has(id));
  const names = new Map(ours.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  let total = 0;
  samples.forEach((id, index) => {
    const name = names.get(id);
    if (name === undefined) return;
    const time = timeDeltas[index]!;
    times.set(name, (times.get(name) ?? 0) + time);
    total += time;
  });
  return [...times]
    .map(([name, time]) => ({ name, share: time / total }))
    .sort((a, b) => b.share - a.share)
    .slice(0, FUNCTIONS_SHOWN);
}

const isSampler = ({ callFrame }: Profiler.ProfileNode): boolean => callFrame.url === 'node:inspector';

function nameOf({ functionName, url }: { readonly functionName: string; readonly url: string }): string {
  const file = url.split('/').at(-1) ?? '';
  const name = functionName === '' ? 'anonymous function' : functionName;
  return url.startsWith('wasm:') ? `${name} of module ${file}` : name;
}
