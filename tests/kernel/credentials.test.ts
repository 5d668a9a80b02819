import { describe, expect, it } from 'vitest';
import { Errno } from '../../src/compiler/library/index.ts';
import {
  Credentials,
  Identity,
  isPrivileged,
  maySignal,
  NO_CHANGE,
  setAllIds,
  setFileId,
  setId,
  setRealAndEffective,
} from '../../src/kernel/process/credentials.ts';

const ids = (real: number, effective: number, saved: number): Identity =>
  Object.assign(new Identity(), { real, effective, saved, file: effective });
const values = ({ real, effective, saved, file }: Identity): number[] => [real, effective, saved, file];
const EPERM = { ok: false, error: Errno.EPERM };

describe('ids', () => {
  it('are all set by a privileged setuid, and only the effective one by others', () => {
    const root = ids(0, 0, 0);
    expect(setId(root, 7 as never, true).ok).toBe(true);
    expect(values(root)).toEqual([7, 7, 7, 7]);
    const user = ids(7, 8, 9);
    expect(setId(user, 9 as never, false).ok).toBe(true);
    expect(values(user)).toEqual([7, 9, 9, 9]);
    expect(setId(user, 8 as never, false)).toEqual(EPERM);
    expect(setId(user, NO_CHANGE as never, true)).toEqual({ ok: false, error: Errno.EINVAL });
  });

  it('are saved by setreuid when the real one is set or the effective one becomes another', () => {
    const swapped = ids(7, 8, 8);
    expect(setRealAndEffective(swapped, 8 as never, 7 as never, false).ok).toBe(true);
    expect(values(swapped)).toEqual([8, 7, 7, 7]);
    const same = ids(7, 8, 9);
    expect(setRealAndEffective(same, NO_CHANGE as never, 7 as never, false).ok).toBe(true);
    expect(values(same)).toEqual([7, 7, 9, 7]);
    expect(setRealAndEffective(same, 9 as never, NO_CHANGE as never, false)).toEqual(EPERM);
  });

  it('are exchanged by setresuid among themselves without privilege', () => {
    const user = ids(7, 8, 9);
    expect(setAllIds(user, 9 as never, 7 as never, 8 as never, false).ok).toBe(true);
    expect(values(user)).toEqual([9, 7, 8, 7]);
    expect(setAllIds(user, NO_CHANGE as never, NO_CHANGE as never, 5 as never, false)).toEqual(EPERM);
    expect(values(user)).toEqual([9, 7, 8, 7]);
  });

  it('for files change silently or not at all', () => {
    const user = ids(7, 8, 9);
    expect(setFileId(user, 9 as never, false)).toBe(8);
    expect(setFileId(user, 1 as never, false)).toBe(9);
    expect(user.file).toBe(9);
  });
});

it('signals go to processes of the same real or saved user', () => {
  const of = (real: number, effective: number, saved: number): Credentials => {
    const made = new Credentials();
    Object.assign(made.user, ids(real, effective, saved));
    return made;
  };
  expect(isPrivileged(of(7, 0, 0))).toBe(true);
  expect(maySignal(of(7, 0, 0), of(1, 1, 1))).toBe(true);
  expect(maySignal(of(7, 8, 9), of(1, 8, 1))).toBe(false);
  expect(maySignal(of(7, 8, 9), of(1, 1, 8))).toBe(true);
  expect(maySignal(of(7, 8, 9), of(7, 1, 1))).toBe(true);
  expect(maySignal(of(7, 8, 9), of(9, 9, 9))).toBe(false);
});
