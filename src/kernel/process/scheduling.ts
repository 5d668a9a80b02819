/** Scheduling policies and nice values (sched(7)), as far as one processor with strict priorities knows them. */
import { Errno, err, type i32, ok, type Result, u32 } from '#dialect';
import { isReady, moveInReadyQueue } from '../sched/scheduler.ts';
import { type Credentials, isPrivileged } from './credentials.ts';
import { Priority, SchedulingPolicy, type Thread, TIME_SLICE } from './thread.ts';

export const HIGHEST_REAL_TIME = 99;
const LOWEST_NICE = -20;
const HIGHEST_NICE = 19;

export function isRealTime(policy: SchedulingPolicy): boolean {
  return policy === SchedulingPolicy.FIFO || policy === SchedulingPolicy.ROUND_ROBIN;
}

/** The policy of that number; EINVAL. */
export function policyOf(number: u32): Result<SchedulingPolicy> {
  switch (number) {
    case SchedulingPolicy.OTHER:
      return ok(SchedulingPolicy.OTHER);
    case SchedulingPolicy.FIFO:
      return ok(SchedulingPolicy.FIFO);
    case SchedulingPolicy.ROUND_ROBIN:
      return ok(SchedulingPolicy.ROUND_ROBIN);
    case SchedulingPolicy.BATCH:
      return ok(SchedulingPolicy.BATCH);
    case SchedulingPolicy.IDLE:
      return ok(SchedulingPolicy.IDLE);
    default:
      return err(Errno.EINVAL);
  }
}

/** Gives a thread a policy. EINVAL: a priority that the policy does not have. EPERM: real time without privilege. */
export function setPolicy(
  caller: Credentials,
  thread: Thread,
  policy: SchedulingPolicy,
  realTimePriority: u32,
): Result<void> {
  const isInRange = realTimePriority >= 1 && realTimePriority <= HIGHEST_REAL_TIME;
  if (isRealTime(policy) ? !isInRange : realTimePriority !== 0) return err(Errno.EINVAL);
  if (isRealTime(policy) && !isPrivileged(caller)) return err(Errno.EPERM);
  thread.policy = policy;
  thread.realTimePriority = realTimePriority;
  thread.sliceTicks = policy === SchedulingPolicy.FIFO ? 0 : sliceFor(thread.nice);
  const priority = priorityFor(policy);
  if (isReady(thread)) moveInReadyQueue(thread, priority);
  else thread.priority = priority;
  return ok();
}

function priorityFor(policy: SchedulingPolicy): Priority {
  if (isRealTime(policy)) return Priority.RealTime;
  return policy === SchedulingPolicy.IDLE ? Priority.Low : Priority.Normal;
}

/** Nice values make slices of 20 ticks down to 1. */
function sliceFor(nice: i32): u32 {
  return u32(TIME_SLICE - (nice >> 1));
}

/** Sets a nice value, cut to what there is. EACCES: lowering it takes privilege. */
export function setNice(caller: Credentials, thread: Thread, nice: i32): Result<void> {
  let wanted = nice;
  if (wanted < LOWEST_NICE) wanted = LOWEST_NICE;
  if (wanted > HIGHEST_NICE) wanted = HIGHEST_NICE;
  if (wanted < thread.nice && !isPrivileged(caller)) return err(Errno.EACCES);
  thread.nice = wanted;
  if (thread.policy !== SchedulingPolicy.FIFO) thread.sliceTicks = sliceFor(wanted);
  return ok();
}

/** What a new thread takes over. */
export function inheritScheduling(parent: Thread, child: Thread): void {
  child.priority = parent.priority;
  child.policy = parent.policy;
  child.realTimePriority = parent.realTimePriority;
  child.nice = parent.nice;
  child.sliceTicks = parent.sliceTicks;
  child.affinity.store(parent.affinity.load());
}
