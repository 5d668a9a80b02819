import { Atomic32, Atomic64, u32, u64 } from '#dialect';

const ROUNDS = 2_000_000;
const lock = new Atomic32(0);
const tickets = new Atomic32(0);
const flags = new Atomic32(0);
const total = new Atomic64(0n);

/** A lock taken and given back around counters, as nobody contends for it: LOCK CMPXCHG, XADD, XCHG, and a loop for OR. */
export function atomics(): u32 {
  lock.store(0);
  tickets.store(0);
  flags.store(0);
  total.store(0n);
  for (let round: u32 = 0; round < ROUNDS; round++) {
    while (lock.compareExchange(0, 1) !== 0);
    const ticket = tickets.fetchAdd(3);
    total.fetchAdd(u64(ticket));
    flags.fetchOr(u32(1 << u32(ticket & 31)));
    lock.exchange(0);
  }
  const sum = total.load();
  return u32(u64(sum >> 32n) ^ sum ^ u64(flags.load()));
}
