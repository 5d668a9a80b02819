/** How much memory the machine has (sysinfo(2)). */
import { addressOf, array, embed, f16, f32, f64, struct, u64 } from '#dialect';
import { sysinfo } from '../../runtime/system-calls.ts';

const SystemInformation = struct({
  uptime: f64,
  loads: array(u64, 3),
  totalMemory: f64,
  freeMemory: f64,
  sharedMemory: f64,
  bufferMemory: f64,
  totalSwap: f64,
  freeSwap: f64,
  processes: f16,
  _padding: f16,
  _alignment: f32,
  totalHigh: f64,
  freeHigh: f64,
  unit: f32,
  _end: f32,
});

/** What `readSystemInformation` has read last; zeros before. */
export const systemInformation = embed(SystemInformation);

export function readSystemInformation(): void {
  const read = sysinfo(addressOf(systemInformation));
  if (read < 0n) systemInformation.unit = 0;
}
