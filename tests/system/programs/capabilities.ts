/**
 * capabilities: a program and a server of its own, a child, that it calls with words and with buffers, until a capability is
 * revoked and the server dies in the middle of a call. Ends with the number of failures.
 */
import { addressOf, array, bytes, embed, entry, type i64, mem, u8, u32, u64, virt } from '#dialect';
import { IpcMessage, IpcOperation, IpcReply, IpcRequest, IpcTransfer } from '../../../src/kernel/abi/ipc.ts';
import { setInitialStack } from '../../../src/user/runtime/arguments.ts';
import {
  callWithBuffers,
  callWithWords,
  copyFromCaller,
  copyToCaller,
  createCapability,
  createEndpoint,
  replyAndReceive,
  revokeCapability,
} from '../../../src/user/runtime/ipc.ts';
import { print } from '../../../src/user/runtime/print.ts';
import { close, exitGroup, fork, waitFor } from '../../../src/user/runtime/system-calls.ts';

export { onPanic } from '../../../src/user/runtime/print.ts';

/** The first word of a request says what the server is to do. */
const Wish = { ADD: 1n, TURN_AROUND: 2n, REVOKE: 3n, DIE: 4n } as const;
const FIRST_BADGE = 11n;
const SECOND_BADGE = 22n;
const EIO = -5n;
const TEXT_BYTES = 6;
let failures: u32 = 0;

function check(holds: boolean, what: string): void {
  if (!holds) failures = u32(failures + 1);
  print`${what} ${holds ? 'ok' : 'FAILED'}\n`;
}

const request = embed(IpcRequest);
const answer = embed(IpcReply);
const buffer = array(u8, TEXT_BYTES);
let endpoint: u32 = 0;

/** Copies the caller's text and gives it back reversed. */
function turnAround(call: u64): void {
  copyFromCaller(call, 0n, addressOf(buffer), u64(TEXT_BYTES));
  for (let index: u32 = 0; index < TEXT_BYTES / 2; index++) {
    const other = u32(TEXT_BYTES - 1 - index);
    const byte = buffer[index]!;
    buffer[index] = buffer[other]!;
    buffer[other] = byte;
  }
  copyToCaller(call, 0n, addressOf(buffer), u64(TEXT_BYTES));
}

/** The server: status is the badge that was called, the reply's first word a sum. */
function serve(): never {
  let call: u64 = 0n;
  for (;;) {
    const received = replyAndReceive(call, addressOf(answer), endpoint, addressOf(request));
    if (received < 0n) exitGroup(1);
    call = u64(received);
    if (request.operation !== IpcOperation.CALL) continue;
    const wish = request.words[0]!;
    answer.status = request.badge;
    answer.transfer = IpcTransfer.NONE;
    answer.word = u64(request.words[1]! + request.words[7]!);
    if (wish === Wish.TURN_AROUND) turnAround(call);
    if (wish === Wish.REVOKE) revokeCapability(endpoint, FIRST_BADGE);
    if (wish === Wish.DIE) exitGroup(3);
  }
}

const words = array(u64, 8);
const message = embed(IpcMessage);
const text = bytes('abcdef');
const turned = array(u8, TEXT_BYTES);

function callFor(capability: u32, wish: u64): i64 {
  words[0] = wish;
  words[1] = 40n;
  words[7] = 2n;
  return callWithWords(u64(capability), addressOf(words));
}

function callWithText(capability: u32): i64 {
  message.words[0] = Wish.TURN_AROUND;
  message.input = addressOf(text);
  message.inputSize = u64(TEXT_BYTES);
  message.output = addressOf(turned);
  message.outputSize = u64(TEXT_BYTES);
  return callWithBuffers(capability, addressOf(message));
}

export const main = entry((stack: u64) => {
  setInitialStack(stack);
  endpoint = u32(createEndpoint());
  const first = u32(createCapability(endpoint, FIRST_BADGE, 0));
  const second = u32(createCapability(endpoint, SECOND_BADGE, 0));
  if (fork() === 0n) {
    close(first);
    close(second);
    serve();
  }
  close(endpoint);
  check(callFor(first, Wish.ADD) === FIRST_BADGE && words[0]! === 42n, 'words in registers');
  check(callWithText(second) === SECOND_BADGE, 'buffers');
  check(
    mem.load8(addressOf(turned)) === 102 && mem.load8(virt(addressOf(turned) + 5n)) === 97,
    'buffers copied both ways',
  );
  check(callFor(second, Wish.REVOKE) === SECOND_BADGE, 'a capability revoked');
  check(callFor(first, Wish.ADD) === EIO, 'the revoked one is EIO');
  check(callFor(second, Wish.ADD) === SECOND_BADGE, 'the other is not');
  check(callFor(second, Wish.DIE) === EIO, 'the server dies in the middle of a call');
  check(callFor(second, Wish.ADD) === EIO, 'and no call reaches it');
  check(waitFor(-1, 0) > 0n, 'its parent learns of it');
  exitGroup(failures);
});
