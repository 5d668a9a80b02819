/** Decoded code of one page. */
const PAGE = 4096;

/** A run of one instruction that goes on in the next page. */
export interface Crossing {
  readonly page: CodePage;
  /** Offset of its first byte, and behind its last one: beyond 4096. */
  readonly start: number;
  readonly end: number;
  readonly record: number;
  /** Physical page number of the second page. */
  readonly secondPage: number;
}

/** What has been decoded of one physical page, seen at one RIP and in one mode. */
export class CodePage {
  readonly physicalPage: number;
  readonly mode: number;
  /** RIP of the page's first byte, as a signed number: RIPs are canonical, so it is exact. */
  readonly ripBase: number;
  /** The last RIP that may be fetched: the limit of CS; infinity in 64-bit mode. */
  readonly limit: number;
  /** How many bytes of the page that allows, from its start. */
  readonly usable: number;
  readonly number: number;
  /** Record of the instruction at each offset, 0 for none. */
  readonly entries = new Int32Array(PAGE);
  /** By offset, what goes on in another page: not in `entries`, as it is only right while both pages stay mapped. */
  readonly crossing = new Map<number, Crossing>();

  /** @param enlist gives the page its number */
  constructor(physicalPage: number, mode: number, ripBase: number, limit: number, enlist: (page: CodePage) => number) {
    this.physicalPage = physicalPage;
    this.mode = mode;
    this.ripBase = ripBase;
    this.limit = limit;
    this.usable = Math.min(limit + 1 - ripBase, PAGE);
    this.number = enlist(this);
  }
}
