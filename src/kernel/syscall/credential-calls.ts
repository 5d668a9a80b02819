/** System calls about user and group ids. */
import { addressOf, array, Errno, err, i32, ok, type Result, u32, u64, userPtr, type VirtAddr } from '#dialect';
import { copyIn, copyOut, writeUser32 } from '../memory/user-copy.ts';
import {
  type Credentials,
  type Identity,
  isPrivileged,
  MOST_GROUPS,
  setAllIds,
  setFileId,
  setId,
  setRealAndEffective,
} from '../process/credentials.ts';
import { TrapFrame } from '../processor/trap-frame.ts';
import { runningThread } from '../sched/scheduler.ts';

function credentials(): Credentials {
  return runningThread()!.process!.credentials;
}

export function getuid(_frame: VirtAddr): Result<u64> {
  return ok(u64(credentials().user.real));
}

export function geteuid(_frame: VirtAddr): Result<u64> {
  return ok(u64(credentials().user.effective));
}

export function getgid(_frame: VirtAddr): Result<u64> {
  return ok(u64(credentials().group.real));
}

export function getegid(_frame: VirtAddr): Result<u64> {
  return ok(u64(credentials().group.effective));
}

function asCallResult(changed: Result<void>): Result<u64> {
  return changed.ok ? ok(0n) : err(changed.error);
}

/** setuid(uid) */
export function setuid(frame: VirtAddr): Result<u64> {
  const own = credentials();
  return asCallResult(setId(own.user, u32(TrapFrame.at(frame).rdi), isPrivileged(own)));
}

/** setgid(gid) */
export function setgid(frame: VirtAddr): Result<u64> {
  const own = credentials();
  return asCallResult(setId(own.group, u32(TrapFrame.at(frame).rdi), isPrivileged(own)));
}

/** setreuid(real, effective) */
export function setreuid(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const own = credentials();
  return asCallResult(setRealAndEffective(own.user, u32(registers.rdi), u32(registers.rsi), isPrivileged(own)));
}

/** setregid(real, effective) */
export function setregid(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const own = credentials();
  return asCallResult(setRealAndEffective(own.group, u32(registers.rdi), u32(registers.rsi), isPrivileged(own)));
}

/** setresuid(real, effective, saved) */
export function setresuid(frame: VirtAddr): Result<u64> {
  return setAll(frame, credentials().user);
}

/** setresgid(real, effective, saved) */
export function setresgid(frame: VirtAddr): Result<u64> {
  return setAll(frame, credentials().group);
}

function setAll(frame: VirtAddr, identity: Identity): Result<u64> {
  const registers = TrapFrame.at(frame);
  const privileged = isPrivileged(credentials());
  return asCallResult(setAllIds(identity, u32(registers.rdi), u32(registers.rsi), u32(registers.rdx), privileged));
}

/** getresuid(real, effective, saved) */
export function getresuid(frame: VirtAddr): Result<u64> {
  return getAll(frame, credentials().user);
}

/** getresgid(real, effective, saved) */
export function getresgid(frame: VirtAddr): Result<u64> {
  return getAll(frame, credentials().group);
}

function getAll(frame: VirtAddr, identity: Identity): Result<u64> {
  const registers = TrapFrame.at(frame);
  const real = writeUser32(userPtr<u32>(registers.rdi), identity.real);
  if (!real.ok) return err(real.error);
  const effective = writeUser32(userPtr<u32>(registers.rsi), identity.effective);
  if (!effective.ok) return err(effective.error);
  return asCallResult(writeUser32(userPtr<u32>(registers.rdx), identity.saved));
}

/** setfsuid(uid): returns the id before, whether or not it has changed. */
export function setfsuid(frame: VirtAddr): Result<u64> {
  const own = credentials();
  return ok(u64(setFileId(own.user, u32(TrapFrame.at(frame).rdi), isPrivileged(own))));
}

/** setfsgid(gid) */
export function setfsgid(frame: VirtAddr): Result<u64> {
  const own = credentials();
  return ok(u64(setFileId(own.group, u32(TrapFrame.at(frame).rdi), isPrivileged(own))));
}

/** getgroups(size, list): how many there are; they are stored unless `size` is 0. */
export function getgroups(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const size = i32(registers.rdi);
  const own = credentials();
  if (size < 0) return err(Errno.EINVAL);
  if (size === 0) return ok(u64(own.groupCount));
  if (size < own.groupCount) return err(Errno.EINVAL);
  const copied = copyOut(userPtr<u32>(registers.rsi), addressOf(own.groups), u64(own.groupCount * 4));
  return copied.ok ? ok(u64(own.groupCount)) : err(copied.error);
}

const groups = array(u32, MOST_GROUPS);

/** setgroups(size, list). EINVAL: more than this kernel keeps. */
export function setgroups(frame: VirtAddr): Result<u64> {
  const registers = TrapFrame.at(frame);
  const count = u32(registers.rdi);
  const own = credentials();
  if (!isPrivileged(own)) return err(Errno.EPERM);
  if (count > MOST_GROUPS) return err(Errno.EINVAL);
  const copied = copyIn(addressOf(groups), userPtr<u32>(registers.rsi), u64(count * 4));
  if (!copied.ok) return err(copied.error);
  for (let index: u32 = 0; index < count; index++) own.groups[index] = groups[index]!;
  own.groupCount = count;
  return ok(0n);
}
