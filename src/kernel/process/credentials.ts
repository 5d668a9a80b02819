/** Who a process is (credentials(7)). Effective user 0 holds every privilege; there are no capabilities apart from that. */
import { array, Errno, embed, err, ok, type Result, u32 } from '#dialect';

/** The four user ids, or the four group ids, of a process. `file` is the one that file access goes by. */
export class Identity {
  real: u32 = 0;
  effective: u32 = 0;
  saved: u32 = 0;
  file: u32 = 0;
}

export const MOST_GROUPS = 32;

export class Credentials {
  readonly user: Identity = embed(Identity);
  readonly group: Identity = embed(Identity);
  /** Supplementary groups. */
  readonly groups = array(u32, MOST_GROUPS);
  groupCount: u32 = 0;
}

/** The argument that leaves an id as it is; no id itself. */
export const NO_CHANGE = 0xffff_ffff;

export function isPrivileged(credentials: Credentials): boolean {
  return credentials.user.effective === 0;
}

export function copyCredentials(to: Credentials, from: Credentials): void {
  copyIdentity(to.user, from.user);
  copyIdentity(to.group, from.group);
  to.groupCount = from.groupCount;
  for (let index: u32 = 0; index < MOST_GROUPS; index++) to.groups[index] = from.groups[index]!;
}

function copyIdentity(to: Identity, from: Identity): void {
  to.real = from.real;
  to.effective = from.effective;
  to.saved = from.saved;
  to.file = from.file;
}

/** What execve does: the saved ids become the effective ones. */
export function saveIdentities(credentials: Credentials): void {
  credentials.user.saved = credentials.user.effective;
  credentials.group.saved = credentials.group.effective;
}

function isOneOf(identity: Identity, id: u32): boolean {
  return id === identity.real || id === identity.effective || id === identity.saved;
}

function become(identity: Identity, id: u32): void {
  identity.effective = id;
  identity.file = id;
}

/** setuid(2), setgid(2). EINVAL: no id. EPERM: neither privileged nor the real or saved id. */
export function setId(identity: Identity, id: u32, privileged: boolean): Result<void> {
  if (id === NO_CHANGE) return err(Errno.EINVAL);
  if (!privileged && id !== identity.real && id !== identity.saved) return err(Errno.EPERM);
  if (privileged) {
    identity.real = id;
    identity.saved = id;
  }
  become(identity, id);
  return ok();
}

/** setreuid(2), setregid(2). EPERM. */
export function setRealAndEffective(identity: Identity, real: u32, effective: u32, privileged: boolean): Result<void> {
  const isRealKnown = real === identity.real || real === identity.effective;
  if (real !== NO_CHANGE && !privileged && !isRealKnown) return err(Errno.EPERM);
  if (effective !== NO_CHANGE && !privileged && !isOneOf(identity, effective)) return err(Errno.EPERM);
  const isSaved = real !== NO_CHANGE || (effective !== NO_CHANGE && effective !== identity.real);
  become(identity, effective === NO_CHANGE ? identity.effective : effective);
  if (real !== NO_CHANGE) identity.real = real;
  if (isSaved) identity.saved = identity.effective;
  return ok();
}

/** setresuid(2), setresgid(2). EPERM. */
export function setAllIds(
  identity: Identity,
  real: u32,
  effective: u32,
  saved: u32,
  privileged: boolean,
): Result<void> {
  if (!privileged && !isAllowed(identity, real, effective, saved)) return err(Errno.EPERM);
  if (real !== NO_CHANGE) identity.real = real;
  become(identity, effective === NO_CHANGE ? identity.effective : effective);
  if (saved !== NO_CHANGE) identity.saved = saved;
  return ok();
}

function isAllowed(identity: Identity, real: u32, effective: u32, saved: u32): boolean {
  if (real !== NO_CHANGE && !isOneOf(identity, real)) return false;
  if (effective !== NO_CHANGE && !isOneOf(identity, effective)) return false;
  return saved === NO_CHANGE || isOneOf(identity, saved);
}

/** setfsuid(2), setfsgid(2): returns the id before, and changes nothing that is not allowed. */
export function setFileId(identity: Identity, id: u32, privileged: boolean): u32 {
  const old = identity.file;
  if (id !== NO_CHANGE && (privileged || isOneOf(identity, id) || id === old)) identity.file = id;
  return old;
}

/** True when one process may send another signals (kill(2)). */
export function maySignal(sender: Credentials, target: Credentials): boolean {
  if (isPrivileged(sender)) return true;
  const real = target.user.real;
  const saved = target.user.saved;
  const from = sender.user;
  return from.effective === real || from.effective === saved || from.real === real || from.real === saved;
}
