import { beforeEach, describe, expect, it } from 'vitest';
import { complete, execute } from '../../src/debugger/session/commands.ts';
import type { Session } from '../../src/debugger/session/session.ts';
import { debugOurKernel } from './our-kernel.ts';

describe('step: a debugging session on our kernel', () => {
  let session: Session;

  async function run(command: string): Promise<string> {
    return (await execute(session, command)).lines.join('\n');
  }

  beforeEach(async () => {
    ({ session } = await debugOurKernel());
  });

  it('steps one instruction, and several', async () => {
    expect(await run('stepi')).toMatch(/^1 ring 0 boot\.entry\.boot\.\w+\+0x/);
    expect(await run('stepi 3')).toMatch(/^4 ring 0 /);
  });

  it('stops at a symbol and shows its source line and who called it', async () => {
    expect(await run('break forkProcess')).toMatch(/^breakpoint 1 at forkProcess: 0xffffffff8/);
    const stopped = await run('continue');
    expect(stopped).toContain('breakpoint at 0x');
    expect(stopped).toMatch(/src\/kernel\/process\/fork\.ts:\d+ +export function forkProcess/);
    expect(await run('backtrace')).toMatch(/#0 process\.fork\.forkProcess .*\n#1 .*dispatchSystemCall/);
    expect(await run('list 1')).toMatch(/=> +\d+ +export function forkProcess[\s\S]*push rbp/);
  });

  it('stops at a line of a user program, knowing which program runs', async () => {
    expect(await run('break src/user/init.ts:110')).toMatch(/^breakpoint 1 at src\/user\/init\.ts:110: 0x40/);
    await run('continue');
    expect(session.target.state.cpl).toBe(3);
    expect(session.image?.name).toBe('bin/init');
    expect(session.position?.file).toMatch(/src\/user\/init\.ts$/);
  });

  it('stops at an address, and shows source beside disassembly', async () => {
    const address = /0xffffffff8\w+/.exec(await run('break forkProcess'))![0];
    await run('delete 1');
    expect(await run(`break ${address}`)).toMatch(new RegExp(`^breakpoint \\d at ${address}: ${address}$`));
    await run('continue');
    expect(session.target.state.rip).toBe(BigInt(address));
    expect(await run('list 2')).toMatch(/=> +\d+ +export function forkProcess.*\n.*0xffffffff8\w+ .*push rbp/);
  });

  it('steps source lines into calls, over calls, and out of them', async () => {
    await run('break dispatchSystemCall');
    await run('continue');
    const first = session.position;
    await run('step');
    expect(session.position).not.toEqual(first);
    await run('delete 1');
    await run('until forkProcess');
    await run('next');
    await run('next');
    expect(session.function?.name).toMatch(/forkProcess$/);
    await run('finish');
    expect(session.function?.name).not.toMatch(/forkProcess$/);
  });

  it('stops when memory is written', async () => {
    await run('until forkProcess');
    const before = session.target.instructionCount;
    expect(await run('watch rsp-64 64')).toMatch(/^watchpoint 1 on 64 bytes/);
    expect(await run('continue')).toMatch(/^wrote to 0x/);
    expect(session.target.instructionCount).toBeLessThan(before + 100);
  });

  it('shows registers, memory, stack, locals and variables', async () => {
    await run('until forkProcess');
    expect(await run('registers rip rflags')).toMatch(
      /rip +0xffffffff8\w+ +process\.fork\.forkProcess\nrflags +0x\w+ \[/,
    );
    expect(await run('memory rip 16')).toMatch(/^0xffffffff8\w{7} {2}55 /);
    expect((await run('stack 4')).split('\n')).toHaveLength(4);
    expect(await run('locals')).toContain('request: CloneRequest*');
    expect(await run('disassemble forkProcess 3')).toMatch(/push rbp\n.*mov rbp, rsp\n/);
  });

  it('walks page tables and shows GDT and IDT', async () => {
    await run('until forkProcess');
    expect(await run('walk rip')).toMatch(/PML4 \[511\][\s\S]*PDPT[\s\S]*PD [\s\S]*physical 0x/);
    expect(await run('walk 0x10')).toContain('not mapped');
    expect(await run('gdt')).toMatch(/64-bit code, dpl 0[\s\S]*64-bit code, dpl 3/);
    expect(await run('idt')).toMatch(/ 14 {2}0x0008:.*pageFault {2}interrupt gate/);
  });

  it('shows the process table out of guest memory', async () => {
    await run('until forkProcess');
    const rows = (await run('processes')).split('\n');
    expect(rows[0]).toMatch(/PID +PPID +PGID +SID +THREADS +STATE +NAME/);
    expect(rows[1]).toMatch(/^ +1 +0 .* Alive +init$/);
  });

  it('says what is wrong with a command in one line', async () => {
    expect(await run('frobnicate')).toBe("'frobnicate' is not a command; 'help' lists them");
    expect(await run('break nowhere')).toBe("no image has a symbol 'nowhere'");
    expect(await run('break fork.ts:99999')).toContain('no code was made from fork.ts:99999');
    expect(await run('stepi many')).toBe("'many' is not a count: give a whole number from 1");
    expect(await run('delete 7')).toContain('there is no breakpoint 7');
    expect(await run('memory')).toBe('the address to show is missing');
    expect(await run('finish')).toContain('no frame');
  });

  it('runs to the end and says how it ended', async () => {
    expect(await run('continue')).toContain('the machine powered off with status 0');
  });

  it('lists every command in its help, and completes commands, symbols and registers', async () => {
    const help = await run('help');
    for (const name of ['stepi', 'next', 'finish', 'watch', 'walk', 'processes', 'quit']) expect(help).toContain(name);
    expect(complete(session, 'st')).toEqual(['stepi', 'step', 'stack']);
    expect(complete(session, 'break process.fork.forkP')).toEqual(['break process.fork.forkProcess']);
    expect(complete(session, 'break forkPro')).toEqual(['break forkProcess']);
    expect(complete(session, 'registers r1')).toContain('registers r15');
  });
});
