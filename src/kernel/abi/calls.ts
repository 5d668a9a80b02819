/** Verdigris's own system calls, in a range that Linux leaves unused. The user's side is src/user/runtime. */
export const VERDIGRIS_CALLS = 0x5600;

export const VerdigrisCall = {
  process_query: 0x5600,
  thread_query: 0x5601,
  endpoint_create: 0x5602,
  capability_create: 0x5603,
  capability_revoke: 0x5604,
  ipc_call: 0x5605,
  ipc_call_buffers: 0x5606,
  ipc_receive: 0x5607,
  ipc_reply: 0x5608,
  ipc_reply_receive: 0x5609,
  ipc_copy_in: 0x560a,
  ipc_copy_out: 0x560b,
  initramfs_map: 0x560c,
  process_arguments: 0x560d,
  process_areas: 0x560e,
  process_badge: 0x560f,
  ipc_reply_receive_words: 0x5610,
  schedule_seed: 0x5611,
} as const;
