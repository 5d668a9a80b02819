import { describe, expect, it } from 'vitest';
import { FORMS } from '../../src/cpu/decode/forms.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { CS, TR, X87_REGISTERS, XMM } from '../../src/cpu/layout.ts';
import { Cr0, Cr4, Efer } from '../../src/cpu/system/control-bits.ts';
import { cpuid } from '../../src/cpu/system/cpuid.ts';
import { systemInstructions } from '../../src/cpu/system/instructions/table.ts';
import { Place, type Raised, Selector, SystemFixture } from './system-fixture.ts';

const [RAX, RCX, RDX, RBX, RSP, , RSI, RDI] = [0, 1, 2, 3, 4, 5, 6, 7];
const gp = (errorCode: number): Raised => ({ vector: 13, errorCode });
const undefinedOpcode: Raised = { vector: 6, errorCode: undefined };
const notAvailable: Raised = { vector: 7, errorCode: undefined };

/** MOV CRn, RAX with a value. */
function setControl(fixture: SystemFixture, register: 0 | 3 | 4, value: bigint | number): Raised | undefined {
  fixture.state.setGpr(RAX, BigInt(value));
  return fixture.execute(0x0f, 0x22, 0xc0 | (register << 3));
}

it('every name in the table is a form or a mnemonic of the opcode table', () => {
  const names = new Set(FORMS.flatMap(({ name, mnemonic }) => [name, mnemonic]));
  expect([...systemInstructions.keys()].filter((name) => !names.has(name))).toEqual([]);
});

describe('control registers', () => {
  const cr0 = Cr0.PG | Cr0.PE | Cr0.ET | Cr0.WP | Cr0.NE;

  it.each<[string, bigint | number, Raised | undefined]>([
    ['PG without PE', (cr0 & ~Cr0.PE) >>> 0, gp(0)],
    ['NW without CD', (cr0 | Cr0.NW) >>> 0, gp(0)],
    ['NW with CD', (cr0 | Cr0.NW | Cr0.CD) >>> 0, undefined],
    ['an upper bit', BigInt(cr0 >>> 0) | (1n << 32n), gp(0)],
    ['PG off in 64-bit mode', (cr0 & ~Cr0.PG) >>> 0, gp(0)],
    ['reserved low bits are ignored', (cr0 | 0x1000_0040) >>> 0, undefined],
  ])('CR0: %s', (_name, value, expected) => {
    const fixture = new SystemFixture();
    expect(setControl(fixture, 0, value)).toEqual(expected);
    if (expected !== undefined) expect(fixture.state.get('cr0')).toBe(cr0);
  });

  it('ET always reads as one, and reserved bits as zero', () => {
    const fixture = new SystemFixture();
    setControl(fixture, 0, (cr0 & ~Cr0.ET) | 0x40);
    expect(fixture.state.get('cr0')).toBe(cr0);
  });

  it.each<[string, number, Raised | undefined]>([
    ['PAE off in IA-32e mode', Cr4.OSFXSR, gp(0)],
    ['a feature that is not there', Cr4.PAE | (1 << 13), gp(0)],
    ['everything that is', Object.values(Cr4).reduce((all, bit) => all | bit, 0), undefined],
  ])('CR4: %s', (_name, value, expected) => {
    expect(setControl(new SystemFixture(), 4, value)).toEqual(expected);
  });

  it('PCIDE needs CR3[11:0] clear, and then CR3 takes a PCID and bit 63', () => {
    const fixture = new SystemFixture();
    expect(setControl(fixture, 3, Place.PML4 | 8)).toBeUndefined();
    expect(setControl(fixture, 4, Cr4.PAE | Cr4.PCIDE)).toEqual(gp(0));
    expect(setControl(fixture, 3, (1n << 63n) | BigInt(Place.PML4))).toEqual(gp(0));
    setControl(fixture, 3, Place.PML4);
    expect(setControl(fixture, 4, Cr4.PAE | Cr4.PCIDE)).toBeUndefined();
    expect(setControl(fixture, 3, (1n << 63n) | BigInt(Place.PML4 | 0x123))).toBeUndefined();
    expect(fixture.state.get64('cr3')).toBe(BigInt(Place.PML4 | 0x123));
  });

  it('CR3 refuses address bits that do not exist', () => {
    expect(setControl(new SystemFixture(), 3, 1n << 40n)).toEqual(gp(0));
  });

  it('CR8 is the task priority of the bus', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RAX, 7n);
    expect(fixture.execute(0x44, 0x0f, 0x22, 0xc0)).toBeUndefined();
    expect(fixture.bus.taskPriority).toBe(7);
    expect(fixture.execute(0x44, 0x0f, 0x20, 0xc1)).toBeUndefined();
    expect(fixture.state.gpr(RCX)).toBe(7n);
    fixture.state.setGpr(RAX, 16n);
    expect(fixture.execute(0x44, 0x0f, 0x22, 0xc0)).toEqual(gp(0));
  });

  it('is privileged', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(setControl(fixture, 3, 0)).toEqual(gp(0));
    expect(fixture.execute(0x0f, 0x20, 0xc0)).toEqual(gp(0));
    expect(fixture.execute(0x0f, 0x06)).toEqual(gp(0));
  });

  it('LMSW sets but never clears PE; SMSW reads', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RAX, BigInt(Cr0.TS));
    expect(fixture.execute(0x0f, 0x01, 0xf0)).toBeUndefined();
    expect(fixture.state.get('cr0') & 0xf).toBe(Cr0.PE | Cr0.TS);
    fixture.execute(0x0f, 0x01, 0xe1); // smsw ecx
    expect(fixture.state.gpr(RCX)).toBe(BigInt(fixture.state.get('cr0') >>> 0));
    fixture.execute(0x0f, 0x06); // clts
    expect(fixture.state.get('cr0') & Cr0.TS).toBe(0);
  });

  it('STAC and CLAC set and clear AC in ring 0 only', () => {
    const fixture = new SystemFixture();
    fixture.execute(0x0f, 0x01, 0xcb);
    expect(fixture.state.rflags & FLAG.AC).toBe(FLAG.AC);
    fixture.execute(0x0f, 0x01, 0xca);
    expect(fixture.state.rflags & FLAG.AC).toBe(0);
    fixture.enterRing3();
    expect(fixture.execute(0x0f, 0x01, 0xcb)).toEqual(undefinedOpcode);
  });
});

describe('entering and leaving IA-32e mode (SDM vol. 3A 9.8.5)', () => {
  function protectedMode(): SystemFixture {
    const fixture = new SystemFixture();
    const { state } = fixture;
    state.set64('cr0', BigInt(Cr0.PE | Cr0.ET));
    state.set64('cr4', 0n);
    state.set64('efer', 0n);
    fixture.enterCompatibility();
    fixture.system.refresh();
    return fixture;
  }
  const writeEfer = (fixture: SystemFixture, value: number) => {
    fixture.state.setGpr(RCX, 0xc000_0080n);
    fixture.state.setGpr(RAX, BigInt(value));
    fixture.state.setGpr(RDX, 0n);
    return fixture.execute(0x0f, 0x30);
  };
  const paged = (Cr0.PE | Cr0.ET | Cr0.PG) >>> 0;

  it('PAE, CR3, LME, PG, then a far jump to 64-bit code', () => {
    const fixture = protectedMode();
    expect(setControl(fixture, 4, Cr4.PAE)).toBeUndefined();
    expect(setControl(fixture, 3, Place.PML4)).toBeUndefined();
    expect(writeEfer(fixture, Efer.LME)).toBeUndefined();
    expect(fixture.state.get('efer')).toBe(Efer.LME);
    expect(setControl(fixture, 0, paged)).toBeUndefined();
    expect(fixture.state.get('efer')).toBe(Efer.LME | Efer.LMA);
    expect([fixture.codeSize, fixture.system.walker.mode]).toEqual([32, '4-level']);
    expect(fixture.execute(0xea, 0x00, 0x00, 0x10, 0x00, Selector.CODE, 0x00)).toBeUndefined();
    expect(fixture.codeSize).toBe(64);
    fixture.state.rip = BigInt(Place.CODE);
    expect(writeEfer(fixture, 0)).toEqual(gp(0));
  });

  it('PG with LME needs PAE', () => {
    const fixture = protectedMode();
    writeEfer(fixture, Efer.LME);
    expect(setControl(fixture, 0, paged)).toEqual(gp(0));
  });

  it('PG with LME needs a TSS that is not a 16-bit one', () => {
    const fixture = protectedMode();
    setControl(fixture, 4, Cr4.PAE);
    writeEfer(fixture, Efer.LME);
    fixture.system.segments.fill(TR, Selector.TSS, 0x83, 0n, 0xffff);
    expect(setControl(fixture, 0, paged)).toEqual(gp(0));
  });

  it('PG with LME refuses a code segment with L', () => {
    const fixture = protectedMode();
    setControl(fixture, 4, Cr4.PAE);
    writeEfer(fixture, Efer.LME);
    fixture.system.segments.fill(CS, Selector.CODE, 0xa09b, 0n, 0xffff_ffff);
    expect(setControl(fixture, 0, paged)).toEqual(gp(0));
  });

  it('PG off from compatibility mode leaves IA-32e mode', () => {
    const fixture = new SystemFixture();
    fixture.enterCompatibility();
    expect(setControl(fixture, 0, Cr0.PE | Cr0.ET)).toBeUndefined();
    expect(fixture.state.get('efer') & Efer.LMA).toBe(0);
    expect(fixture.system.walker.mode).toBe('unpaged');
  });

  it('PG with PAE and no LME loads the PDPTEs, whose reserved bits raise #GP(0)', () => {
    const fixture = protectedMode();
    setControl(fixture, 4, Cr4.PAE);
    setControl(fixture, 3, Place.PDPT);
    expect(setControl(fixture, 0, paged)).toEqual(gp(0));
    fixture.write64(Place.PDPT, BigInt(Place.PD) | 1n);
    expect(setControl(fixture, 0, paged)).toBeUndefined();
    expect(fixture.system.walker.mode).toBe('PAE');
  });
});

describe('MSRs', () => {
  const write = (fixture: SystemFixture, index: number, value: bigint) => {
    fixture.state.setGpr(RCX, BigInt(index));
    fixture.state.setGpr(RAX, value & 0xffff_ffffn);
    fixture.state.setGpr(RDX, value >> 32n);
    return fixture.execute(0x0f, 0x30);
  };
  const read = (fixture: SystemFixture, index: number) => {
    fixture.state.setGpr(RCX, BigInt(index));
    const fault = fixture.execute(0x0f, 0x32);
    return fault ?? (fixture.state.gpr(RDX) << 32n) | fixture.state.gpr(RAX);
  };
  const nonCanonical = 0x8000_0000_0000n;
  const canonical = 0xffff_8000_1234_5678n;

  it.each([0xc000_0082, 0xc000_0083, 0xc000_0100, 0xc000_0101, 0xc000_0102, 0x175, 0x176])(
    '%x holds canonical addresses',
    (index) => {
      const fixture = new SystemFixture();
      expect(write(fixture, index, canonical)).toBeUndefined();
      expect(read(fixture, index)).toBe(canonical);
      expect(write(fixture, index, nonCanonical)).toEqual(gp(0));
      expect(read(fixture, index)).toBe(canonical);
    },
  );

  it.each([0x174, 0xc000_0084, 0xc000_0103])('%x holds 32 bits', (index) => {
    const fixture = new SystemFixture();
    expect(write(fixture, index, 0xffff_ffffn)).toBeUndefined();
    expect(read(fixture, index)).toBe(0xffff_ffffn);
    expect(write(fixture, index, 1n << 32n)).toEqual(gp(0));
  });

  it('STAR holds anything', () => {
    const fixture = new SystemFixture();
    write(fixture, 0xc000_0081, 0x1234_5678_9abc_def0n);
    expect(read(fixture, 0xc000_0081)).toBe(0x1234_5678_9abc_def0n);
  });

  it('EFER refuses reserved bits and a change of LME under paging, and ignores LMA', () => {
    const fixture = new SystemFixture();
    const efer = BigInt(Efer.LME | Efer.SCE);
    expect(write(fixture, 0xc000_0080, efer | 0x1000n)).toEqual(gp(0));
    expect(write(fixture, 0xc000_0080, BigInt(Efer.SCE))).toEqual(gp(0));
    expect(write(fixture, 0xc000_0080, efer)).toBeUndefined();
    expect(read(fixture, 0xc000_0080)).toBe(efer | BigInt(Efer.LMA));
  });

  it('PAT and the MTRRs refuse memory types that do not exist', () => {
    const fixture = new SystemFixture();
    expect(write(fixture, 0x277, 0x0007_0106_0007_0106n)).toBeUndefined();
    expect(write(fixture, 0x277, 0x02n)).toEqual(gp(0));
    expect(write(fixture, 0x200, 0x06n)).toBeUndefined();
    expect(write(fixture, 0x200, 0x07n)).toEqual(gp(0));
    expect(write(fixture, 0x201, 0xff_f000_0800n)).toBeUndefined();
    expect(write(fixture, 0x201, 1n << 40n)).toEqual(gp(0));
    expect(write(fixture, 0x26f, 0x0606_0606_0606_0606n)).toBeUndefined();
    expect(write(fixture, 0x2ff, 0xc06n)).toBeUndefined();
    expect(read(fixture, 0x2ff)).toBe(0xc06n);
    expect(read(fixture, 0xfe)).toBe(0x508n);
    expect(write(fixture, 0xfe, 0n)).toEqual(gp(0));
  });

  it('the time-stamp counter is virtual time plus an offset', () => {
    const fixture = new SystemFixture();
    expect(read(fixture, 0x10)).toBe(1000n);
    write(fixture, 0x10, 5000n);
    expect([read(fixture, 0x10), read(fixture, 0x3b)]).toEqual([5000n, 4000n]);
    fixture.bus.time = 1100;
    expect(fixture.execute(0x0f, 0x31)).toBeUndefined();
    expect(fixture.state.gpr(RAX)).toBe(5100n);
    fixture.state.set64('tscAux', 7n);
    fixture.execute(0x0f, 0x01, 0xf9);
    expect(fixture.state.gpr(RCX)).toBe(7n);
    write(fixture, 0x3b, 0n);
    expect(read(fixture, 0x10)).toBe(1100n);
  });

  it('CR4.TSD keeps RDTSC to ring 0', () => {
    const fixture = new SystemFixture();
    setControl(fixture, 4, Cr4.PAE | Cr4.TSD);
    expect(fixture.execute(0x0f, 0x31)).toBeUndefined();
    fixture.enterRing3();
    expect(fixture.execute(0x0f, 0x31)).toEqual(gp(0));
    expect(fixture.execute(0x0f, 0x01, 0xf9)).toEqual(gp(0));
  });

  it('what the core does not own is the bus, or #GP(0)', () => {
    const fixture = new SystemFixture();
    expect(read(fixture, 0x1b)).toBe(0xfee0_0900n);
    expect(write(fixture, 0x1b, 0xfee0_0d00n)).toBeUndefined();
    expect(fixture.bus.msrs.get(0x1b)).toBe(0xfee0_0d00n);
    expect(read(fixture, 0x1234)).toEqual(gp(0));
    expect(write(fixture, 0x1234, 0n)).toEqual(gp(0));
    expect(fixture.execute(0x0f, 0x33)).toEqual(gp(0)); // rdpmc
  });

  it('is privileged', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(read(fixture, 0x10)).toEqual(gp(0));
    expect(write(fixture, 0x10, 0n)).toEqual(gp(0));
  });
});

describe('CPUID', () => {
  const context = { apicId: 0, apicEnabled: true, in64BitMode: true };

  it('names the vendor and the last leaves', () => {
    const { eax, ebx, ecx, edx } = cpuid(0, 0, context);
    const text = [ebx, edx, ecx].map((word) => String.fromCharCode(...[0, 8, 16, 24].map((n) => (word >>> n) & 0xff)));
    expect([eax, text.join('')]).toEqual([0x16, 'VerdigrisCPU']);
    expect(cpuid(0x8000_0000, 0, context).eax >>> 0).toBe(0x8000_0008);
  });

  it('the APIC bit follows APIC_BASE, the SYSCALL bit the mode', () => {
    expect(cpuid(1, 0, context).edx & (1 << 9)).toBe(1 << 9);
    expect(cpuid(1, 0, { ...context, apicEnabled: false }).edx & (1 << 9)).toBe(0);
    expect(cpuid(0x8000_0001, 0, context).edx & (1 << 11)).toBe(1 << 11);
    expect(cpuid(0x8000_0001, 0, { ...context, in64BitMode: false }).edx & (1 << 11)).toBe(0);
  });

  it('does not claim what is not there: VMX, XSAVE, AVX, MONITOR, RDRAND', () => {
    expect(cpuid(1, 0, context).ecx & ((1 << 3) | (1 << 5) | (1 << 26) | (1 << 28) | (1 << 30))).toBe(0);
  });

  it('a leaf beyond the last answers as the last basic one', () => {
    expect(cpuid(0x17, 0, context)).toEqual(cpuid(0x16, 0, context));
    expect(cpuid(0x8000_0009, 0, context)).toEqual(cpuid(0x16, 0, context));
  });

  it('writes the four registers zero-extended', () => {
    const fixture = new SystemFixture();
    for (const register of [RAX, RCX, RDX, RBX]) fixture.state.setGpr(register, 0xffff_ffff_0000_0000n);
    expect(fixture.execute(0x0f, 0xa2)).toBeUndefined();
    expect([RAX, RBX, RCX, RDX].every((register) => fixture.state.gpr(register) < 1n << 32n)).toBe(true);
  });
});

describe('RFLAGS under IOPL', () => {
  it('CLI and STI need CPL <= IOPL', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect([fixture.execute(0xfa), fixture.execute(0xfb)]).toEqual([gp(0), gp(0)]);
    fixture.state.rflags = FLAG.IOPL;
    expect(fixture.execute(0xfb)).toBeUndefined();
    expect(fixture.state.rflags & FLAG.IF).toBe(FLAG.IF);
  });

  it('POPF changes IF by IOPL and IOPL by ring 0 only', () => {
    const fixture = new SystemFixture();
    const pop = (flags: number) => {
      fixture.write64(Place.STACK, BigInt(flags));
      fixture.state.setGpr(RSP, BigInt(Place.STACK));
      expect(fixture.execute(0x9d)).toBeUndefined();
      return fixture.state.rflags;
    };
    expect(pop(FLAG.IF | FLAG.IOPL | FLAG.CF | FLAG.RF | FLAG.VM)).toBe(FLAG.IF | FLAG.IOPL | FLAG.CF | 2);
    fixture.enterRing3();
    expect(pop(FLAG.IF | FLAG.IOPL | FLAG.ZF | FLAG.AC | FLAG.ID)).toBe(FLAG.ZF | FLAG.AC | FLAG.ID | 2);
  });

  it('PUSHF shows RF and VM clear', () => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.RF | FLAG.CF;
    expect(fixture.execute(0x9c)).toBeUndefined();
    expect(fixture.frame(1)).toEqual([BigInt(FLAG.CF | 2)]);
  });

  it('HLT is privileged', () => {
    const fixture = new SystemFixture();
    fixture.enterRing3();
    expect(fixture.execute(0xf4)).toEqual(gp(0));
  });
});

describe('ports', () => {
  it('IN and OUT in each width', () => {
    const fixture = new SystemFixture();
    fixture.bus.portValue = 0xffff_ff85;
    fixture.state.setGpr(RAX, 0x1122_3344_5566_7788n);
    fixture.state.setGpr(RDX, 0x1_03f8n);
    fixture.execute(0xee); // out dx, al
    fixture.execute(0x66, 0xef); // out dx, ax
    fixture.execute(0xef); // out dx, eax
    fixture.execute(0xe6, 0xf4); // out 0xf4, al
    expect(fixture.bus.ports).toEqual([
      ['out', 0x3f8, 1, 0x88],
      ['out', 0x3f8, 2, 0x7788],
      ['out', 0x3f8, 4, 0x5566_7788],
      ['out', 0xf4, 1, 0x88],
    ]);
    fixture.execute(0xec); // in al, dx
    expect(fixture.state.gpr(RAX)).toBe(0x1122_3344_5566_7785n);
    fixture.execute(0xed); // in eax, dx
    expect(fixture.state.gpr(RAX)).toBe(0xffff_ff85n);
  });

  it('the I/O permission bitmap decides for rings above IOPL', () => {
    const fixture = new SystemFixture();
    const bitmap = 0x68;
    (fixture.state.segments[TR] as { limit: number }).limit = bitmap + 0x80;
    fixture.write64(Place.TSS + 96, BigInt(bitmap) << 48n);
    fixture.enterRing3();
    fixture.state.setGpr(RDX, 0x3f8n);
    expect(fixture.execute(0xec)).toBeUndefined();
    fixture.state.u8[fixture.state.ramAddress + Place.TSS + bitmap + 0x7f] = 0x02;
    expect(fixture.execute(0xec)).toBeUndefined();
    expect(fixture.execute(0x66, 0xed)).toEqual(gp(0));
    fixture.state.setGpr(RDX, 0x400n);
    expect(fixture.execute(0xec)).toEqual(gp(0));
    fixture.state.rflags = FLAG.IOPL;
    expect(fixture.execute(0xec)).toBeUndefined();
  });

  it('a TSS without a bitmap allows nothing', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.TSS + 96, 0x68n << 48n);
    fixture.enterRing3();
    expect(fixture.execute(0xec)).toEqual(gp(0));
  });

  it('REP OUTSB sends a string and leaves RSI behind it', () => {
    const fixture = new SystemFixture();
    fixture.write64(Place.DATA, 0x6f_6c6c_6548n);
    fixture.state.setGpr(RSI, BigInt(Place.DATA));
    fixture.state.setGpr(RCX, 5n);
    fixture.state.setGpr(RDX, 0xe9n);
    expect(fixture.execute(0xf3, 0x6e)).toBeUndefined();
    expect(String.fromCharCode(...fixture.bus.ports.map((port) => port[3] as number))).toBe('Hello');
    expect([fixture.state.gpr(RSI), fixture.state.gpr(RCX)]).toEqual([BigInt(Place.DATA + 5), 0n]);
  });

  it('REP INSD stops at a fault with what it has done in the registers, and does not read for the fault', () => {
    const fixture = new SystemFixture();
    fixture.bus.portValue = 0x1234;
    fixture.state.setGpr(RDI, 0x7f_fff8n);
    fixture.state.setGpr(RCX, 5n);
    expect(fixture.execute(0xf3, 0x6d)).toEqual({ vector: 14, errorCode: 2 });
    expect([fixture.state.gpr(RDI), fixture.state.gpr(RCX)]).toEqual([0x80_0000n, 3n]);
    expect(fixture.bus.ports.length).toBe(2);
  });

  it('DF runs a string downward', () => {
    const fixture = new SystemFixture();
    fixture.state.rflags = FLAG.DF;
    fixture.state.setGpr(RDI, BigInt(Place.DATA));
    fixture.execute(0x66, 0x6d); // insw
    expect(fixture.state.gpr(RDI)).toBe(BigInt(Place.DATA - 2));
  });
});

describe('x87 control and FXSAVE', () => {
  const at = (fixture: SystemFixture, ...bytes: number[]) => {
    fixture.state.setGpr(RAX, BigInt(Place.DATA));
    return fixture.execute(...bytes);
  };

  it('FNINIT, FNSTCW, FLDCW, FNSTSW', () => {
    const fixture = new SystemFixture();
    fixture.execute(0xdb, 0xe3);
    at(fixture, 0xd9, 0x38); // fnstcw [rax]
    expect(fixture.read64(Place.DATA) & 0xffffn).toBe(0x37fn);
    fixture.write64(Place.DATA, 0xffffn);
    at(fixture, 0xd9, 0x28); // fldcw [rax]
    at(fixture, 0xd9, 0x38);
    expect(fixture.read64(Place.DATA) & 0xffffn).toBe(0x1f7fn);
    fixture.state.set('x87Status', 0x3800);
    fixture.execute(0xdf, 0xe0);
    expect(fixture.state.gpr(RAX) & 0xffffn).toBe(0x3800n);
  });

  it('unmasking a pending exception sets ES and B, and FWAIT raises #MF', () => {
    const fixture = new SystemFixture();
    fixture.execute(0xdb, 0xe3);
    fixture.state.set('x87Status', 0x01);
    expect(fixture.execute(0x9b)).toBeUndefined();
    fixture.write64(Place.DATA, 0x37en);
    at(fixture, 0xd9, 0x28);
    expect(fixture.state.get('x87Status')).toBe(0x8081);
    expect(fixture.execute(0x9b)).toEqual({ vector: 16, errorCode: undefined });
    fixture.execute(0xdb, 0xe2); // fnclex
    expect(fixture.state.get('x87Status')).toBe(0);
  });

  it('TS and EM raise #NM, except that FXSAVE under EM is undefined and FWAIT asks MP', () => {
    const fixture = new SystemFixture();
    const cr0 = fixture.state.get('cr0');
    fixture.state.set('cr0', cr0 | Cr0.TS);
    expect(fixture.execute(0xdb, 0xe3)).toEqual(notAvailable);
    expect(at(fixture, 0x0f, 0xae, 0x00)).toEqual(notAvailable);
    expect(fixture.execute(0x9b)).toBeUndefined();
    fixture.state.set('cr0', cr0 | Cr0.TS | Cr0.MP);
    expect(fixture.execute(0x9b)).toEqual(notAvailable);
    fixture.state.set('cr0', cr0 | Cr0.EM);
    expect(fixture.execute(0xdb, 0xe3)).toEqual(notAvailable);
    expect(at(fixture, 0x0f, 0xae, 0x00)).toEqual(undefinedOpcode);
  });

  it('FXRSTOR brings back what FXSAVE wrote', () => {
    const fixture = new SystemFixture();
    const { state } = fixture;
    state.set('x87Control', 0x27f);
    state.set('x87Status', 0x3000);
    state.set('x87Tag', 0x81);
    state.set('mxcsr', 0x1fa0);
    for (let i = 0; i < 128; i++) state.u8[X87_REGISTERS + i] = i % 16 < 10 ? i + 1 : 0;
    for (let i = 0; i < 256; i++) state.u8[XMM + i] = i;
    const before = state.u8.slice(0x10000, 0x10700);
    expect(at(fixture, 0x48, 0x0f, 0xae, 0x00)).toBeUndefined();
    // ST0 is R6: stack order, not register order.
    expect(fixture.read64(Place.DATA + 32) & 0xffn).toBe(97n);
    state.u8.fill(0, X87_REGISTERS, X87_REGISTERS + 128);
    state.u8.fill(0, XMM, XMM + 256);
    for (const field of ['x87Control', 'x87Status', 'x87Tag', 'mxcsr'] as const) state.set(field, 0);
    const rip = state.rip;
    expect(at(fixture, 0x48, 0x0f, 0xae, 0x08)).toBeUndefined();
    state.rip = rip - 4n;
    state.setGpr(RAX, 0n);
    expect(state.u8.slice(0x10000, 0x10700)).toEqual(before);
  });

  it('needs 16-byte alignment, and FXRSTOR refuses reserved bits of MXCSR', () => {
    const fixture = new SystemFixture();
    fixture.state.setGpr(RAX, BigInt(Place.DATA + 8));
    expect(fixture.execute(0x0f, 0xae, 0x00)).toEqual(gp(0));
    fixture.write64(Place.DATA + 24, 0x1_0000n);
    expect(at(fixture, 0x0f, 0xae, 0x08)).toEqual(gp(0));
  });
});

describe('RESET (SDM vol. 3A table 9-1)', () => {
  it('starts in real-address mode at F000:FFF0', () => {
    const fixture = new SystemFixture();
    fixture.system.reset();
    const { state } = fixture;
    expect([state.rip, state.cs.selector, state.cs.base]).toEqual([0xfff0n, 0xf000, 0xffff_0000n]);
    expect([state.get('cr0') >>> 0, state.rflags, fixture.codeSize]).toEqual([0x6000_0010, 2, 16]);
    expect([state.get64('dr6'), state.get64('dr7'), state.get('mxcsr')]).toEqual([0xffff_0ff0n, 0x400n, 0x1f80]);
  });
});
