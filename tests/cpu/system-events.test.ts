import { describe, expect, it } from 'vitest';
import { GuestException } from '../../src/cpu/bus.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { Cr4 } from '../../src/cpu/system/control-bits.ts';
import { combine, Vector } from '../../src/cpu/system/vectors.ts';
import { handler, Place, Selector, SystemFixture } from './system-fixture.ts';

const RSP = 4;

function deliver(fixture: SystemFixture, vector: number, errorCode?: number, address?: bigint): boolean {
  return fixture.system.deliver(new GuestException(vector, errorCode, address));
}

describe('delivery in 64-bit mode (SDM vol. 3A 6.14)', () => {
  it.each([
    [Vector.DIVIDE_ERROR, undefined, true],
    [Vector.DEBUG, undefined, false],
    [Vector.BREAKPOINT, undefined, false],
    [Vector.OVERFLOW, undefined, false],
    [Vector.BOUND, undefined, true],
    [Vector.INVALID_OPCODE, undefined, true],
    [Vector.DEVICE_NOT_AVAILABLE, undefined, true],
    [Vector.DOUBLE_FAULT, 0, false],
    [Vector.INVALID_TSS, 0x30, true],
    [Vector.SEGMENT_NOT_PRESENT, 0x48, true],
    [Vector.STACK_FAULT, 0, true],
    [Vector.GENERAL_PROTECTION, 0x18, true],
    [Vector.PAGE_FAULT, 6, true],
    [Vector.X87_FLOATING_POINT, undefined, true],
    [Vector.ALIGNMENT_CHECK, 0, true],
    [Vector.MACHINE_CHECK, undefined, false],
    [Vector.SIMD_FLOATING_POINT, undefined, true],
  ])('vector %i pushes error code %s and RF %s', (vector, errorCode, resume) => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.CF | FLAG.IF;
    expect(deliver(fixture, vector, errorCode, 0x1234n)).toBe(true);
    expect(fixture.state.rip).toBe(handler(vector));
    const words = errorCode === undefined ? 5 : 6;
    const frame = fixture.frame(words);
    if (errorCode !== undefined) expect(frame.shift()).toBe(BigInt(errorCode));
    const flags = FLAG.CF | FLAG.IF | 2 | (resume ? FLAG.RF : 0);
    expect(frame).toEqual([
      BigInt(Place.CODE),
      BigInt(Selector.CODE),
      BigInt(flags),
      BigInt(Place.STACK),
      BigInt(Selector.DATA),
    ]);
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.STACK - words * 8));
    expect(fixture.state.rflags).toBe(FLAG.CF | 2);
  });

  it('#PF writes CR2, other vectors do not', () => {
    const fixture = new SystemFixture();
    deliver(fixture, Vector.PAGE_FAULT, 4, 0xdead_beefn);
    expect(fixture.state.get64('cr2')).toBe(0xdead_beefn);
    deliver(fixture, Vector.GENERAL_PROTECTION, 0);
    expect(fixture.state.get64('cr2')).toBe(0xdead_beefn);
  });

  it('aligns the stack to 16 bytes', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RSP, BigInt(Place.STACK - 5));
    deliver(fixture, Vector.INVALID_OPCODE);
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.STACK - 16 - 40));
    expect(fixture.frame(4)[3]).toBe(BigInt(Place.STACK - 5));
  });

  it('a trap gate keeps IF, and both gates clear TF and NT', () => {
    const fixture = new SystemFixture();
    fixture.gate(6, { type: 0x8f });
    fixture.state.rflags = FLAG.IF | FLAG.TF | FLAG.NT | FLAG.AC | FLAG.DF;
    deliver(fixture, Vector.INVALID_OPCODE);
    expect(fixture.state.rflags).toBe(FLAG.IF | FLAG.AC | FLAG.DF | 2);
  });

  it('from ring 3 takes RSP0 and a null SS', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    deliver(fixture, Vector.GENERAL_PROTECTION, 0);
    expect(fixture.state.cpl).toBe(0);
    expect(fixture.state.cs.selector).toBe(Selector.CODE);
    expect(fixture.state.ss.selector).toBe(0);
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.RSP0 - 48));
    expect(fixture.frame(6).slice(2, 6)).toEqual([
      BigInt(Selector.USER_CODE),
      BigInt(FLAG.RF | 2),
      BigInt(Place.STACK),
      BigInt(Selector.USER_DATA),
    ]);
  });

  it('to a ring 1 handler takes RSP1 and SS = 1', () => {
    const fixture = new SystemFixture();
    fixture.gate(6, { selector: Selector.RING1_CODE });
    fixture.enterRing3();
    deliver(fixture, Vector.INVALID_OPCODE);
    expect(fixture.state.cpl).toBe(1);
    expect(fixture.state.cs.selector).toBe(Selector.RING1_CODE | 1);
    expect(fixture.state.ss.selector).toBe(1);
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.RSP1 - 40));
  });

  it('an IST stack is taken even without a ring change, and SS stays', () => {
    const fixture = new SystemFixture();
    fixture.gate(8, { ist: 1 });
    deliver(fixture, Vector.DOUBLE_FAULT, 0);
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.IST1 - 48));
    expect(fixture.state.ss.selector).toBe(Selector.DATA);
  });

  it('a conforming handler runs at the ring it interrupts', () => {
    const fixture = new SystemFixture();
    fixture.gate(6, { selector: Selector.CONFORMING });
    fixture.enterRing3();
    deliver(fixture, Vector.INVALID_OPCODE);
    expect(fixture.state.cpl).toBe(3);
    expect(fixture.state.cs.selector).toBe(Selector.CONFORMING | 3);
    expect(fixture.state.gpr(RSP)).toBe(BigInt(Place.STACK - 40));
  });

  it('sets the accessed bit of the code descriptor', () => {
    const fixture = new SystemFixture();
    deliver(fixture, Vector.INVALID_OPCODE);
    expect((fixture.read64(Place.GDT + Selector.CODE) >> 40n) & 1n).toBe(1n);
  });
});

describe('faults of delivery', () => {
  const code = (vector: number, bits: number) => (vector << 3) | bits;

  /** What a failing delivery of #UD pushes and where: the second exception and its error code. */
  function second(prepare: (fixture: SystemFixture) => void): [vector: number, errorCode: bigint] {
    const fixture = new SystemFixture();
    prepare(fixture);
    expect(deliver(fixture, Vector.INVALID_OPCODE)).toBe(true);
    const vector = Number(fixture.state.rip - BigInt(Place.HANDLERS)) / 16;
    return [vector, fixture.frame(1)[0] as bigint];
  }

  it.each<[string, (fixture: SystemFixture) => void, number, number]>([
    ['a gate of the wrong type', (f) => f.gate(6, { type: 0x8c }), 13, code(6, 3)],
    ['an absent gate', (f) => f.gate(6, { type: 0x0e }), 11, code(6, 3)],
    ['a null selector', (f) => f.gate(6, { selector: 0 }), 13, 1],
    ['a selector beyond the table', (f) => f.gate(6, { selector: 0x100 }), 13, 0x101],
    ['a data segment', (f) => f.gate(6, { selector: Selector.DATA }), 13, Selector.DATA | 1],
    ['an absent code segment', (f) => f.gate(6, { selector: Selector.ABSENT_CODE }), 11, Selector.ABSENT_CODE | 1],
    ['a 32-bit code segment', (f) => f.gate(6, { selector: Selector.CODE_32 }), 13, Selector.CODE_32 | 1],
    ['a code segment of an outer ring', (f) => f.gate(6, { selector: Selector.USER_CODE }), 13, 0x29],
    ['a non-canonical handler', (f) => f.gate(6, { offset: 0x8000_0000_0000n }), 13, 1],
    [
      'a non-canonical IST',
      (f) => {
        f.gate(6, { ist: 1 });
        f.write64(Place.TSS + 36, 0x8000_0000_0000n);
      },
      12,
      1,
    ],
    [
      'a TSS that is too short',
      (f) => {
        f.gate(6, { ist: 7 });
        (f.state.segments[7] as { limit: number }).limit = 0x53;
      },
      10,
      Selector.TSS | 1,
    ],
  ])('%s', (_name, prepare, vector, errorCode) => {
    expect(second(prepare)).toEqual([vector, BigInt(errorCode)]);
  });

  it('a gate beyond the limit', () => {
    const fixture = new SystemFixture();
    fixture.state.set('idtrLimit', 14 * 16 - 1);
    expect(deliver(fixture, Vector.X87_FLOATING_POINT)).toBe(true);
    expect(fixture.state.rip).toBe(handler(13));
    expect(fixture.frame(1)).toEqual([BigInt(code(16, 3))]);
  });

  it('#PF on the new stack reports the stack address', () => {
    const fixture = new SystemFixture();
    fixture.gate(6, { ist: 1 });
    fixture.write64(Place.TSS + 36, 0x900_0000n);
    expect(deliver(fixture, Vector.INVALID_OPCODE)).toBe(true);
    expect(fixture.state.rip).toBe(handler(14));
    expect(fixture.frame(1)).toEqual([2n]);
    expect(fixture.state.get64('cr2')).toBe(0x8ff_fff8n);
  });

  it('SMAP forbids a descriptor table in user pages, whatever AC says', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.PD + 8, 0x20_0000n | 0x83n);
    fixture.write64(Place.PD + 16, 0x40_0000n | 0x87n);
    for (let i = 0; i < 512; i++) fixture.write64(Place.DATA + i * 8, fixture.read64(Place.IDT + i * 8));
    fixture.state.set64('idtrBase', BigInt(Place.DATA));
    fixture.state.set64('cr4', fixture.state.get64('cr4') | BigInt(Cr4.SMAP));
    fixture.system.refresh();
    fixture.state.rflags = FLAG.AC;
    expect(deliver(fixture, Vector.INVALID_OPCODE)).toBe(false);
    expect(fixture.state.get64('cr2')).toBe(BigInt(Place.DATA + 8 * 16));
  });

  it('the return address and stack are those of the first event', () => {
    const fixture = new SystemFixture();
    fixture.gate(6, { type: 0x0e });
    deliver(fixture, Vector.INVALID_OPCODE);
    expect(fixture.frame(6).slice(1)).toEqual([
      BigInt(Place.CODE),
      BigInt(Selector.CODE),
      BigInt(FLAG.RF | 2),
      BigInt(Place.STACK),
      BigInt(Selector.DATA),
    ]);
  });
});

describe('double and triple faults (SDM vol. 3A table 6-5)', () => {
  const { DIVIDE_ERROR, INVALID_OPCODE, GENERAL_PROTECTION, PAGE_FAULT, DOUBLE_FAULT, SEGMENT_NOT_PRESENT } = Vector;
  it.each([
    [INVALID_OPCODE, GENERAL_PROTECTION, 'serial'],
    [GENERAL_PROTECTION, INVALID_OPCODE, 'serial'],
    [DIVIDE_ERROR, GENERAL_PROTECTION, 'double fault'],
    [GENERAL_PROTECTION, SEGMENT_NOT_PRESENT, 'double fault'],
    [GENERAL_PROTECTION, PAGE_FAULT, 'serial'],
    [PAGE_FAULT, GENERAL_PROTECTION, 'double fault'],
    [PAGE_FAULT, PAGE_FAULT, 'double fault'],
    [DOUBLE_FAULT, GENERAL_PROTECTION, 'shutdown'],
    [DOUBLE_FAULT, PAGE_FAULT, 'shutdown'],
  ] as const)('%i then %i: %s', (first, then, outcome) => {
    expect(combine(first, then)).toBe(outcome);
  });

  it('a contributory pair enters the double-fault handler with error code 0', () => {
    const fixture = new SystemFixture();
    fixture.gate(13, { type: 0x0e });
    expect(deliver(fixture, GENERAL_PROTECTION, 0x18)).toBe(true);
    expect(fixture.state.rip).toBe(handler(8));
    expect(fixture.frame(1)).toEqual([0n]);
  });

  it('a page fault while delivering a page fault keeps the second address in CR2', () => {
    const fixture = new SystemFixture();
    fixture.gate(14, { ist: 1 });
    fixture.write64(Place.TSS + 36, 0x900_0000n);
    expect(deliver(fixture, PAGE_FAULT, 0, 0x1234n)).toBe(true);
    expect(fixture.state.rip).toBe(handler(8));
    expect(fixture.state.get64('cr2')).toBe(0x8ff_fff8n);
  });

  it('an empty IDT shuts the processor down', () => {
    const fixture = new SystemFixture();
    fixture.state.set('idtrLimit', 0);
    expect(deliver(fixture, INVALID_OPCODE)).toBe(false);
  });
});

describe('software interrupts', () => {
  it('INT n needs a gate whose DPL is not below the ring', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(fixture.execute(0xcd, 0x80)).toEqual({ vector: 13, errorCode: (0x80 << 3) | 2 });
    fixture.gate(0x80, { type: 0xee });
    expect(fixture.execute(0xcd, 0x80)).toBeUndefined();
    expect(fixture.state.rip).toBe(handler(0x80));
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 2)]);
  });

  it('INT3 likewise, INT1 regardless', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(fixture.execute(0xcc)).toEqual({ vector: 13, errorCode: (3 << 3) | 2 });
    expect(fixture.execute(0xf1)).toBeUndefined();
    expect(fixture.state.rip).toBe(handler(1));
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 1)]);
  });

  it('pushes no error code and no RF even for vector 13', () => {
    const fixture = new SystemFixture();
    fixture.execute(0xcd, 13);
    expect(fixture.frame(3)).toEqual([BigInt(Place.CODE + 2), BigInt(Selector.CODE), 2n]);
  });

  it('an absent gate is reported without EXT', () => {
    const fixture = new SystemFixture();
    fixture.gate(0x80, { type: 0x0e });
    expect(fixture.execute(0xcd, 0x80)).toEqual({ vector: 11, errorCode: (0x80 << 3) | 2 });
  });

  it('UD2 raises #UD', () => {
    expect(new SystemFixture().execute(0x0f, 0x0b)).toEqual({ vector: 6, errorCode: undefined });
  });
});

describe('interrupts, NMI and shadows', () => {
  function pending(fixture: SystemFixture): boolean {
    return fixture.system.eventPending;
  }

  it('an external interrupt waits for IF', () => {
    const fixture = new SystemFixture();
    fixture.bus.interrupts.push(0x40);
    expect(pending(fixture)).toBe(false);
    fixture.state.rflags = FLAG.IF;
    expect(pending(fixture)).toBe(true);
    expect(fixture.system.takeEvent()).toBe(true);
    expect(fixture.state.rip).toBe(handler(0x40));
    expect(fixture.state.rflags & FLAG.IF).toBe(0);
    expect(pending(fixture)).toBe(false);
  });

  it('STI holds interrupts off for one instruction', () => {
    const fixture = new SystemFixture();
    fixture.bus.interrupts.push(0x40);
    fixture.step(0xfb); // sti
    expect(fixture.state.rip).toBe(BigInt(Place.CODE + 1));
    expect(fixture.system.mustStep).toBe(true);
    fixture.step(0x0f, 0x08); // invd
    expect(fixture.state.rip).toBe(handler(0x40));
  });

  it('STI with IF set already opens no shadow', () => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.IF;
    fixture.step(0xfb);
    expect(fixture.system.mustStep).toBe(false);
  });

  it('STI; HLT sleeps, and an interrupt wakes it behind HLT', () => {
    const fixture = new SystemFixture();
    fixture.step(0xfb);
    fixture.step(0xf4);
    expect(fixture.state.get('halted')).toBe(1);
    fixture.bus.interrupts.push(0x41);
    expect(fixture.system.takeEvent()).toBe(true);
    expect(fixture.state.get('halted')).toBe(0);
    expect(fixture.frame(1)).toEqual([BigInt(Place.CODE + 2)]);
  });

  it('MOV SS holds off interrupts, NMI and debug traps', () => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.IF;
    fixture.state.setGpr(0, BigInt(Selector.DATA));
    fixture.system.raiseNmi();
    fixture.execute(0x8e, 0xd0); // mov ss, eax
    expect(pending(fixture)).toBe(false);
    fixture.step(0x0f, 0x08);
    expect(fixture.state.rip).toBe(handler(2));
  });

  it('an NMI blocks the next one until IRET, even an IRET that faults', () => {
    const fixture = new SystemFixture();
    fixture.system.raiseNmi();
    expect(fixture.system.takeEvent()).toBe(true);
    expect(fixture.state.rip).toBe(handler(2));
    fixture.system.raiseNmi();
    expect(pending(fixture)).toBe(false);
    fixture.write64(Number(fixture.state.gpr(RSP)) + 8, 0n);
    expect(fixture.execute(0x48, 0xcf)).toEqual({ vector: 13, errorCode: 0 });
    expect(pending(fixture)).toBe(true);
  });

  it('debug traps come before NMI, and NMI before interrupts', () => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.IF;
    fixture.bus.interrupts.push(0x40);
    fixture.system.raiseNmi();
    fixture.system.pendTrap(1 << 14);
    const order = [1, 2, 0x40].map((vector) => {
      fixture.state.rflags = FLAG.IF;
      fixture.system.takeEvent();
      return fixture.state.rip === handler(vector);
    });
    expect(order).toEqual([true, true, true]);
  });
});

describe('32-bit protected mode delivery', () => {
  function protectedMode(): SystemFixture {
    const fixture = new SystemFixture();
    fixture.state.set64('cr0', 0x11n);
    fixture.state.set64('efer', 0n);
    fixture.state.set64('cr4', 0n);
    fixture.enterCompatibility();
    fixture.system.refresh();
    const low = BigInt(Selector.CODE_32 << 16) | 0x5678n;
    fixture.write64(Place.IDT + 13 * 8, low | (0x8e00n << 32n) | (0x30n << 48n));
    return fixture;
  }

  it('pushes 32-bit words and no stack pointer within a ring', () => {
    const fixture = protectedMode();
    expect(deliver(fixture, Vector.GENERAL_PROTECTION, 0x10)).toBe(true);
    expect(fixture.state.rip).toBe(0x30_5678n);
    const top = Number(fixture.state.gpr(RSP));
    expect(top).toBe(Place.STACK - 16);
    expect([0, 4, 8, 12].map((offset) => fixture.read32(top + offset))).toEqual([
      0x10,
      Place.CODE,
      Selector.CODE_32,
      FLAG.RF | 2,
    ]);
  });

  it('takes SS0:ESP0 from the TSS when the ring changes', () => {
    const fixture = protectedMode();
    fixture.system.segments.fill(1, Selector.USER_CODE_32, 0xc0fb, 0n, 0xffff_ffff);
    fixture.system.segments.fill(2, Selector.USER_DATA, 0xc0f3, 0n, 0xffff_ffff);
    fixture.write32(Place.TSS + 4, Place.RSP0);
    fixture.write32(Place.TSS + 8, Selector.DATA);
    expect(deliver(fixture, Vector.GENERAL_PROTECTION, 0)).toBe(true);
    const top = Number(fixture.state.gpr(RSP));
    expect(top).toBe(Place.RSP0 - 24);
    expect(fixture.state.ss.selector).toBe(Selector.DATA);
    expect([4, 8, 16, 20].map((offset) => fixture.read32(top + offset))).toEqual([
      Place.CODE,
      Selector.USER_CODE_32,
      Place.STACK,
      Selector.USER_DATA,
    ]);
  });
});
