import { mem, virt } from '../../src/compiler/library/index.ts';
import { plug, unplug } from '../../src/compiler/library/socket.ts';
import { VerdigrisCall } from '../../src/kernel/abi/calls.ts';
import { FileOperation, OWN_OFFSET, ROOT_BADGE } from '../../src/kernel/abi/file-protocol.ts';
import { IpcOperation, IpcReply, IpcRequest, IpcTransfer } from '../../src/kernel/abi/ipc.ts';
import { ProcessRecord } from '../../src/kernel/abi/process.ts';
import { OpenFlag, Stat } from '../../src/kernel/abi/stat.ts';
import { buildTree, serveNext } from '../../src/user/servers/file-server/server.ts';

const ARCHIVE_AT = 0x1000_0000n;
/** Where the next mmap lands: never twice, for the server's free lists outlive a test. */
let heap = 0x4000_0000n;
const MMAP = 9n;
const SYSINFO = 99n;
const CLOCK_GETTIME = 228n;
const GETRANDOM = 318n;
const EFAULT = -14n;

interface Request {
  readonly operation: number;
  readonly badge?: bigint;
  readonly words?: readonly (number | bigint)[];
  readonly input?: string | Uint8Array;
  readonly outputSize?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly umask?: number;
  readonly flags?: number;
  readonly pid?: number;
  readonly root?: bigint;
}

export interface Answer {
  readonly status: number;
  readonly transfer: number;
  readonly word: bigint;
  readonly descriptor: number;
  readonly output: Buffer;
}

/** Plays the kernel for one file server: its system calls, and the callers of its endpoint. */
export class FileServer {
  /** Nanoseconds since 1970. */
  now = 1_000_000_000_000_000_000n;
  /** What process_query finds: pid -> name. */
  readonly processes = new Map<number, string>([[1, 'init']]);
  /** What process_badge answers, by `pid/which`. */
  readonly badges = new Map<string, bigint>();
  /** Bytes of memory that mmap gives out before it fails. */
  memory = 1 << 28;
  /** Every input and output of the caller is a bad pointer. */
  faults = false;

  #archiveSize = 0;
  #pending: Request = { operation: 0 };
  #input: Uint8Array = new Uint8Array();
  #output = Buffer.alloc(0);
  #answerAt = 0n;
  #calls = 0n;

  constructor(archive: Uint8Array) {
    unplug();
    plug({ systemCall: (number, operands) => this.#systemCall(number, operands) });
    this.#archiveSize = archive.length;
    for (const [index, byte] of archive.entries()) mem.store8(virt(ARCHIVE_AT + BigInt(index)), byte as never);
    buildTree();
  }

  call(request: Request): Answer {
    this.#pending = request;
    this.#input = typeof request.input === 'string' ? Buffer.from(request.input) : (request.input ?? new Uint8Array());
    this.#output = Buffer.alloc(request.outputSize ?? 0);
    if (!serveNext()) throw new Error('the server gave up');
    const reply = IpcReply.at(virt(this.#answerAt));
    return {
      status: Number(BigInt.asIntN(64, reply.status)),
      transfer: reply.transfer,
      word: reply.word,
      descriptor: reply.descriptor,
      output: this.#output,
    };
  }

  /** A path operation whose first word is the path's length. */
  onPath(
    operation: number,
    path: string,
    words: readonly (number | bigint)[] = [],
    rest: Partial<Request> = {},
  ): Answer {
    return this.call({ ...rest, operation, words: [Buffer.byteLength(path), ...words], input: path });
  }

  /** The badge of an open file, or the error as a negative number. */
  open(path: string, flags = 0, mode = 0o644, rest: Partial<Request> = {}): bigint {
    const { status, transfer, word } = this.onPath(FileOperation.OPEN, path, [flags, mode], rest);
    if (status < 0) return BigInt(status);
    if (transfer !== IpcTransfer.BADGE) throw new Error(`transfer ${transfer}`);
    return word;
  }

  close(badge: bigint): void {
    this.call({ operation: IpcOperation.CLOSE, badge });
  }

  read(badge: bigint, length: number, offset = OWN_OFFSET): Buffer {
    const { status, output } = this.call({
      operation: FileOperation.READ,
      badge,
      words: [offset, length],
      outputSize: length,
    });
    if (status < 0) throw new Error(`error ${-status}`);
    return output.subarray(0, status);
  }

  write(badge: bigint, data: string | Uint8Array, offset = OWN_OFFSET, flags = 0): number {
    const length = Buffer.byteLength(data as string);
    return this.call({ operation: FileOperation.WRITE, badge, words: [offset, length], input: data, flags }).status;
  }

  stat(
    path: string,
    flags = 0,
  ): { status: number; mode: number; size: bigint; links: bigint; inode: bigint } & {
    readonly device: bigint;
    readonly modified: bigint;
    readonly uid: number;
  } {
    const answer = this.onPath(FileOperation.STAT, path, [flags], { outputSize: Stat.size });
    const at = virt(0x3000_0000n);
    for (const [index, byte] of answer.output.entries()) mem.store8(virt(at + BigInt(index)), byte as never);
    const view = Stat.at(at);
    const { mode, size, links, inode, uid } = view;
    const modified = view.modified.seconds * 1_000_000_000n + view.modified.nanoseconds;
    return { status: answer.status, mode, size, links, inode, device: view.represents, modified, uid };
  }

  /** Names in a directory, read in pieces of `room` bytes. */
  list(path: string, room = 4096): string[] {
    const badge = this.open(path, OpenFlag.DIRECTORY);
    if (badge < 0n) throw new Error(`error ${-badge}`);
    const names: string[] = [];
    for (;;) {
      const { status, output } = this.call({
        operation: FileOperation.READ_DIRECTORY,
        badge,
        words: [room],
        outputSize: room,
      });
      if (status < 0) throw new Error(`error ${-status}`);
      if (status === 0) break;
      for (let at = 0; at < status; at += output.readUInt16LE(at + 16)) {
        names.push(output.subarray(at + 19, output.indexOf(0, at + 19)).toString());
      }
    }
    this.close(badge);
    return names;
  }

  /** What a file holds. */
  text(path: string): string {
    const badge = this.open(path);
    if (badge < 0n) throw new Error(`error ${-badge}`);
    const content = this.read(badge, 65_536).toString();
    this.close(badge);
    return content;
  }

  create(path: string, content: string): void {
    const badge = this.open(path, OpenFlag.CREATE | OpenFlag.WRITE_ONLY | OpenFlag.TRUNCATE);
    if (badge < 0n) throw new Error(`error ${-badge}`);
    this.write(badge, content);
    this.close(badge);
  }

  #systemCall(number: bigint, operands: readonly bigint[]): bigint {
    const [a = 0n, b = 0n, c = 0n, d = 0n] = operands;
    switch (number) {
      case MMAP:
        return this.#map(b);
      case CLOCK_GETTIME:
        mem.store64(virt(b), (this.now / 1_000_000_000n) as never);
        mem.store64(virt(b + 8n), (this.now % 1_000_000_000n) as never);
        return 0n;
      case SYSINFO:
        return 0n;
      case GETRANDOM:
        for (let at = 0n; at < b; at++) mem.store8(virt(a + at), Number((at * 7n + 1n) & 0xffn) as never);
        return b;
      case BigInt(VerdigrisCall.initramfs_map):
        mem.store64(virt(a), BigInt(this.#archiveSize) as never);
        return ARCHIVE_AT;
      case BigInt(VerdigrisCall.ipc_reply_receive):
        return this.#receive(b, d);
      case BigInt(VerdigrisCall.ipc_copy_in):
        return this.#copy(
          b,
          d,
          (at, index) => mem.store8(virt(c + at), this.#input[index] as never),
          this.#input.length,
        );
      case BigInt(VerdigrisCall.ipc_copy_out):
        return this.#copy(
          b,
          d,
          (at, index) => this.#output.writeUInt8(mem.load8(virt(c + at)), index),
          this.#output.length,
        );
      case BigInt(VerdigrisCall.process_query):
        return this.#query(Number(a), b);
      case BigInt(VerdigrisCall.process_badge):
        return this.badges.get(`${b}/${c}`) ?? -2n;
      case BigInt(VerdigrisCall.process_arguments):
        for (const [index, byte] of Buffer.from('init\0-x\0').entries()) {
          mem.store8(virt(b + BigInt(index)), byte as never);
        }
        return 8n;
      default:
        return -38n;
    }
  }

  #map(length: bigint): bigint {
    if (Number(length) > this.memory) return -12n;
    this.memory -= Number(length);
    const address = heap;
    heap += length;
    return address;
  }

  #receive(answerAt: bigint, requestAt: bigint): bigint {
    this.#answerAt = answerAt;
    const pending = this.#pending;
    const record = IpcRequest.at(virt(requestAt));
    record.badge = pending.badge ?? ROOT_BADGE;
    record.operation = pending.operation;
    record.pid = pending.pid ?? 1;
    record.uid = pending.uid ?? 0;
    record.gid = pending.gid ?? 0;
    record.umask = pending.umask ?? 0o22;
    record.flags = pending.flags ?? 0;
    record.root = pending.root ?? 0n;
    record.inputSize = BigInt(this.#input.length);
    record.outputSize = BigInt(this.#output.length);
    for (let index = 0; index < 8; index++) {
      record.words[index] = BigInt.asUintN(64, BigInt(pending.words?.[index] ?? 0)) as never;
    }
    this.#calls += 1n;
    return pending.operation === IpcOperation.CLOSE ? 0n : this.#calls;
  }

  #copy(offset: bigint, length: bigint, move: (at: bigint, index: number) => void, limit: number): bigint {
    if (this.faults) return EFAULT;
    if (offset + length > BigInt(limit)) return -22n;
    for (let at = 0n; at < length; at++) move(at, Number(offset + at));
    return length;
  }

  #query(above: number, recordAt: bigint): bigint {
    const pid = [...this.processes.keys()].sort((a, b) => a - b).find((each) => each > above);
    if (pid === undefined) return 0n;
    const record = ProcessRecord.at(virt(recordAt));
    record.pid = pid;
    record.parent = 0;
    record.group = pid;
    record.session = pid;
    record.state = 83;
    record.threads = 1;
    record.user = 0;
    record.residentPages = 3n;
    record.ticks = 5n;
    const name = Buffer.from((this.processes.get(pid) as string).padEnd(16, '\0'));
    for (let index = 0; index < 16; index++) record.name[index] = name[index] as never;
    return BigInt(pid);
  }
}
