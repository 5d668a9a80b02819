/** The text of /proc's files (proc(5)), in the order and units of Linux. */
import { addressOf, aligned, array, embed, mem, syscall, u8, type u32, u64, virt } from '#dialect';
import { VerdigrisCall } from '../../../kernel/abi/calls.ts';
import { AreaRecord, NAME_LENGTH } from '../../../kernel/abi/process.ts';
import { findProcess, nextProcess, processRecord } from '../../runtime/process-records.ts';
import { monotonicTime } from '../../runtime/system-calls.ts';
import { readSystemInformation, systemInformation } from '../../runtime/system-information.ts';
import { type Node, Source } from './node.ts';
import { TextWriter } from './text.ts';

const writer = new TextWriter();
/** States as the records have them. */
const RUNNING = 82;
const SLEEPING = 83;
const STOPPED = 84;
const NANOSECONDS_PER_HUNDREDTH = 10_000_000n;
const HUNDREDTHS = 100n;
const PAGE_KIB = 4n;
const KIB = 1024n;
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXECUTE = 4;
const AREA_SHARED = 1;

/** Makes the content of a file of /proc. */
export function fillProcessFile(node: Node): void {
  writer.node = node;
  if (node.source === Source.UPTIME) writeUptime();
  else if (node.source === Source.MEMINFO) writeMemory();
  else if (node.source === Source.MOUNTS) writer.text('files / tmpfs rw 0 0\nproc /proc proc rw 0 0\n');
  else if (node.source === Source.VERSION) writer.text('Verdigris version 6.1.0\n');
  else if (node.source === Source.FILESYSTEMS) writer.text('nodev\ttmpfs\nnodev\tproc\n');
  else if (node.source === Source.LOADAVG) writeLoad();
  else if (node.source === Source.CMDLINE) writeArguments(node.pid);
  else if (node.source === Source.MAPS) writeAreas(node.pid);
  else if (findProcess(node.pid)) fillFromRecord(node.source);
}

function fillFromRecord(source: Source): void {
  if (source === Source.STAT) writeStat();
  else if (source === Source.STATUS) writeStatus();
  else if (source === Source.COMM) writeName(true);
}

function writeHundredths(value: u64): void {
  writer.decimal(u64(value / HUNDREDTHS));
  writer.text(value % HUNDREDTHS < 10n ? '.0' : '.');
  writer.decimal(u64(value % HUNDREDTHS));
}

function writeUptime(): void {
  const uptime = u64(monotonicTime() / NANOSECONDS_PER_HUNDREDTH);
  writeHundredths(uptime);
  writer.text(' 0.00\n');
}

function writeKib(title: string, bytes: u64): void {
  writer.text(title);
  writer.decimal(u64(bytes / KIB));
  writer.text(' kB\n');
}

function writeMemory(): void {
  readSystemInformation();
  writeKib('MemTotal:       ', systemInformation.totalMemory);
  writeKib('MemFree:        ', systemInformation.freeMemory);
  writeKib('MemAvailable:   ', systemInformation.freeMemory);
  writer.text('Buffers:        0 kB\nCached:         0 kB\n');
  writer.text('SwapTotal:      0 kB\nSwapFree:       0 kB\n');
}

function writeLoad(): void {
  let running: u64 = 0n;
  let all: u64 = 0n;
  let last: u32 = 0;
  for (;;) {
    const pid = nextProcess(last);
    if (pid === 0) break;
    last = pid;
    all = u64(all + 1n);
    if (processRecord.state === RUNNING) running = u64(running + 1n);
  }
  writer.text('0.00 0.00 0.00 ');
  writer.decimal(running);
  writer.text('/');
  writer.decimal(all);
  writer.text(' ');
  writer.decimal(u64(last));
  writer.text('\n');
}

function writeName(endsLine: boolean): void {
  let length: u64 = 0n;
  const name = addressOf(processRecord.name);
  while (length < u64(NAME_LENGTH) && mem.load8(virt(name + length)) !== 0) length = u64(length + 1n);
  writer.bytes(name, length);
  if (endsLine) writer.text('\n');
}

function writeState(): void {
  if (processRecord.state === RUNNING) writer.text('R');
  else if (processRecord.state === SLEEPING) writer.text('S');
  else if (processRecord.state === STOPPED) writer.text('T');
  else writer.text('Z');
}

function writeField(value: u64): void {
  writer.text(' ');
  writer.decimal(value);
}

/** Zeros for `count` fields that this kernel keeps no account of. */
function writeZeros(count: u32): void {
  for (let index: u32 = 0; index < count; index++) writer.text(' 0');
}

/** Fields 1 to 52 of /proc/pid/stat. */
function writeStat(): void {
  writer.decimal(u64(processRecord.pid));
  writer.text(' (');
  writeName(false);
  writer.text(') ');
  writeState();
  writeField(u64(processRecord.parent));
  writeField(u64(processRecord.group));
  writeField(u64(processRecord.session));
  writer.text(' 1025 ');
  writer.decimal(u64(processRecord.group));
  writeZeros(5);
  writeField(processRecord.ticks);
  writeZeros(3);
  writer.text(' 20 0');
  writeField(u64(processRecord.threads));
  writeZeros(2);
  writeField(u64(processRecord.residentPages * PAGE_KIB * KIB));
  writeField(processRecord.residentPages);
  writeZeros(28);
  writer.text('\n');
}

function writeLine(title: string, value: u64): void {
  writer.text(title);
  writer.decimal(value);
  writer.text('\n');
}

function writeStatus(): void {
  writer.text('Name:\t');
  writeName(true);
  writer.text('State:\t');
  writeState();
  if (processRecord.state === RUNNING) writer.text(' (running)\n');
  else if (processRecord.state === SLEEPING) writer.text(' (sleeping)\n');
  else if (processRecord.state === STOPPED) writer.text(' (stopped)\n');
  else writer.text(' (zombie)\n');
  writeLine('Tgid:\t', u64(processRecord.pid));
  writeLine('Pid:\t', u64(processRecord.pid));
  writeLine('PPid:\t', u64(processRecord.parent));
  writeIdentity('Uid:\t');
  writeIdentity('Gid:\t');
  writeKib('VmRSS:\t', u64(processRecord.residentPages * PAGE_KIB * KIB));
  writeLine('Threads:\t', u64(processRecord.threads));
}

/** Real, effective, saved and file system identity. */
function writeIdentity(title: string): void {
  writer.text(title);
  writer.decimal(u64(processRecord.user));
  for (let index: u32 = 1; index < 4; index++) {
    writer.text('\t');
    writer.decimal(u64(processRecord.user));
  }
  writer.text('\n');
}

const LONGEST_ARGUMENTS = 4096;
const words = aligned(16, array(u8, LONGEST_ARGUMENTS));

function writeArguments(pid: u32): void {
  const length = syscall(u64(VerdigrisCall.process_arguments), u64(pid), addressOf(words), u64(LONGEST_ARGUMENTS));
  if (length > 0n) writer.bytes(addressOf(words), u64(length));
}

const area = embed(AreaRecord);
const ADDRESS_DIGITS = 8;

/** start-end perms offset device inode, a line an area. */
function writeAreas(pid: u32): void {
  let cursor: u64 = 0n;
  while (syscall(u64(VerdigrisCall.process_areas), u64(pid), cursor, addressOf(area)) > 0n) {
    writer.hexadecimal(area.start, ADDRESS_DIGITS);
    writer.text('-');
    writer.hexadecimal(area.end, ADDRESS_DIGITS);
    writer.text((area.protection & PROT_READ) !== 0 ? ' r' : ' -');
    writer.text((area.protection & PROT_WRITE) !== 0 ? 'w' : '-');
    writer.text((area.protection & PROT_EXECUTE) !== 0 ? 'x' : '-');
    writer.text((area.flags & AREA_SHARED) !== 0 ? 's' : 'p');
    writer.text(' 00000000 00:00 0\n');
    cursor = area.end;
  }
}
