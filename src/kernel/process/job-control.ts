/**
 * Job control (POSIX.1-2017, 11.1 and kill): which process group the terminal belongs to, and what becomes of groups that
 * nobody is left to look after. There is one terminal.
 */
import { embed, type u32 } from '#dialect';
import { isAlive, type Process } from './pcb.ts';
import { Signal, sendSignal } from './signal-delivery.ts';
import { describeKernelSignal, SignalInfo } from './signal-info.ts';
import { findProcess, MAX_PROCESSES, processInSlot } from './table.ts';

/** The session whose controlling terminal it is, and that session's foreground group; 0 for none. */
let terminalSession: u32 = 0;
let foregroundGroup: u32 = 0;

const info = embed(SignalInfo);

export function sessionOfTerminal(): u32 {
  return terminalSession;
}

export function foregroundOfTerminal(): u32 {
  return foregroundGroup;
}

export function setForeground(group: u32): void {
  foregroundGroup = group;
}

/** Sends a signal of the kernel's own to every process of a group. */
export function signalGroup(group: u32, signal: u32): void {
  if (group === 0) return;
  for (let slot: u32 = 0; slot < MAX_PROCESSES; slot++) {
    const process = processInSlot(slot);
    if (process !== null && process.pgid === group) sendSignal(process, signal, describeKernelSignal(info));
  }
}

/** What a control character does. */
export function signalForeground(signal: u32): void {
  signalGroup(foregroundGroup, signal);
}

/** Gives the terminal to a session, whose leader the process is. */
export function takeTerminal(process: Process): void {
  releaseTerminal();
  process.hasTerminal = true;
  terminalSession = process.sid;
  foregroundGroup = process.pgid;
}

/** Takes the terminal away from the session that has it. */
function releaseTerminal(): void {
  for (let slot: u32 = 0; slot < MAX_PROCESSES && terminalSession !== 0; slot++) {
    const process = processInSlot(slot);
    if (process !== null && process.sid === terminalSession) process.hasTerminal = false;
  }
  terminalSession = 0;
  foregroundGroup = 0;
}

/** A process gives its controlling terminal up: a session leader does so for the session, whose foreground hears of it. */
export function abandonTerminal(process: Process): void {
  if (!process.hasTerminal) return;
  process.hasTerminal = false;
  if (process.sid !== process.pid || terminalSession !== process.sid) return;
  const group = foregroundGroup;
  releaseTerminal();
  signalGroup(group, Signal.SIGHUP);
  signalGroup(group, Signal.SIGCONT);
}

/**
 * True when no process of the group has a parent in another group of its session: nobody is left who could continue it.
 * `ignored` does not count, nor do zombies.
 */
export function isOrphanedGroup(group: u32, ignored: Process | null): boolean {
  for (let slot: u32 = 0; slot < MAX_PROCESSES; slot++) {
    const process = processInSlot(slot);
    if (process === null || process.pgid !== group || process === ignored || !isAlive(process)) continue;
    const parent = process.parent;
    if (parent !== null && parent.pgid !== group && parent.sid === process.sid && isAlive(parent)) return false;
  }
  return true;
}

function hasStopped(group: u32): boolean {
  for (let slot: u32 = 0; slot < MAX_PROCESSES; slot++) {
    const process = processInSlot(slot);
    if (process !== null && process.pgid === group && process.stopSignal !== 0) return true;
  }
  return false;
}

/** A child whose parent is gone may have been its group's last tie to the session: what is stopped there is told. */
export function announceOrphan(child: Process, formerParent: Process): void {
  const group = child.pgid;
  if (formerParent.pgid === group || formerParent.sid !== child.sid) return;
  hangUpIfOrphaned(group, null);
}

/** The same for the group of a process that ends itself. */
export function announceOwnEnd(process: Process): void {
  const parent = process.parent;
  if (parent === null || parent.pgid === process.pgid || parent.sid !== process.sid) return;
  hangUpIfOrphaned(process.pgid, process);
}

function hangUpIfOrphaned(group: u32, ignored: Process | null): void {
  if (!isOrphanedGroup(group, ignored) || !hasStopped(group)) return;
  signalGroup(group, Signal.SIGHUP);
  signalGroup(group, Signal.SIGCONT);
}

/** True when a group exists in a session. */
export function isGroupInSession(group: u32, session: u32): boolean {
  for (let slot: u32 = 0; slot < MAX_PROCESSES; slot++) {
    const process = processInSlot(slot);
    if (process !== null && process.pgid === group && process.sid === session) return true;
  }
  return false;
}

/** Any process of a group; null when there is none. */
export function memberOfGroup(group: u32): Process | null {
  const leader = findProcess(group);
  if (leader !== null && leader.pgid === group) return leader;
  for (let slot: u32 = 0; slot < MAX_PROCESSES; slot++) {
    const process = processInSlot(slot);
    if (process !== null && process.pgid === group) return process;
  }
  return null;
}
