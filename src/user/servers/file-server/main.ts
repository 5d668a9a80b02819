/**
 * The file server: a file system in memory, filled from the initramfs, with /dev and /proc. The kernel turns file system
 * calls into requests on this server's endpoint; each is answered before the next one is taken, and none waits for anything.
 */
import { entry, type u64 } from '#dialect';
import { setInitialStack } from '../../runtime/arguments.ts';
import { buildTree, fail, serveNext } from './server.ts';

export { onPanic } from '../../runtime/print.ts';

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  buildTree();
  while (serveNext());
  fail('the endpoint is gone');
});
