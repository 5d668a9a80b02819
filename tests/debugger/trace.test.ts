import { beforeAll, describe, expect, it } from 'vitest';
import { type SystemCallEntry, traceSystemCalls } from '../../src/debugger/system-calls.ts';
import { formatTraceEntry, type TraceEntry, traceEntryToJson, traceStep } from '../../src/debugger/trace.ts';
import { SystemCall } from '../../src/kernel/syscall/numbers.ts';
import { debugOurKernel } from './our-kernel.ts';

describe('trace: a line an instruction', () => {
  let entries: TraceEntry[];

  beforeAll(async () => {
    const { target, session } = await debugOurKernel();
    await session.runTo(session.findSymbol('runFault'));
    entries = [];
    while (entries.length < 100) entries.push(traceStep(target, session.images));
  });

  it('gives count, ring, RIP, symbol, TypeScript line and disassembly', () => {
    const [first] = entries;
    expect(first?.ring).toBe(3);
    expect(first?.symbol).toBe('init.runFault');
    expect(first?.position?.file).toMatch(/src\/user\/init\.ts$/);
    expect(first?.text).toBe('push rbp');
    expect(entries[1]!.count).toBe(first!.count + 1);
  });

  it('gives the registers and the memory that changed', () => {
    const [push, move] = entries;
    expect(push?.registers.map(([name]) => name)).toEqual(['rsp']);
    expect(push?.memory).toHaveLength(1);
    expect(push?.memory[0]?.bytes).toHaveLength(8);
    expect(push?.memory[0]?.address).toBe(push?.registers[0]?.[1]);
    expect(move?.text).toBe('mov rbp, rsp');
    expect(formatTraceEntry(push!)).toMatch(
      /^ +\d+ r3 0000000000\w+ init\.runFault .*init\.ts:\d+ +push rbp +rsp=0x\w+ \[0x\w+\]=0x/,
    );
  });

  it('gives faults inline with vector, error code and address', { timeout: 120_000 }, async () => {
    const found = await debugOurKernel();
    while (found.target.state.get64('cr2') !== 8n)
      await found.session.runTo(found.session.findSymbol('traps.pageFault'));
    const { target, session } = await debugOurKernel();
    await target.resume(found.target.instructionCount);
    const fault = traceStep(target, session.images);
    expect(formatTraceEntry(fault)).toMatch(/\n +\*\* exception #PF error 0x[46] address 0x8 from 0x/);
    expect(traceEntryToJson(fault)).toMatchObject({ events: [{ kind: 'exception', vector: 14, address: '0x8' }] });
  });

  it('follows execution from ring 3 into the kernel and names its lines', () => {
    const inKernel = entries.find((entry) => entry.ring === 0);
    expect(inKernel?.position?.file).toMatch(/src\/kernel\//);
  });
});

describe('trace --syscalls: a line a system call', () => {
  it('reports number, arguments, program and result of each', { timeout: 120_000 }, async () => {
    const { target, session } = await debugOurKernel();
    const calls: SystemCallEntry[] = [];
    const trace = traceSystemCalls(target, session.images, Number.MAX_SAFE_INTEGER);
    let step = await trace.next();
    for (; !step.done; step = await trace.next()) calls.push(step.value);
    expect(step.value).toBe('the machine powered off with status 0');
    const of = (number: number) => calls.filter((call) => call.number === number);
    expect(of(SystemCall.getpid)[0]).toMatchObject({ program: 'bin/init', result: 1n });
    expect(
      of(SystemCall.clone)
        .slice(0, 4)
        .map((call) => call.result),
    ).toEqual([3n, 4n, 5n, 6n]);
    expect(of(SystemCall.execve).map((call) => call.result)).toContain(undefined);
    expect(of(SystemCall.exit_group).every((call) => call.result === undefined)).toBe(true);
  });
});
