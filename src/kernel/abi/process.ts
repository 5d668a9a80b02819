/** What process_query, thread_query and process_areas fill in. */
import { array, f32, f64, struct, u8 } from '#dialect';

/** Bytes of a process's name, terminator included (TASK_COMM_LEN). */
export const NAME_LENGTH = 16;

/** `state` is a letter as ps(1) prints it. */
export const ProcessRecord = struct({
  pid: f32,
  parent: f32,
  group: f32,
  session: f32,
  state: f32,
  threads: f32,
  exitStatus: f32,
  user: f32,
  residentPages: f64,
  ticks: f64,
  name: array(u8, NAME_LENGTH),
});

export const ThreadRecord = struct({ tid: f32, pid: f32, state: f32, priority: f32, ticks: f64 });

/** One area of a process's memory: `protection` is PROT_ bits, bit 0 of `flags` says that it is shared. */
export const AreaRecord = struct({ start: f64, end: f64, protection: f32, flags: f32 });
