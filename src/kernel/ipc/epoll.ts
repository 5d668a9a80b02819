/**
 * Interest lists (epoll(7)): open files that a process wants to hear of, kept between waits. A file that is closed for good
 * leaves every list that it is on.
 */
import { addressOf, assert, constructAt, Errno, err, ok, type Result, sizeOf, u32, type u64 } from '#dialect';
import { ObjectCache } from '../memory/slab.ts';
import { FileKind, type OpenFile } from './open-file.ts';
import { notifyPollers, readinessChanges } from './poll-waiters.ts';
import { PollEvent, readinessOf } from './readiness.ts';

/** Bits of epoll_event.events that say how to report, not what. */
export const EpollFlag = {
  EXCLUSIVE: 0x1000_0000,
  WAKE_UP: 0x2000_0000,
  ONE_SHOT: 0x4000_0000,
  EDGE: 0x8000_0000,
} as const;
const HOW = 0xf000_0000;
/** Reported whether asked for or not. */
const UNASKED = PollEvent.ERROR | PollEvent.HANG_UP;
/** How deep lists may stand in lists (EP_MAX_NESTS). */
const DEEPEST = 4;

/** A file on a list, named by the descriptor that it was added under. */
export class Interest {
  list: InterestList | null = null;
  file: OpenFile | null = null;
  descriptor: u32 = 0;
  events: u32 = 0;
  data: u64 = 0n;
  /** `readinessChanges()` when it was reported last: an edge since then is a change since then. 0: never. */
  reportedAt: u64 = 0n;
  next: Interest | null = null;
  previous: Interest | null = null;
  nextOfFile: Interest | null = null;
}

export class InterestList {
  first: Interest | null = null;
  last: Interest | null = null;
}

const lists = new ObjectCache(sizeOf(InterestList));
const interests = new ObjectCache(sizeOf(Interest));

/** Makes a new file an empty interest list; ENOMEM. */
export function createInterestList(file: OpenFile): Result<InterestList> {
  const memory = lists.allocate();
  if (!memory.ok) return err(memory.error);
  const list = constructAt(InterestList, memory.value);
  file.kind = FileKind.INTEREST_LIST;
  file.interests = list;
  return ok(list);
}

/** Empties and frees the list of a file that is closed for good. */
export function releaseInterestList(file: OpenFile): void {
  const list = file.interests!;
  while (list.first !== null) removeInterest(list.first);
  lists.release(addressOf(list));
}

/** The interest of a list in a file under a descriptor, or null. */
export function findInterest(list: InterestList, file: OpenFile, descriptor: u32): Interest | null {
  let interest = list.first;
  while (interest !== null && (interest.file !== file || interest.descriptor !== descriptor)) interest = interest.next;
  return interest;
}

/** Levels of lists below a list, itself included; DEEPEST + 1 for more, and where `sought` is among them. */
function depthOf(list: InterestList, sought: InterestList, limit: u32): u32 {
  if (list === sought || limit === 0) return DEEPEST + 1;
  let deepest: u32 = 0;
  let interest = list.first;
  while (interest !== null) {
    const below = interest.file!.interests;
    const depth: u32 = below === null ? 0 : depthOf(below, sought, u32(limit - 1));
    if (depth > deepest) deepest = depth;
    interest = interest.next;
  }
  return u32(deepest + 1);
}

/**
 * Puts a file on a list. EEXIST: it is there. EPERM: a file that is always ready. EINVAL: the list itself. ELOOP: lists in
 * circles, or more than five deep. ENOMEM.
 */
export function addInterest(list: InterestList, file: OpenFile, descriptor: u32, events: u32, data: u64): Result<void> {
  if (file.kind === FileKind.REMOTE) return err(Errno.EPERM);
  if (file.interests === list) return err(Errno.EINVAL);
  if (findInterest(list, file, descriptor) !== null) return err(Errno.EEXIST);
  if (file.interests !== null && depthOf(file.interests, list, DEEPEST) > DEEPEST) return err(Errno.ELOOP);
  const memory = interests.allocate();
  if (!memory.ok) return err(memory.error);
  const interest = constructAt(Interest, memory.value);
  interest.list = list;
  interest.file = file;
  interest.descriptor = descriptor;
  interest.nextOfFile = file.firstInterest;
  file.firstInterest = interest;
  append(list, interest);
  changeInterest(interest, events, data);
  return ok();
}

/** Says anew what to hear of; what is ready now counts as an edge. */
export function changeInterest(interest: Interest, events: u32, data: u64): void {
  interest.events = events;
  interest.data = data;
  interest.reportedAt = 0n;
  notifyPollers();
}

function append(list: InterestList, interest: Interest): void {
  interest.next = null;
  interest.previous = list.last;
  if (list.last === null) list.first = interest;
  else list.last.next = interest;
  list.last = interest;
}

function unlink(list: InterestList, interest: Interest): void {
  if (interest.previous === null) list.first = interest.next;
  else interest.previous.next = interest.next;
  if (interest.next === null) list.last = interest.previous;
  else interest.next.previous = interest.previous;
}

/** Takes an interest off its list, and frees it. */
export function removeInterest(interest: Interest): void {
  const file = interest.file!;
  unlink(interest.list!, interest);
  let previous: Interest | null = null;
  let candidate = file.firstInterest;
  while (candidate !== null && candidate !== interest) {
    previous = candidate;
    candidate = candidate.nextOfFile;
  }
  assert(candidate !== null, 'an interest that its file does not know');
  if (previous === null) file.firstInterest = interest.nextOfFile;
  else previous.nextOfFile = interest.nextOfFile;
  interests.release(addressOf(interest));
}

/** Takes a file that is closed for good off every list. */
export function forgetFile(file: OpenFile): void {
  while (file.firstInterest !== null) removeInterest(file.firstInterest);
}

/** What is to be reported of a file now; 0 for nothing. */
export function reportableEvents(interest: Interest): u32 {
  if ((interest.events & ~HOW) === 0) return 0;
  const isEdge = (interest.events & EpollFlag.EDGE) !== 0;
  if (isEdge && interest.reportedAt === readinessChanges()) return 0;
  return u32(readinessOf(interest.file!) & (interest.events | UNASKED) & ~HOW);
}

/** An interest has been reported: others come first next time, and once is enough for a one-shot. */
export function noteReport(interest: Interest): void {
  interest.reportedAt = readinessChanges();
  if ((interest.events & EpollFlag.ONE_SHOT) !== 0) interest.events = u32(interest.events & HOW);
  unlink(interest.list!, interest);
  append(interest.list!, interest);
}

/** True when something on the list is to be reported. */
export function hasReport(list: InterestList): boolean {
  let interest = list.first;
  while (interest !== null) {
    if (reportableEvents(interest) !== 0) return true;
    interest = interest.next;
  }
  return false;
}
