import { array, mulLow32, u32 } from '#dialect';

const BUCKETS = 4_096;
const CAPACITY = 16_384;
const LOOKUPS = 4_000_000;
const NONE = 0xffff_ffff;
const heads = array(u32, BUCKETS);
const keys = array(u32, CAPACITY);
const values = array(u32, CAPACITY);
const following = array(u32, CAPACITY);
let used: u32 = 0;

function bucketOf(key: u32): u32 {
  return u32(mulLow32(key, 0x9e37_79b1) >>> 20);
}

function find(key: u32): u32 {
  let entry = heads[bucketOf(key)]!;
  while (entry !== NONE && keys[entry]! !== key) entry = following[entry]!;
  return entry;
}

function add(key: u32): void {
  const entry = find(key);
  if (entry !== NONE) {
    values[entry] = u32(values[entry]! + 1);
    return;
  }
  if (used === CAPACITY) return;
  const bucket = bucketOf(key);
  keys[used] = key;
  values[used] = 1;
  following[used] = heads[bucket]!;
  heads[bucket] = used;
  used = u32(used + 1);
}

/** Counts pseudo-random keys in a table with chains of about four. */
export function hashTable(): u32 {
  used = 0;
  for (let bucket: u32 = 0; bucket < BUCKETS; bucket++) heads[bucket] = NONE;
  let seed: u32 = 42;
  for (let lookup: u32 = 0; lookup < LOOKUPS; lookup++) {
    seed = u32(mulLow32(seed, 1_664_525) + 1_013_904_223);
    add(u32((seed >>> 10) & 0x3fff));
  }
  let checksum = used;
  for (let entry: u32 = 0; entry < used; entry++)
    checksum = u32(mulLow32(checksum, 31) ^ values[entry]! ^ keys[entry]!);
  return checksum;
}
