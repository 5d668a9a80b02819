/** What sysinfo(2) fills in: Linux's struct sysinfo. */
import { array, f32, f64, struct } from '#dialect';

/** Memory in bytes times `unit`. `bufferMemory` is what the kernel keeps for its next threads. */
export const SystemInformation = struct({
  uptime: f64,
  loads: array(f64, 3),
  totalMemory: f64,
  freeMemory: f64,
  sharedMemory: f64,
  bufferMemory: f64,
  totalSwap: f64,
  freeSwap: f64,
  threads: f32,
  _padding: f32,
  totalHigh: f64,
  freeHigh: f64,
  unit: f64,
});
