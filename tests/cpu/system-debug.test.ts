import { describe, expect, it } from 'vitest';
import { FLAG } from '../../src/cpu/flags.ts';
import { tlbReadAddress } from '../../src/cpu/layout.ts';
import { Cr4 } from '../../src/cpu/system/control-bits.ts';
import { Fill } from '../../src/cpu/system/tlb.ts';
import { handler, Place, Selector, SystemFixture } from './system-fixture.ts';

const [RAX, RCX, RDX, RSP, RSI, R11] = [0, 1, 2, 4, 6, 11];
const B0 = 1n;
const B1 = 2n;
const BD = 1n << 13n;
const BS = 1n << 14n;
const FIXED = 0xffff_0ff0n;
const NOP = [0x0f, 0x08] as const; // invd: any instruction that does nothing

/** MOV DRn, RAX with a value. */
function setDebug(fixture: SystemFixture, register: number, value: bigint): ReturnType<SystemFixture['execute']> {
  fixture.state.setGpr(RAX, value);
  return fixture.execute(0x0f, 0x23, 0xc0 | (register << 3));
}

/** Enables breakpoint n for a condition (0 execute, 1 write, 2 I/O, 3 read or write) and a length code. */
function breakpoint(fixture: SystemFixture, n: number, address: number, condition: number, length = 0): void {
  setDebug(fixture, n, BigInt(address));
  const dr7 =
    fixture.state.get64('dr7') | (1n << BigInt(2 * n)) | (BigInt(condition | (length << 2)) << BigInt(16 + 4 * n));
  setDebug(fixture, 7, dr7);
  fixture.state.rip = BigInt(Place.CODE);
}

const inDebugHandler = (fixture: SystemFixture) => fixture.state.rip === handler(1);
const dr6 = (fixture: SystemFixture) => fixture.state.get64('dr6') & ~FIXED;

describe('debug registers', () => {
  it('DR6 and DR7 keep their fixed bits and refuse upper halves', () => {
    const fixture = new SystemFixture();
    setDebug(fixture, 6, 0n);
    setDebug(fixture, 7, 0xffffn & ~(1n << 13n));
    expect([fixture.state.get64('dr6'), fixture.state.get64('dr7')]).toEqual([FIXED, 0x7ffn]);
    expect(setDebug(fixture, 7, 1n << 32n)).toEqual({ vector: 13, errorCode: 0 });
    expect(setDebug(fixture, 0, 0xffff_8000_0000_0000n)).toBeUndefined();
    fixture.execute(0x0f, 0x21, 0xc1); // mov rcx, dr0
    expect(fixture.state.gpr(RCX)).toBe(0xffff_8000_0000_0000n);
  });

  it('DR4 and DR5 are DR6 and DR7 until CR4.DE', () => {
    const fixture = new SystemFixture();
    expect(setDebug(fixture, 5, 0x1n)).toBeUndefined();
    expect(fixture.state.get64('dr7')).toBe(0x401n);
    fixture.state.set64('cr4', fixture.state.get64('cr4') | BigInt(Cr4.DE));
    expect(setDebug(fixture, 5, 0n)).toEqual({ vector: 6, errorCode: undefined });
  });

  it('GD turns an access into #DB with BD, and clears itself', () => {
    const fixture = new SystemFixture();
    setDebug(fixture, 7, 1n << 13n);
    fixture.step(0x0f, 0x21, 0xc0);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(dr6(fixture)).toBe(BD);
    expect(fixture.state.get64('dr7')).toBe(0x400n);
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 3)]);
  });

  it('is privileged', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(fixture.execute(0x0f, 0x21, 0xc0)).toEqual({ vector: 13, errorCode: 0 });
  });
});

describe('instruction breakpoints', () => {
  it('fault before the instruction, without RF in the saved flags', () => {
    const fixture = new SystemFixture();
    breakpoint(fixture, 0, Place.CODE, 0);
    expect(fixture.system.mustStep).toBe(true);
    fixture.step(...NOP);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(dr6(fixture)).toBe(B0);
    expect(fixture.frame(3)).toEqual([BigInt(Place.CODE), BigInt(Selector.CODE), 2n]);
  });

  it('RF lets the instruction pass once', () => {
    const fixture = new SystemFixture();
    breakpoint(fixture, 0, Place.CODE, 0);
    fixture.state.rflags = FLAG.RF;
    fixture.step(...NOP);
    expect(fixture.state.rip).toBe(BigInt(Place.CODE + 2));
    fixture.state.rip = BigInt(Place.CODE);
    fixture.step(...NOP);
    expect(inDebugHandler(fixture)).toBe(true);
  });

  it('a disabled one does nothing', () => {
    const fixture = new SystemFixture();
    setDebug(fixture, 0, BigInt(Place.CODE));
    fixture.state.rip = BigInt(Place.CODE);
    expect(fixture.system.mustStep).toBe(false);
    fixture.step(...NOP);
    expect(fixture.state.rip).toBe(BigInt(Place.CODE + 2));
  });
});

describe('data breakpoints', () => {
  const store = [0x0f, 0x00, 0x08] as const; // str [rax], two bytes
  const load = [0x0f, 0x00, 0x10] as const; // lldt [rax], two bytes

  it.each<[string, number, number, number, readonly number[], bigint]>([
    ['a write meets a write breakpoint', Place.DATA, 1, 0, store, B0],
    ['its second byte does', Place.DATA + 1, 1, 0, store, B0],
    ['an aligned 8-byte one from within', Place.DATA + 7, 1, 2, store, B0],
    ['the next address does not', Place.DATA + 2, 1, 0, store, 0n],
    ['a read passes a write breakpoint', Place.DATA, 1, 0, load, 0n],
    ['a read meets a read-write breakpoint', Place.DATA, 3, 3, load, B0],
  ])('%s', (_name, address, condition, length, instruction, expected) => {
    const fixture = new SystemFixture();
    breakpoint(fixture, 0, address, condition, length);
    fixture.state.setGpr(RAX, BigInt(Place.DATA));
    fixture.step(...instruction);
    expect(dr6(fixture)).toBe(expected);
    expect(inDebugHandler(fixture)).toBe(expected !== 0n);
    if (expected !== 0n) expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 3)]);
  });

  it('withholds the TLB tags of its page while it is enabled', () => {
    const fixture = new SystemFixture();
    const tag = () => fixture.state.view.getBigInt64(tlbReadAddress(2) + ((Place.DATA >>> 12) & 4095) * 16, true);
    fixture.system.fill(Place.DATA, 0, 1);
    expect(tag()).toBe(BigInt(Place.DATA));
    breakpoint(fixture, 1, Place.DATA + 8, 3);
    expect(tag()).toBe(-1n);
    expect(fixture.system.debug.dataActive).toBe(true);
    expect(fixture.system.fill(Place.DATA, 0, 0)).toBe(Fill.RAM);
    expect(tag()).toBe(BigInt(Place.DATA) | 2n);
    setDebug(fixture, 7, 0n);
    expect(tag()).toBe(-1n);
    fixture.system.fill(Place.DATA, 0, 0);
    expect(tag()).toBe(BigInt(Place.DATA));
  });

  it('MOV SS puts its trap off to the end of the next instruction', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.DATA, BigInt(Selector.DATA));
    breakpoint(fixture, 1, Place.DATA, 3);
    fixture.state.setGpr(RAX, BigInt(Place.DATA));
    fixture.step(0x8e, 0x10); // mov ss, [rax]
    expect(inDebugHandler(fixture)).toBe(false);
    fixture.step(...NOP);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(dr6(fixture)).toBe(B1);
  });
});

describe('I/O breakpoints', () => {
  it('need CR4.DE', () => {
    const fixture = new SystemFixture();
    breakpoint(fixture, 0, 0x3f8, 2);
    fixture.state.setGpr(RDX, 0x3f8n);
    fixture.step(0xee);
    expect(inDebugHandler(fixture)).toBe(false);
    fixture.state.setGpr(RAX, fixture.state.get64('cr4') | BigInt(Cr4.DE));
    fixture.execute(0x0f, 0x22, 0xe0);
    fixture.state.setGpr(RDX, 0x3f7n);
    fixture.step(0x66, 0xed);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(dr6(fixture)).toBe(B0);
  });
});

describe('single step', () => {
  function stepping(): SystemFixture {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.TF;
    return fixture;
  }

  it('traps behind the instruction with BS, TF clear in the handler and set in the frame', () => {
    const fixture = stepping();
    fixture.step(...NOP);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(dr6(fixture)).toBe(BS);
    expect(fixture.state.rflags & FLAG.TF).toBe(0);
    expect(fixture.frame(3)).toEqual([BigInt(Place.CODE + 2), BigInt(Selector.CODE), BigInt(FLAG.TF | 2)]);
  });

  it('POPF that sets TF traps behind the next instruction, one that clears it behind itself', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.STACK, BigInt(FLAG.TF));
    fixture.step(0x9d);
    expect(inDebugHandler(fixture)).toBe(false);
    fixture.write64(Place.STACK + 8, 0n);
    fixture.step(0x9d);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 2)]);
  });

  it('a faulting instruction delivers its fault alone', () => {
    const fixture = stepping();
    fixture.step(0x0f, 0x33); // rdpmc
    expect(fixture.state.rip).toBe(handler(13));
    expect(dr6(fixture)).toBe(0n);
    expect(fixture.system.eventPending).toBe(false);
  });

  it('INT n is not stepped into', () => {
    const fixture = stepping();
    fixture.step(0xcd, 0x80);
    expect(fixture.state.rip).toBe(handler(0x80));
    expect(dr6(fixture)).toBe(0n);
  });

  it('MOV SS is not followed by a trap', () => {
    const fixture = stepping();
    fixture.state.setGpr(RAX, BigInt(Selector.DATA));
    fixture.step(0x8e, 0xd0);
    expect(inDebugHandler(fixture)).toBe(false);
    fixture.step(...NOP);
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 4)]);
    expect(dr6(fixture)).toBe(BS);
  });

  it('SYSCALL with TF in SFMASK does not trap, without it does', () => {
    const masked = stepping();
    masked.state.set64('sfmask', BigInt(FLAG.TF));
    masked.step(0x0f, 0x05);
    expect(masked.state.rip).toBe(handler(0));
    expect(masked.system.eventPending).toBe(false);
    const open = stepping();
    open.step(0x0f, 0x05);
    expect(inDebugHandler(open)).toBe(true);
    expect(open.frame(1)).toEqual([handler(0)]);
  });

  it('SYSRET that sets TF traps before the first user instruction', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RCX, 0x5000n);
    fixture.state.setGpr(R11, BigInt(FLAG.TF));
    fixture.step(0x48, 0x0f, 0x07);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(fixture.frame(2)).toEqual([0x5000n, BigInt(Selector.USER_CODE)]);
  });

  it('IRETQ that sets TF traps behind the first instruction', () => {
    const fixture = new SystemFixture();
    const frame = [
      BigInt(Place.CODE + 0x100),
      BigInt(Selector.CODE),
      BigInt(FLAG.TF),
      BigInt(Place.STACK),
      BigInt(Selector.DATA),
    ];
    for (const [i, word] of frame.entries()) fixture.write64(Place.STACK - 40 + i * 8, word);
    fixture.state.setGpr(RSP, BigInt(Place.STACK - 40));
    fixture.step(0x48, 0xcf);
    expect(fixture.state.rip).toBe(BigInt(Place.CODE + 0x100));
    fixture.step(...NOP);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 0x102)]);
  });

  it('REP OUTS traps after each iteration with RIP on the instruction', () => {
    const fixture = stepping();
    fixture.state.setGpr(RSI, BigInt(Place.DATA));
    fixture.state.setGpr(RCX, 3n);
    fixture.step(0xf3, 0x6e);
    expect(inDebugHandler(fixture)).toBe(true);
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE)]);
    expect([fixture.state.gpr(RCX), fixture.bus.ports.length]).toEqual([2n, 1]);
  });
});
