import * as R from '../interpreter/records.ts';
import { EXIT_SITE_BYTES, EXIT_SITE_TARGET, EXIT_SITES, EXIT_SITES_LIMIT } from '../layout.ts';
import type { CpuState } from '../state.ts';

/** One way out of a region that control goes on with elsewhere: translated code counts how often it is taken. */
export interface ExitSite {
  /** Host address of the counter (layout.ts). */
  readonly address: number;
  /** First record of the region. */
  readonly entry: number;
  /** The record of the last instruction before. */
  readonly record: number;
  /** It is a computed jump, whose last target the site holds. */
  readonly isComputed: boolean;
}

/** The counters of all exit sites that are in use. */
export class ExitSites {
  readonly #state: CpuState;
  readonly #free: number[] = [];
  /** By number. */
  readonly #sites: (ExitSite | undefined)[] = [];
  /** By number, what the counter was at the last review. */
  readonly #reviewed = new Int32Array(EXIT_SITES_LIMIT);
  /** Counts of sites that have been released, by the RIP of their instruction. */
  readonly #released = new Map<bigint, { count: number; form: number }>();

  constructor(state: CpuState) {
    this.#state = state;
  }

  /** @returns undefined when all are in use: then the exit is not counted */
  allocate(entry: number, record: number, isComputed: boolean): ExitSite | undefined {
    const number = this.#free.pop() ?? this.#sites.length;
    if (number >= EXIT_SITES_LIMIT) return undefined;
    const site = { address: EXIT_SITES + number * EXIT_SITE_BYTES, entry, record, isComputed };
    this.#state.i32[site.address >> 2] = 0;
    this.#reviewed[number] = 0;
    this.#sites[number] = site;
    return site;
  }

  /** @returns the sites that were passed so many times since the last review */
  review(times: number): ExitSite[] {
    const words = this.#state.i32;
    return this.#sites.filter((site, number) => {
      if (site === undefined) return false;
      const count = words[site.address >> 2]!;
      const passed = (count - this.#reviewed[number]!) | 0;
      this.#reviewed[number] = count;
      return passed >= times;
    }) as ExitSite[];
  }

  release(site: ExitSite): void {
    const count = this.count(site);
    if (count > 0) {
      const { rip, form } = this.#place(site);
      const known = this.#released.get(rip);
      this.#released.set(rip, { count: (known?.count ?? 0) + count, form });
    }
    const number = (site.address - EXIT_SITES) / EXIT_SITE_BYTES;
    this.#sites[number] = undefined;
    this.#free.push(number);
  }

  /** @returns how often each instruction was left behind */
  ranking(): { rip: bigint; form: number; count: number }[] {
    const counts = new Map(this.#released);
    for (const site of this.#sites) {
      if (site === undefined) continue;
      const { rip, form } = this.#place(site);
      counts.set(rip, { form, count: (counts.get(rip)?.count ?? 0) + this.count(site) });
    }
    return [...counts].map(([rip, counted]) => ({ rip, ...counted }));
  }

  /** How often it was taken. */
  count({ address }: ExitSite): number {
    return this.#state.i32[address >> 2]!;
  }

  /** Where the computed jump last went. */
  target({ address }: ExitSite): bigint {
    return this.#state.u64[(address + EXIT_SITE_TARGET) >> 3]!;
  }

  /** The instruction behind which control leaves. */
  #place({ record }: ExitSite): { rip: bigint; form: number } {
    const { u64, view } = this.#state;
    return { rip: u64[(record + R.RIP) >> 3]!, form: view.getUint16(record + R.FORM, true) };
  }
}
