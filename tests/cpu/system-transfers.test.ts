import { describe, expect, it } from 'vitest';
import { FLAG } from '../../src/cpu/flags.ts';
import { DS, ES, FS, GS, SS, TR } from '../../src/cpu/layout.ts';
import { Cr4, Efer } from '../../src/cpu/system/control-bits.ts';
import { handler, Place, type Raised, Selector, SystemFixture, segmentDescriptor } from './system-fixture.ts';

const [RCX, RSP, R11] = [1, 4, 11];
const NON_CANONICAL = 0x8000_0000_0000n;

/** Puts words on the stack, the first on top. */
function stack(fixture: SystemFixture, ...words: bigint[]): void {
  const top = Place.STACK - words.length * 8;
  for (const [i, word] of words.entries()) fixture.write64(top + i * 8, word);
  fixture.state.setGpr(RSP, BigInt(top));
}

const gp = (errorCode: number): Raised => ({ vector: 13, errorCode });
const np = (errorCode: number): Raised => ({ vector: 11, errorCode });
const ss = (errorCode: number): Raised => ({ vector: 12, errorCode });

describe('IRETQ (SDM vol. 2A, IRET/IRETD/IRETQ: Operation)', () => {
  const IRETQ = [0x48, 0xcf] as const;

  interface Frame {
    rip?: bigint;
    cs?: number;
    flags?: number;
    rsp?: bigint;
    ss?: number;
  }

  function returnTo(fixture: SystemFixture, frame: Frame): Raised | undefined {
    const { rip = 0x5000n, cs = Selector.CODE, flags = 2, rsp = 0x6000n, ss: stackSelector = Selector.DATA } = frame;
    stack(fixture, rip, BigInt(cs), BigInt(flags), rsp, BigInt(stackSelector));
    return fixture.execute(...IRETQ);
  }

  const user = { cs: Selector.USER_CODE, ss: Selector.USER_DATA };

  it('returns to ring 3 with every part of the frame', () => {
    const fixture = new SystemFixture();
    expect(returnTo(fixture, { ...user, flags: FLAG.IF | FLAG.CF | FLAG.ID })).toBeUndefined();
    const { state } = fixture;
    expect([state.rip, state.gpr(RSP), state.cpl]).toEqual([0x5000n, 0x6000n, 3]);
    expect([state.cs.selector, state.ss.selector]).toEqual([Selector.USER_CODE, Selector.USER_DATA]);
    expect(state.rflags).toBe(FLAG.IF | FLAG.CF | FLAG.ID | 2);
  });

  it('pops SS:RSP within a ring too', () => {
    const fixture = new SystemFixture();
    expect(returnTo(fixture, {})).toBeUndefined();
    expect(fixture.state.gpr(RSP)).toBe(0x6000n);
  });

  it.each<[string, Frame, Raised]>([
    ['null CS', { cs: 0 }, gp(0)],
    ['null CS with an RPL', { cs: 3 }, gp(0)],
    ['CS beyond the table', { cs: 0x100 }, gp(0x100)],
    ['CS in an absent LDT', { cs: 0x0c }, gp(0x0c)],
    ['CS is a data segment', { cs: Selector.DATA }, gp(Selector.DATA)],
    ['CS is a system segment', { cs: Selector.TSS }, gp(Selector.TSS)],
    ['DPL is not RPL', { cs: Selector.CODE | 3, ss: Selector.USER_DATA }, gp(Selector.CODE)],
    ['CS is absent', { cs: Selector.ABSENT_CODE }, np(Selector.ABSENT_CODE)],
    ['CS has L and D', { cs: Selector.LONG_AND_BIG }, gp(Selector.LONG_AND_BIG)],
    ['SS beyond the table', { ...user, ss: 0x103 }, gp(0x100)],
    ['null SS for ring 3', { ...user, ss: 0 }, gp(0)],
    ['null SS for 32-bit code', { cs: Selector.CODE_32, ss: 0 }, gp(0)],
    ['SS RPL is not CS RPL', { ...user, ss: Selector.USER_DATA & ~3 }, gp(Selector.USER_DATA & ~3)],
    ['SS is not writable', { ss: Selector.READ_ONLY }, gp(Selector.READ_ONLY)],
    ['SS is code', { ss: Selector.CODE }, gp(Selector.CODE)],
    ['SS DPL is not RPL', { ...user, ss: Selector.DATA | 3 }, gp(Selector.DATA)],
    ['SS is absent', { ss: Selector.ABSENT_DATA }, ss(Selector.ABSENT_DATA)],
    ['RIP is not canonical', { ...user, rip: NON_CANONICAL }, gp(0)],
    ['EIP beyond the limit', { ...user, cs: Selector.USER_CODE_32, rip: 0x1_0000_0000n }, gp(0)],
  ])('%s', (_name, frame, expected) => {
    const fixture = new SystemFixture();
    const before = fixture.state.u8.slice(0x10000, 0x10400);
    expect(returnTo(fixture, frame)).toEqual(expected);
    fixture.state.setGpr(RSP, BigInt(Place.STACK));
    expect(fixture.state.u8.slice(0x10000, 0x10400)).toEqual(before);
  });

  it('a null SS is right for 64-bit code inside ring 3', () => {
    const fixture = new SystemFixture();
    expect(returnTo(fixture, { ss: 0 })).toBeUndefined();
    expect(fixture.state.ss.selector).toBe(0);
  });

  it('RSP need not be canonical', () => {
    expect(returnTo(new SystemFixture(), { ...user, rsp: NON_CANONICAL })).toBeUndefined();
  });

  it('a return inward is refused', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(returnTo(fixture, {})).toEqual(gp(Selector.CODE));
  });

  it('a conforming segment may have a lower DPL', () => {
    const fixture = new SystemFixture();
    expect(returnTo(fixture, { cs: Selector.CONFORMING | 3, ss: Selector.USER_DATA })).toBeUndefined();
    expect(fixture.state.cpl).toBe(3);
  });

  it('NT raises #GP(0) in IA-32e mode', () => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.NT;
    expect(returnTo(fixture, {})).toEqual(gp(0));
  });

  it('ring 3 changes neither IOPL nor IF', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(returnTo(fixture, { ...user, flags: FLAG.IF | FLAG.IOPL | FLAG.ZF | FLAG.AC })).toBeUndefined();
    expect(fixture.state.rflags).toBe(FLAG.ZF | FLAG.AC | 2);
  });

  it('ring 3 with IOPL 3 changes IF', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    fixture.state.rflags = FLAG.IOPL;
    expect(returnTo(fixture, { ...user, flags: FLAG.IF })).toBeUndefined();
    expect(fixture.state.rflags).toBe(FLAG.IF | FLAG.IOPL | 2);
  });

  it('loads RF, which holds for one instruction', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RSP, BigInt(Place.STACK - 40));
    stack(
      fixture,
      BigInt(Place.DATA),
      BigInt(Selector.CODE),
      BigInt(FLAG.RF | 2),
      BigInt(Place.STACK),
      BigInt(Selector.DATA),
    );
    fixture.step(...IRETQ);
    expect(fixture.state.rflags & FLAG.RF).toBe(FLAG.RF);
    expect(fixture.system.mustStep).toBe(true);
    fixture.step(0x0f, 0x08);
    expect(fixture.state.rflags & FLAG.RF).toBe(0);
  });

  it('clears data segments the outer ring may not hold, and leaves a null FS with its base', () => {
    const fixture = new SystemFixture();
    fixture.system.segments.fill(FS, 0, 0x1_0000, 0x1234n, 0);
    fixture.system.segments.fill(GS, Selector.DATA, 0xc093, 0x5678n, 0xffff_ffff);
    fixture.system.segments.fill(ES, Selector.USER_DATA, 0xc0f3, 0n, 0xffff_ffff);
    expect(returnTo(fixture, user)).toBeUndefined();
    const { segments } = fixture.state;
    expect(segments[DS]?.selector).toBe(0);
    expect(segments[ES]?.selector).toBe(Selector.USER_DATA);
    expect(segments[FS]?.base).toBe(0x1234n);
    expect(segments[GS]?.base).toBe(0n);
  });

  it('enters compatibility mode', () => {
    const fixture = new SystemFixture();
    const frame = { cs: Selector.USER_CODE_32, ss: Selector.USER_DATA, rsp: 0x1_2345_6789n };
    expect(returnTo(fixture, frame)).toBeUndefined();
    expect(fixture.codeSize).toBe(32);
    expect(fixture.state.gpr(RSP)).toBe(0x2345_6789n);
  });

  it('a frame in an unmapped page is a page fault that changes nothing', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RSP, 0x7f_fff8n);
    expect(fixture.execute(...IRETQ)).toEqual({ vector: 14, errorCode: 0 });
    expect(fixture.state.gpr(RSP)).toBe(0x7f_fff8n);
  });

  it('IRETD pops 32-bit words', () => {
    const fixture = new SystemFixture();
    const words = [0x5000, Selector.CODE, FLAG.ZF, 0x6000, Selector.DATA];
    for (const [i, word] of words.entries()) fixture.write32(Place.STACK + i * 4, word);
    expect(fixture.execute(0xcf)).toBeUndefined();
    expect([fixture.state.rip, fixture.state.gpr(RSP), fixture.state.rflags]).toEqual([0x5000n, 0x6000n, FLAG.ZF | 2]);
  });
});

describe('SYSCALL and SYSRET', () => {
  it('SYSCALL saves RIP and RFLAGS and masks with SFMASK', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    fixture.state.rflags = FLAG.IF | FLAG.DF | FLAG.CF;
    fixture.state.set64('sfmask', BigInt(FLAG.IF | FLAG.DF));
    expect(fixture.execute(0x0f, 0x05)).toBeUndefined();
    const { state } = fixture;
    expect(state.gpr(RCX)).toBe(BigInt(Place.CODE + 2));
    expect(state.gpr(R11)).toBe(BigInt(FLAG.IF | FLAG.DF | FLAG.CF | 2));
    expect(state.rip).toBe(handler(0));
    expect(state.rflags).toBe(FLAG.CF | 2);
    expect([state.cs.selector, state.ss.selector, state.cpl]).toEqual([0x08, 0x10, 0]);
    expect(state.gpr(RSP)).toBe(BigInt(Place.STACK));
    expect([state.cs.attributes, state.ss.attributes]).toEqual([0xa09b, 0xc093]);
  });

  it('SYSRETQ restores RIP and the flags of R11, and loads CS 2B, SS 23', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RCX, 0x5000n);
    fixture.state.setGpr(R11, 0xffff_ffffn);
    expect(fixture.execute(0x48, 0x0f, 0x07)).toBeUndefined();
    const { state } = fixture;
    expect([state.rip, state.cpl, state.cs.selector, state.ss.selector]).toEqual([0x5000n, 3, 0x2b, 0x23]);
    expect(state.rflags).toBe(0x3c_7fd7 & ~FLAG.VM);
    expect([state.cs.attributes, state.ss.attributes]).toEqual([0xa0fb, 0xc0f3]);
  });

  it('SYSRETL returns to 32-bit code', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RCX, 0x1_0000_5000n);
    expect(fixture.execute(0x0f, 0x07)).toBeUndefined();
    expect([fixture.state.rip, fixture.state.cs.selector, fixture.codeSize]).toEqual([0x5000n, 0x1b, 32]);
  });

  it('SYSRETQ refuses a non-canonical RIP in ring 0', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RCX, NON_CANONICAL);
    expect(fixture.execute(0x48, 0x0f, 0x07)).toEqual(gp(0));
    expect(fixture.state.cpl).toBe(0);
  });

  it('SYSRET is privileged', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(fixture.execute(0x48, 0x0f, 0x07)).toEqual(gp(0));
  });

  it('both are undefined without EFER.SCE', () => {
    const fixture = new SystemFixture();
    fixture.state.set64('efer', fixture.state.get64('efer') & ~BigInt(Efer.SCE));
    expect(fixture.execute(0x0f, 0x05)).toEqual({ vector: 6, errorCode: undefined });
    expect(fixture.execute(0x48, 0x0f, 0x07)).toEqual({ vector: 6, errorCode: undefined });
  });
});

describe('SYSENTER and SYSEXIT', () => {
  it('SYSENTER loads flat segments, RSP and RIP from the MSRs', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    fixture.state.rflags = FLAG.IF;
    expect(fixture.execute(0x0f, 0x34)).toEqual(gp(0));
    fixture.state.set64('sysenterCs', 8n);
    fixture.state.set64('sysenterEsp', 0x7000n);
    fixture.state.set64('sysenterEip', 0x5000n);
    expect(fixture.execute(0x0f, 0x34)).toBeUndefined();
    const { state } = fixture;
    expect([state.rip, state.gpr(RSP), state.cpl, state.rflags & FLAG.IF]).toEqual([0x5000n, 0x7000n, 0, 0]);
    expect([state.cs.selector, state.ss.selector]).toEqual([8, 0x10]);
  });

  it('SYSEXIT returns to RDX and RCX', () => {
    const fixture = new SystemFixture();
    fixture.state.set64('sysenterCs', 8n);
    fixture.state.setGpr(2, 0x5000n);
    fixture.state.setGpr(RCX, 0x6000n);
    expect(fixture.execute(0x48, 0x0f, 0x35)).toBeUndefined();
    const { state } = fixture;
    expect([state.rip, state.gpr(RSP), state.cs.selector, state.ss.selector]).toEqual([0x5000n, 0x6000n, 0x2b, 0x33]);
  });
});

describe('SWAPGS and the base instructions', () => {
  it('SWAPGS exchanges the bases and is privileged', () => {
    const fixture = new SystemFixture();
    fixture.system.segments.fill(GS, 0, 0x1_0000, 0x1111n, 0);
    fixture.state.set64('kernelGsBase', 0x2222n);
    expect(fixture.execute(0x0f, 0x01, 0xf8)).toBeUndefined();
    expect(fixture.state.segments[GS]?.base).toBe(0x2222n);
    expect(fixture.state.get64('kernelGsBase')).toBe(0x1111n);
    fixture.enterRing3();
    expect(fixture.execute(0x0f, 0x01, 0xf8)).toEqual(gp(0));
  });

  it('WRFSBASE and RDFSBASE move 64 and 32 bits', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(0, 0x1234_5678_9abcn);
    expect(fixture.execute(0xf3, 0x48, 0x0f, 0xae, 0xd0)).toBeUndefined(); // wrfsbase rax
    expect(fixture.execute(0xf3, 0x48, 0x0f, 0xae, 0xc1)).toBeUndefined(); // rdfsbase rcx
    expect(fixture.state.gpr(RCX)).toBe(0x1234_5678_9abcn);
    fixture.execute(0xf3, 0x0f, 0xae, 0xc1); // rdfsbase ecx
    expect(fixture.state.gpr(RCX)).toBe(0x5678_9abcn);
    fixture.state.setGpr(0, NON_CANONICAL);
    expect(fixture.execute(0xf3, 0x48, 0x0f, 0xae, 0xd8)).toEqual(gp(0)); // wrgsbase rax
  });

  it('needs CR4.FSGSBASE', () => {
    const fixture = new SystemFixture();
    fixture.state.set64('cr4', BigInt(Cr4.PAE));
    expect(fixture.execute(0xf3, 0x48, 0x0f, 0xae, 0xc1)).toEqual({ vector: 6, errorCode: undefined });
  });
});

describe('far JMP, CALL and RET', () => {
  function far(fixture: SystemFixture, selector: number, offset: bigint): void {
    fixture.write64(Place.DATA, offset);
    fixture.write64(Place.DATA + 8, BigInt(selector));
    fixture.state.setGpr(0, BigInt(Place.DATA));
  }
  const JMP = [0x48, 0xff, 0x28] as const; // jmp far [rax]
  const CALL = [0x48, 0xff, 0x18] as const; // call far [rax]
  const RETFQ = [0x48, 0xcb] as const;

  it('JMP changes CS and RIP', () => {
    const fixture = new SystemFixture();
    far(fixture, Selector.CONFORMING, 0x5000n);
    expect(fixture.execute(...JMP)).toBeUndefined();
    expect([fixture.state.rip, fixture.state.cs.selector]).toEqual([0x5000n, Selector.CONFORMING]);
  });

  it.each<[string, number, bigint, Raised]>([
    ['null', 0, 0n, gp(0)],
    ['beyond the table', 0x200, 0n, gp(0x200)],
    ['data', Selector.DATA, 0n, gp(Selector.DATA)],
    ['outer ring', Selector.USER_CODE, 0n, gp(0x28)],
    ['RPL above CPL', Selector.CODE | 3, 0n, gp(Selector.CODE)],
    ['absent', Selector.ABSENT_CODE, 0n, np(Selector.ABSENT_CODE)],
    ['L and D', Selector.LONG_AND_BIG, 0n, gp(Selector.LONG_AND_BIG)],
    ['TSS', Selector.TSS, 0n, gp(Selector.TSS)],
    ['offset not canonical', Selector.CODE, NON_CANONICAL, gp(0)],
    ['offset beyond a 32-bit limit', Selector.CODE_32, 0x1_0000_0000n, gp(0)],
  ])('JMP to %s', (_name, selector, offset, expected) => {
    const fixture = new SystemFixture();
    far(fixture, selector, offset);
    expect(fixture.execute(...JMP)).toEqual(expected);
  });

  it('CALL and RET are inverses', () => {
    const fixture = new SystemFixture();
    far(fixture, Selector.CODE, 0x10_0800n);
    expect(fixture.execute(...CALL)).toBeUndefined();
    expect(fixture.frame(2)).toEqual([BigInt(Place.CODE + 3), BigInt(Selector.CODE)]);
    expect(fixture.execute(...RETFQ)).toBeUndefined();
    expect([fixture.state.rip, fixture.state.gpr(RSP)]).toEqual([BigInt(Place.CODE + 3), BigInt(Place.STACK)]);
  });

  it('RET n releases parameters', () => {
    const fixture = new SystemFixture();
    stack(fixture, 0x5000n, BigInt(Selector.CODE), 1n, 2n);
    expect(fixture.execute(0x48, 0xca, 0x10, 0x00)).toBeUndefined();
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.STACK));
  });

  it('RET to ring 3 pops SS:RSP', () => {
    const fixture = new SystemFixture();
    stack(fixture, 0x5000n, BigInt(Selector.USER_CODE), 0x6000n, BigInt(Selector.USER_DATA));
    expect(fixture.execute(...RETFQ)).toBeUndefined();
    expect([fixture.state.cpl, fixture.state.gpr(RSP)]).toEqual([3, 0x6000n]);
  });

  it('a call gate takes ring 3 to RSP0 with a null SS', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    far(fixture, Selector.GATE | 3, 0n);
    expect(fixture.execute(...CALL)).toBeUndefined();
    const { state } = fixture;
    expect([state.rip, state.cpl, state.ss.selector]).toEqual([BigInt(Place.HANDLERS), 0, 0]);
    expect(fixture.frame(4)).toEqual([
      BigInt(Place.CODE + 3),
      BigInt(Selector.USER_CODE),
      BigInt(Place.STACK),
      BigInt(Selector.USER_DATA),
    ]);
  });

  it('JMP through a gate cannot change ring', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    far(fixture, Selector.GATE | 3, 0n);
    expect(fixture.execute(...JMP)).toEqual(gp(Selector.CODE));
  });

  it('a gate whose DPL is below the ring is refused', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.GDT + Selector.GATE, fixture.read64(Place.GDT + Selector.GATE) & ~(0x6000n << 32n));
    fixture.enterRing3();
    far(fixture, Selector.GATE | 3, 0n);
    expect(fixture.execute(...CALL)).toEqual(gp(Selector.GATE));
  });

  it('direct far jumps exist outside 64-bit mode', () => {
    const fixture = new SystemFixture();
    fixture.enterCompatibility();
    expect(fixture.execute(0xea, 0x00, 0x50, 0x00, 0x00, Selector.CODE, 0x00)).toBeUndefined();
    expect([fixture.state.rip, fixture.codeSize]).toEqual([0x5000n, 64]);
  });
});

describe('segment registers', () => {
  const load = (fixture: SystemFixture, register: number, selector: number) => {
    fixture.state.setGpr(0, BigInt(selector));
    return fixture.execute(0x8e, 0xc0 | (register << 3));
  };

  it.each<[string, number, number, Raised | undefined]>([
    ['DS null', DS, 0, undefined],
    ['DS data', DS, Selector.DATA, undefined],
    ['DS code that can be read', DS, Selector.CODE, undefined],
    ['DS code that cannot be read', DS, Selector.EXECUTE_ONLY, gp(Selector.EXECUTE_ONLY)],
    ['DS beyond the table', DS, 0x100, gp(0x100)],
    ['DS system', DS, Selector.TSS, gp(Selector.TSS)],
    ['DS absent', DS, Selector.ABSENT_DATA, np(Selector.ABSENT_DATA)],
    ['DS with RPL above DPL', DS, Selector.DATA | 1, gp(Selector.DATA)],
    ['SS null in ring 0', SS, 0, undefined],
    ['SS null with RPL 3', SS, 3, gp(0)],
    ['SS data', SS, Selector.DATA, undefined],
    ['SS read-only', SS, Selector.READ_ONLY, gp(Selector.READ_ONLY)],
    ['SS with RPL 3', SS, Selector.USER_DATA, gp(Selector.USER_DATA & ~3)],
    ['SS absent', SS, Selector.ABSENT_DATA, ss(Selector.ABSENT_DATA)],
  ])('MOV %s', (_name, register, selector, expected) => {
    expect(load(new SystemFixture(), register, selector)).toEqual(expected);
  });

  it('ring 3 may not load an inner data segment', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(load(fixture, ES, Selector.DATA)).toEqual(gp(Selector.DATA));
    expect(load(fixture, ES, Selector.USER_DATA)).toBeUndefined();
    expect(load(fixture, SS, 3)).toEqual(gp(0));
  });

  it('a null FS or GS zeroes the base', () => {
    const fixture = new SystemFixture();
    fixture.system.segments.fill(FS, Selector.DATA, 0xc093, 0x1234n, 0xffff_ffff);
    expect(load(fixture, FS, 0)).toBeUndefined();
    expect(fixture.state.segments[FS]?.base).toBe(0n);
  });

  it('loads base and limit, and marks the descriptor accessed', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.GDT + 0xa0, segmentDescriptor(0xf2, 0x4, 0x1234_5678, 0xf_0000));
    expect(load(fixture, FS, 0xa3)).toBeUndefined();
    expect(fixture.state.segments[FS]?.base).toBe(0x1234_5678n);
    expect(fixture.state.segments[FS]?.limit).toBe(0xf_0000);
    expect((fixture.read64(Place.GDT + 0xa0) >> 40n) & 0xffn).toBe(0xf3n);
  });

  it('POP FS moves the stack pointer only when it succeeds', () => {
    const fixture = new SystemFixture();
    stack(fixture, BigInt(Selector.TSS));
    expect(fixture.execute(0x0f, 0xa1)).toEqual(gp(Selector.TSS));
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.STACK - 8));
    stack(fixture, BigInt(Selector.DATA));
    expect(fixture.execute(0x0f, 0xa1)).toBeUndefined();
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.STACK));
  });

  it('LSS loads both or neither', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.DATA, 0x7777n);
    fixture.write64(Place.DATA + 8, BigInt(Selector.DATA));
    fixture.state.setGpr(0, BigInt(Place.DATA));
    expect(fixture.execute(0x48, 0x0f, 0xb2, 0x20)).toBeUndefined(); // lss rsp, [rax]
    expect([fixture.state.gpr(RSP), fixture.state.ss.selector]).toEqual([0x7777n, Selector.DATA]);
  });

  it('MOV from a segment register zero-extends to a register and stores 16 bits', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(0, -1n & 0xffff_ffff_ffff_ffffn);
    fixture.execute(0x8c, 0xd8); // mov eax, ds
    expect(fixture.state.gpr(0)).toBe(BigInt(Selector.DATA));
  });
});

describe('LTR, LLDT and descriptor inspection', () => {
  it('LTR loads a 16-byte descriptor and makes it busy', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.GDT + Selector.TSS + 8, 0xffff_8000n);
    fixture.state.setGpr(0, BigInt(Selector.TSS));
    expect(fixture.execute(0x0f, 0x00, 0xd8)).toBeUndefined();
    expect(fixture.state.segments[TR]?.base).toBe(0xffff_8000_0000_a000n);
    expect(fixture.execute(0x0f, 0x00, 0xd8)).toEqual(gp(Selector.TSS));
  });

  it.each<[string, number, Raised]>([
    ['null', 0, gp(0)],
    ['in the LDT', Selector.TSS | 4, gp(Selector.TSS | 4)],
    ['a data segment', Selector.DATA, gp(Selector.DATA)],
    ['half beyond the table', 0xf8, gp(0xf8)],
  ])('LTR of %s', (_name, selector, expected) => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(0, BigInt(selector));
    expect(fixture.execute(0x0f, 0x00, 0xd8)).toEqual(expected);
  });

  it('LLDT makes selectors with TI usable', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.LDT + 8, segmentDescriptor(0x92, 0xc, 0x55));
    fixture.state.setGpr(0, BigInt(Selector.LDT));
    expect(fixture.execute(0x0f, 0x00, 0xd0)).toBeUndefined();
    fixture.state.setGpr(0, 0xcn);
    expect(fixture.execute(0x8e, 0xe0)).toBeUndefined(); // mov fs, eax
    expect(fixture.state.segments[FS]?.base).toBe(0x55n);
    fixture.state.setGpr(0, 0n);
    expect(fixture.execute(0x0f, 0x00, 0xd0)).toBeUndefined();
    fixture.state.setGpr(0, 0xcn);
    expect(fixture.execute(0x8e, 0xe0)).toEqual(gp(0xc));
  });

  it('LAR, LSL, VERR and VERW answer in ZF', () => {
    const fixture = new SystemFixture();
    const ask = (selector: number, ...bytes: number[]) => {
      fixture.state.setGpr(0, BigInt(selector));
      fixture.state.setGpr(RCX, 0n);
      expect(fixture.execute(...bytes)).toBeUndefined();
      return (fixture.state.rflags & FLAG.ZF) !== 0 ? fixture.state.gpr(RCX) : undefined;
    };
    const lar = (selector: number) => ask(selector, 0x0f, 0x02, 0xc8);
    const lsl = (selector: number) => ask(selector, 0x0f, 0x03, 0xc8);
    const verr = (selector: number) => ask(selector, 0x0f, 0x00, 0xe0) !== undefined;
    const verw = (selector: number) => ask(selector, 0x0f, 0x00, 0xe8) !== undefined;
    expect(lar(Selector.DATA)).toBe(0xcf_9200n);
    expect(lar(Selector.TSS)).toBe(0x8900n);
    expect(lar(Selector.GATE)).toBe(0x30_ec00n);
    expect(lar(0)).toBeUndefined();
    expect(lar(0x100)).toBeUndefined();
    expect(lsl(Selector.DATA)).toBe(0xffff_ffffn);
    expect(lsl(Selector.TSS)).toBe(0x67n);
    expect(lsl(Selector.GATE)).toBeUndefined();
    expect([verr(Selector.CODE), verw(Selector.CODE), verr(Selector.EXECUTE_ONLY)]).toEqual([true, false, false]);
    expect([verr(Selector.READ_ONLY), verw(Selector.READ_ONLY), verw(Selector.DATA)]).toEqual([true, false, true]);
    fixture.enterRing3();
    expect([lar(Selector.DATA), lar(Selector.USER_DATA)]).toEqual([undefined, 0xcf_f200n]);
  });

  it('LGDT and SGDT move ten bytes and refuse a non-canonical base', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(0, BigInt(Place.DATA));
    expect(fixture.execute(0x0f, 0x01, 0x00)).toBeUndefined(); // sgdt [rax]
    expect(fixture.read64(Place.DATA)).toBe((BigInt(Place.GDT) << 16n) | 0xffn);
    fixture.write64(Place.DATA, (0x1234_5678_9abcn << 16n) | 0x7fn);
    expect(fixture.execute(0x0f, 0x01, 0x10)).toBeUndefined(); // lgdt [rax]
    expect([fixture.state.get64('gdtrBase'), fixture.state.get('gdtrLimit')]).toEqual([0x1234_5678_9abcn, 0x7f]);
    fixture.write64(Place.DATA + 8, 0x8000n);
    expect(fixture.execute(0x0f, 0x01, 0x18)).toEqual(gp(0)); // lidt [rax]
  });
});
