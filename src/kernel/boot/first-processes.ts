/** The two processes that no other makes: init, and the server that init's program comes from. */
import {
  addressOf,
  array,
  bytes,
  Errno,
  err,
  mem,
  ok,
  type Result,
  type u32,
  u64,
  type VirtAddr,
  virt,
} from '#dialect';
import { ROOT_BADGE, SERVER_ENDPOINT } from '../abi/file-protocol.ts';
import { OpenFlag } from '../abi/stat.ts';
import { print } from '../console/print.ts';
import { findFile, foundFile, isFoundExecutable, isFoundRegular } from '../initramfs/cpio.ts';
import { fillDescriptor, reserveDescriptor } from '../ipc/descriptors.ts';
import { createEndpoint, type Endpoint, makeRemote } from '../ipc/endpoint.ts';
import { allocateFile, FileKind, retainFile } from '../ipc/open-file.ts';
import { setCurrentDirectory, setRoot } from '../ipc/process-files.ts';
import { createEmptyProcess, execProcess, execSource } from '../process/creation.ts';
import { acquireExecLock, releaseExecLock } from '../process/exec-lock.ts';
import { argumentVector, environmentVector, measureVector } from '../process/exec-stack.ts';
import { prepareForUserMode } from '../process/lifecycle.ts';
import type { Process } from '../process/pcb.ts';
import { ProgramSource } from '../process/program-source.ts';
import { Priority, type Thread } from '../process/thread.ts';
import { powerOff } from '../processor/power.ts';
import { runningThread, startThread } from '../sched/scheduler.ts';
import { initWord, initWordCount, MOST_INIT_WORDS } from './command-line.ts';

/** Status of a machine whose first program could not be started. */
const NO_INIT_STATUS = 126;
const serverPath = bytes('sbin/file-server\0');
/** What init is when the command line names no program: the first of these that can be executed. */
const usualInit = bytes('/sbin/init\0');
const otherInit = bytes('/etc/init\0');
const programInit = bytes('/bin/init\0');
const shellInit = bytes('/bin/sh\0');

const pointers = array(u64, MOST_INIT_WORDS + 1);
const homeVariable = bytes('HOME=/\0');
const terminalVariable = bytes('TERM=linux\0');
const environment = array(u64, 3);
const serverSource = new ProgramSource();

/**
 * Makes init, which gets process id 1, and the file server, and starts both: each becomes its program in its own thread.
 * Returns init. ENOMEM.
 */
export function startFirstProcesses(): Result<Process> {
  const init = createEmptyProcess('init', becomeInit);
  if (!init.ok) return init;
  const server = createEmptyProcess('file-server', becomeServer);
  if (!server.ok) return server;
  const endpoint = giveEndpoint(server.value);
  if (!endpoint.ok) return err(endpoint.error);
  const rooted = giveRoot(init.value, endpoint.value);
  if (!rooted.ok) return err(rooted.error);
  server.value.isServer = true;
  server.value.firstThread!.priority = Priority.System;
  startThread(server.value.firstThread!);
  startThread(init.value.firstThread!);
  return init;
}

/** Opens a new endpoint as the server's descriptor SERVER_ENDPOINT. */
function giveEndpoint(server: Process): Result<Endpoint> {
  const file = allocateFile(FileKind.UNDECIDED, OpenFlag.READ_WRITE);
  if (!file.ok) return err(file.error);
  const endpoint = createEndpoint(file.value);
  if (!endpoint.ok) return endpoint;
  const descriptor = reserveDescriptor(server.files!, SERVER_ENDPOINT, SERVER_ENDPOINT + 1);
  if (!descriptor.ok) return err(descriptor.error);
  fillDescriptor(server.files!, descriptor.value, file.value, false);
  return endpoint;
}

function giveRoot(init: Process, endpoint: Endpoint): Result<void> {
  const root = allocateFile(FileKind.UNDECIDED, OpenFlag.PATH | OpenFlag.DIRECTORY);
  if (!root.ok) return err(root.error);
  makeRemote(root.value, endpoint, ROOT_BADGE);
  retainFile(root.value);
  setRoot(init.fileContext!, root.value);
  setCurrentDirectory(init.fileContext!, root.value);
  return ok();
}

/** The file server's first steps, in the kernel: its program is in the archive that it is to serve. */
function becomeServer(): void {
  const thread = runningThread()!;
  const path = virt(addressOf(serverPath));
  const found = findFile(path, lengthOf(path));
  const started = found.ok ? startServer(thread, path) : found;
  if (!started.ok) {
    print`[PROCESS] the initramfs has no file server that can be started: error ${started.error}\n`;
    powerOff(NO_INIT_STATUS);
  }
  prepareForUserMode();
}

function startServer(thread: Thread, path: VirtAddr): Result<void> {
  if (!isFoundRegular() || !isFoundExecutable()) return err(Errno.EACCES);
  serverSource.data = foundFile.data;
  serverSource.loaded = foundFile.size;
  serverSource.size = foundFile.size;
  pointers[0] = path;
  pointers[1] = 0n;
  const measured = measure(addressOf(pointers), 0n);
  if (!measured.ok) return measured;
  return acquireExecLock() ? execSource(thread, serverSource, path, lengthOf(path)) : ok();
}

function measure(vector: u64, variables: u64): Result<void> {
  const measured = measureVector(argumentVector, vector, true);
  return measured.ok ? measureVector(environmentVector, variables, true) : measured;
}

/** Init's first steps, in the kernel: the command line's program, else the first of the usual ones. */
function becomeInit(): void {
  environment[0] = addressOf(homeVariable);
  environment[1] = addressOf(terminalVariable);
  environment[2] = 0n;
  const words = initWordCount();
  for (let index: u32 = 0; index < words; index++) pointers[index] = initWord(index);
  pointers[words] = 0n;
  const started = words > 0 ? startInit(initWord(0)) : startUsualInit();
  if (!started.ok) {
    print`[PROCESS] init could not be started: error ${started.error}\n`;
    powerOff(NO_INIT_STATUS);
  }
  prepareForUserMode();
}

function startUsualInit(): Result<void> {
  const first = startAlone(addressOf(usualInit));
  if (first.ok) return first;
  const second = startAlone(addressOf(otherInit));
  if (second.ok) return second;
  const third = startAlone(addressOf(programInit));
  return third.ok ? third : startAlone(addressOf(shellInit));
}

function startAlone(path: VirtAddr): Result<void> {
  pointers[0] = path;
  pointers[1] = 0n;
  return startInit(path);
}

/** Executes a program with the words in `pointers`. */
function startInit(path: VirtAddr): Result<void> {
  if (!acquireExecLock()) return ok();
  const measured = measure(addressOf(pointers), addressOf(environment));
  if (!measured.ok) {
    releaseExecLock();
    return measured;
  }
  return execProcess(path, lengthOf(path));
}

function lengthOf(text: VirtAddr): u64 {
  let length: u64 = 0n;
  while (mem.load8(virt(text + length)) !== 0) length = u64(length + 1n);
  return length;
}
