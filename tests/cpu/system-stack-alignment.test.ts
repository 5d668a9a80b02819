import { expect, it } from 'vitest';
import type { CpuEvent } from '../../src/cpu/cpu.ts';
import { CODE, DATA, longModeCpu } from './long-mode.ts';

const PUSH_RAX = 0x50;
const HLT = 0xf4;

/**
 * The bootstrap of the seed kernel: a function entered by CALL pushes six registers and keeps RSP as the kernel stack; a system call
 * starts there, pushes fourteen registers and calls its handler, which spills an SSE register to its aligned frame.
 *
 * @param correction bytes taken off the kernel stack before it is used
 */
function bootstrap(correction: number): number[] {
  return [
    ...[0xe8, 0x01, 0x00, 0x00, 0x00], // call bootstrap
    HLT,
    ...new Array<number>(6).fill(PUSH_RAX),
    ...[0x48, 0x89, 0x24, 0x25, DATA & 0xff, (DATA >> 8) & 0xff, DATA >> 16, 0x00], // mov [kernel_rsp], rsp
    ...[0x48, 0x8b, 0x24, 0x25, DATA & 0xff, (DATA >> 8) & 0xff, DATA >> 16, 0x00], // mov rsp, [kernel_rsp]
    ...[0x48, 0x83, 0xec, correction], // sub rsp, correction
    ...new Array<number>(14).fill(PUSH_RAX),
    ...[0xe8, 0x01, 0x00, 0x00, 0x00], // call handler
    HLT,
    ...[0x48, 0x83, 0xec, 0x18], // sub rsp, 24: aligned, if RSP was 8 modulo 16 on entry
    ...[0x0f, 0x29, 0x04, 0x24], // movaps [rsp], xmm0
    HLT,
  ];
}

function run(correction: number): { events: CpuEvent[]; rip: bigint; entry: bigint } {
  const code = bootstrap(correction);
  const cpu = longModeCpu(code);
  const events: CpuEvent[] = [];
  cpu.onEvent = (event) => events.push(event);
  cpu.run(100);
  return { events, rip: BigInt(CODE + code.length - 5), entry: cpu.state.gpr(4) + 24n };
}

it('six pushes after a call leave the kernel stack off by eight, and the handler faults on MOVAPS with #GP(0)', () => {
  const { events, rip } = run(0);
  expect(events[0]).toMatchObject({ kind: 'exception', vector: 13, errorCode: 0, rip });
});

it('eight bytes more and the same handler runs', () => {
  const { events, entry } = run(8);
  expect(events).toEqual([]);
  expect(entry % 16n).toBe(8n);
});
