/** A promise of this repository, and the test that would fail if it were broken. */
export interface Promised {
  readonly promise: string;
  /** Below tests/. */
  readonly file: string;
  /** The titles of its groups and its own, joined by ` > `, as they stand in the file. */
  readonly test: string;
}

type Row = readonly [promise: string, test: string];

/** Promises that tests of one file keep; `group` is what all their titles begin with. */
export function keptBy(file: string, group: string, rows: readonly Row[]): Promised[] {
  return rows.map(([promise, test]) => ({
    promise,
    file,
    test: group === '' ? test : test === '' ? group : `${group} > ${test}`,
  }));
}
