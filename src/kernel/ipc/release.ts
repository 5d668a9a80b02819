/** The end of open file descriptions. Nothing here sleeps, so processes can end anywhere. */
import { assert, u32 } from '#dialect';
import { closeReceiveRight, closeRemote } from './endpoint.ts';
import { forgetFile, releaseInterestList } from './epoll.ts';
import { releaseCounter } from './event-counter.ts';
import { FileKind, freeFile, type OpenFile } from './open-file.ts';
import { closePipeEnd } from './pipe.ts';

/** Lets go of a file; the last reference closes it. */
export function releaseFile(file: OpenFile): void {
  assert(file.references > 0, 'a closed file is released');
  file.references = u32(file.references - 1);
  if (file.references > 0) return;
  forgetFile(file);
  switch (file.kind) {
    case FileKind.REMOTE:
      closeRemote(file);
      return;
    case FileKind.ENDPOINT:
      closeReceiveRight(file);
      return;
    case FileKind.PIPE_READER:
    case FileKind.PIPE_WRITER:
      closePipeEnd(file);
      break;
    case FileKind.EVENT_COUNTER:
      releaseCounter(file);
      break;
    case FileKind.INTEREST_LIST:
      releaseInterestList(file);
      break;
    default:
      break;
  }
  freeFile(file);
}
