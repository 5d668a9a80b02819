import { mem, virt } from '../../src/compiler/library/index.ts';
import { VerdigrisCall } from '../../src/kernel/abi/calls.ts';
import { FileOperation, OWN_OFFSET, ROOT_BADGE } from '../../src/kernel/abi/file-protocol.ts';
import { IpcReply, IpcRequest, IpcTransfer } from '../../src/kernel/abi/ipc.ts';
import { OpenFlag, Stat } from '../../src/kernel/abi/stat.ts';
import { makeRemote } from '../../src/kernel/ipc/endpoint.ts';
import { allocateFile, FileKind, type OpenFile } from '../../src/kernel/ipc/open-file.ts';
import { setCurrentDirectory, setRoot } from '../../src/kernel/ipc/process-files.ts';
import { endpointAt } from '../../src/kernel/ipc/serving.ts';
import type { Process } from '../../src/kernel/process/pcb.ts';
import type { Thread } from '../../src/kernel/process/thread.ts';
import { startThread } from '../../src/kernel/sched/scheduler.ts';
import { SystemCall } from '../../src/kernel/syscall/numbers.ts';
import { type FakeMachine, unwrap } from './fake-machine.ts';
import { makeProcess, playServer, switchTo } from './fake-switch.ts';
import { systemCall } from './system-call.ts';

/** A request as a test sees it. */
export interface Request {
  readonly id: bigint;
  readonly badge: bigint;
  readonly operation: number;
  readonly pid: number;
  readonly words: readonly bigint[];
  readonly input: Buffer;
  readonly outputSize: number;
}

export interface Answer {
  readonly status: bigint | number;
  readonly word?: bigint;
  readonly transfer?: number;
  readonly descriptor?: number;
  readonly output?: Uint8Array;
}

const REPLY_OFFSET = 0x100n;
const DATA_OFFSET = 0x1000n;
const PAGES = 0x10_0000n;
const ENOENT = -2;
const EACCES = -13;

/** A server process whose program is a function of the test; it answers whenever a thread waits in a call. */
export class PlayedServer {
  readonly process: Process;
  readonly thread: Thread;
  readonly endpoint: number;
  readonly requests: Request[] = [];
  readonly #machine: FakeMachine;
  readonly #memory: bigint;
  readonly #answer: (request: Request) => Answer | null;

  /** An `answer` of null is none: the caller goes on waiting. */
  constructor(machine: FakeMachine, from: Thread, answer: (request: Request) => Answer | null) {
    this.#machine = machine;
    this.#answer = answer;
    this.process = makeProcess(machine);
    this.thread = this.process.firstThread!;
    startThread(this.thread);
    switchTo(machine, this.thread);
    this.#memory = this.call(SystemCall.mmap, 0, PAGES, 3, 0x22, -1, 0);
    this.endpoint = Number(this.call(VerdigrisCall.endpoint_create));
    switchTo(machine, from);
    playServer(() => this.serve());
  }

  /** Makes the server's own system call; it must be the running thread. */
  call(number: number, ...parameters: readonly (number | bigint)[]): bigint {
    return systemCall(this.thread, number, ...parameters);
  }

  /** Gives a process a capability of this server's as its root and current directory. */
  giveRoot(process: Process): void {
    switchTo(this.#machine, this.thread);
    const endpoint = unwrap(endpointAt(this.endpoint as never));
    const directory = (): OpenFile => {
      const file = unwrap(allocateFile(FileKind.UNDECIDED, OpenFlag.PATH as never));
      makeRemote(file, endpoint, ROOT_BADGE);
      return file;
    };
    setRoot(process.fileContext!, directory());
    setCurrentDirectory(process.fileContext!, directory());
  }

  /** Receives one request and answers it. */
  serve(): void {
    switchTo(this.#machine, this.thread);
    const request = this.receive();
    const answer = request.id === 0n ? null : this.#answer(request);
    if (answer !== null) this.reply(request, answer);
  }

  /** Takes the news of capabilities that are gone. */
  hearOfCloses(): void {
    switchTo(this.#machine, this.thread);
    const endpoint = unwrap(endpointAt(this.endpoint as never));
    while (endpoint.firstClosed !== null) this.receive();
  }

  receive(): Request {
    const id = this.call(VerdigrisCall.ipc_receive, this.endpoint, this.#memory);
    const view = IpcRequest.at(virt(this.#memory));
    const size = Number(view.inputSize);
    const input = Buffer.alloc(size);
    if (id !== 0n && size > 0) {
      this.call(VerdigrisCall.ipc_copy_in, id, 0, this.#memory + DATA_OFFSET, size);
      for (let at = 0; at < size; at++) input[at] = mem.load8(virt(this.#memory + DATA_OFFSET + BigInt(at)));
    }
    const request = {
      id,
      badge: view.badge,
      operation: view.operation,
      pid: view.pid,
      words: [...view.words],
      input,
      outputSize: Number(view.outputSize),
    };
    this.requests.push(request);
    return request;
  }

  /** What ipc_reply returns. */
  reply(request: Request, answer: Answer): bigint {
    this.#prepare(request, answer);
    return this.call(VerdigrisCall.ipc_reply, request.id, this.#memory + REPLY_OFFSET);
  }

  /** What ipc_reply_receive returns. */
  replyAndReceive(request: Request, answer: Answer): bigint {
    this.#prepare(request, answer);
    const reply = this.#memory + REPLY_OFFSET;
    return this.call(VerdigrisCall.ipc_reply_receive, request.id, reply, this.endpoint, this.#memory);
  }

  #prepare(request: Request, { status, word = 0n, transfer = 0, descriptor = 0, output }: Answer): void {
    if (output !== undefined) {
      for (const [at, byte] of output.entries())
        mem.store8(virt(this.#memory + DATA_OFFSET + BigInt(at)), byte as never);
      const copied = this.call(VerdigrisCall.ipc_copy_out, request.id, 0, this.#memory + DATA_OFFSET, output.length);
      if (copied < 0n) status = copied;
    }
    const view = IpcReply.at(virt(this.#memory + REPLY_OFFSET));
    view.status = BigInt.asUintN(64, BigInt(status)) as never;
    view.word = word as never;
    view.transfer = transfer as never;
    view.descriptor = descriptor as never;
  }
}

/** Answers as a file system of executable files would; a null content is a directory. */
export function filesAnswer(files: Readonly<Record<string, Uint8Array | null>>): (request: Request) => Answer {
  const paths = Object.keys(files);
  const contentOf = (badge: bigint): Uint8Array | null => files[paths[Number(badge) - 100]!] ?? null;
  return (request) => {
    const content = contentOf(request.badge);
    switch (request.operation) {
      case FileOperation.OPEN: {
        const index = paths.indexOf(request.input.toString());
        return index < 0 ? { status: ENOENT } : { status: 0, transfer: IpcTransfer.BADGE, word: BigInt(index + 100) };
      }
      case FileOperation.STAT: {
        const output = Buffer.alloc(Stat.size);
        output.writeUInt32LE(content === null ? 0o040755 : 0o100755, Stat.offsetOf('mode'));
        output.writeBigUInt64LE(BigInt(content?.length ?? 0), Stat.offsetOf('size'));
        return { status: 0, output };
      }
      case FileOperation.READ: {
        if (content === null) return { status: EACCES };
        const offset = request.words[0] === OWN_OFFSET ? 0 : Number(request.words[0]);
        const output = content.subarray(offset, offset + Number(request.words[1]));
        return { status: output.length, output };
      }
      default:
        return { status: 0 };
    }
  };
}
