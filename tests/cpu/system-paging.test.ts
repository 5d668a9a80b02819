import { describe, expect, it } from 'vitest';
import { TLB_SLOW_DEVICE, tlbReadAddress, tlbWriteAddress } from '../../src/cpu/layout.ts';
import { Cr0, Cr4, Efer } from '../../src/cpu/system/control-bits.ts';
import { Access } from '../../src/cpu/system/page-walk.ts';
import { Fill } from '../../src/cpu/system/tlb.ts';
import { Place, SystemFixture } from './system-fixture.ts';

const P = 1n;
const W = 2n;
const U = 4n;
const A = 0x20n;
const D = 0x40n;
const PS = 0x80n;
const G = 0x100n;
const NX = 1n << 63n;

/** The linear page under test: 0x600000, the fourth entry of the page directory. */
const PAGE = 0x60_0000;

interface Bits {
  cr0?: number;
  cr4?: number;
  efer?: number;
}

/** Maps PAGE by a 4-KByte entry; each level's rights can be chosen. */
function machine(entry: bigint, { pd = P | W | U, bits = {} }: { pd?: bigint; bits?: Bits } = {}): SystemFixture {
  const fixture = new SystemFixture();
  fixture.write64(Place.PD + 3 * 8, BigInt(Place.PT) | pd);
  fixture.write64(Place.PT, entry);
  const { state } = fixture;
  if (bits.cr0 !== undefined) state.set64('cr0', BigInt(bits.cr0 >>> 0));
  if (bits.cr4 !== undefined) state.set64('cr4', BigInt(bits.cr4));
  if (bits.efer !== undefined) state.set64('efer', BigInt(bits.efer));
  fixture.system.refresh();
  return fixture;
}

function walk(fixture: SystemFixture, access: number, address = PAGE): number | 'ok' {
  return fixture.system.walker.walk(address, 0, access) ? 'ok' : fixture.system.walker.errorCode;
}

const { SYSTEM, WRITE, USER, FETCH, USER_PAGES_ALLOWED } = Access;
const PROTECTED = Cr0.PG | Cr0.PE | Cr0.ET;
const LONG = Efer.LME | Efer.LMA;
const FRAME = 0x12_3000n;

describe('4-level paging rights (SDM vol. 3A 4.6)', () => {
  const wp = PROTECTED | Cr0.WP;
  const cases: [string, bigint, bigint, Bits, number, number | 'ok'][] = [
    ['absent page, supervisor read', W, P | W | U, {}, SYSTEM, 0],
    ['absent page, user write', W, P | W | U, {}, USER | WRITE, 6],
    ['absent table, user fetch', P | U, 0n, {}, USER | FETCH, 0x14],
    ['user read of a user page', P | U, P | W | U, {}, USER, 'ok'],
    ['user read of a supervisor page', P | W, P | W | U, {}, USER, 5],
    ['user read below a supervisor table', P | W | U, P | W, {}, USER, 5],
    ['user write of a read-only page', P | U, P | W | U, {}, USER | WRITE, 7],
    ['user write below a read-only table', P | W | U, P | U, {}, USER | WRITE, 7],
    ['supervisor write of a read-only page, WP', P, P | W | U, { cr0: wp }, WRITE, 3],
    ['supervisor write of a read-only page, no WP', P, P | W | U, { cr0: PROTECTED }, WRITE, 'ok'],
    ['user write of a read-only page, no WP', P | U, P | W | U, { cr0: PROTECTED }, USER | WRITE, 7],
    ['fetch from an NX page', P | NX, P | W | U, {}, FETCH, 0x11],
    ['fetch below an NX table', P, P | W | U | NX, {}, FETCH, 0x11],
    ['read of an NX page', P | NX, P | W | U, {}, SYSTEM, 'ok'],
    ['NX without EFER.NXE is reserved', P | NX, P | W | U, { efer: LONG }, SYSTEM, 9],
    ['fetch without NXE or SMEP reports no I bit', W, P | W | U, { efer: LONG }, FETCH, 0],
    ['SMEP: supervisor fetch from a user page', P | U, P | W | U, { cr4: Cr4.PAE | Cr4.SMEP }, FETCH, 0x11],
    ['SMEP: user fetch from a user page', P | U, P | W | U, { cr4: Cr4.PAE | Cr4.SMEP }, FETCH | USER, 'ok'],
    ['SMEP: the page is user only if every level is', P | U, P | W, { cr4: Cr4.PAE | Cr4.SMEP }, FETCH, 'ok'],
    ['SMAP: supervisor read of a user page', P | U, P | W | U, { cr4: Cr4.PAE | Cr4.SMAP }, SYSTEM, 1],
    ['SMAP: supervisor write of a user page', P | W | U, P | W | U, { cr4: Cr4.PAE | Cr4.SMAP }, WRITE, 3],
    ['SMAP: with AC set', P | U, P | W | U, { cr4: Cr4.PAE | Cr4.SMAP }, USER_PAGES_ALLOWED, 'ok'],
    ['SMAP: supervisor page', P, P | W | U, { cr4: Cr4.PAE | Cr4.SMAP }, SYSTEM, 'ok'],
    ['SMAP does not touch fetches', P | U, P | W | U, { cr4: Cr4.PAE | Cr4.SMAP }, FETCH, 'ok'],
    ['address bit beyond MAXPHYADDR is reserved', P | (1n << 40n), P | W | U, {}, SYSTEM, 9],
    ['reserved bit in a table entry', P, P | W | U | (1n << 51n), {}, USER, 13],
    ['bits 62:52 are free', P | (0x7ffn << 52n), P | W | U, {}, SYSTEM, 'ok'],
  ];
  for (const [name, entry, pd, bits, access, expected] of cases) {
    it(name, () => {
      const fixture = machine(entry | FRAME, { pd, bits });
      expect(walk(fixture, access)).toBe(expected);
      if (expected === 'ok') expect(fixture.system.walker.physical).toBe(Number(FRAME));
    });
  }

  it('2-MByte pages reserve bits 20:13 and keep PAT in bit 12', () => {
    const fixture = machine(0n);
    fixture.write64(Place.PD + 3 * 8, 0x20_0000n | P | W | PS | (1n << 12n));
    expect(walk(fixture, SYSTEM, PAGE + 0x1_2345)).toBe('ok');
    expect(fixture.system.walker.physical).toBe(0x21_2345);
    fixture.write64(Place.PD + 3 * 8, 0x20_0000n | P | W | PS | (1n << 13n));
    expect(walk(fixture, SYSTEM)).toBe(9);
  });

  it('1-GByte pages map and reserve bits 29:13', () => {
    const fixture = machine(0n);
    fixture.write64(Place.PDPT + 8, P | W | PS | (1n << 30n));
    expect(walk(fixture, SYSTEM, 0x4567_89ab)).toBe('ok');
    expect(fixture.system.walker.physical).toBe(0x4567_89ab);
    fixture.write64(Place.PDPT + 8, P | W | PS | (1n << 29n));
    expect(walk(fixture, SYSTEM, 0x4567_89ab)).toBe(9);
  });

  it('bit 7 of a PML4 entry is reserved', () => {
    const fixture = machine(0n);
    fixture.write64(Place.PML4, BigInt(Place.PDPT) | P | W | U | PS);
    expect(walk(fixture, SYSTEM)).toBe(9);
  });

  it('entries outside RAM read as all ones and fault as reserved', () => {
    const fixture = machine(0n, { pd: P | W | U | 0x40_0000_0000n });
    expect(walk(fixture, SYSTEM)).toBe(9);
  });
});

describe('accessed and dirty flags (SDM vol. 3A 4.8)', () => {
  it('a read sets A on every level and D nowhere', () => {
    const fixture = machine(FRAME | P | W | U);
    walk(fixture, SYSTEM);
    expect(fixture.read64(Place.PML4) & (A | D)).toBe(A);
    expect(fixture.read64(Place.PDPT) & (A | D)).toBe(A);
    expect(fixture.read64(Place.PD + 24) & (A | D)).toBe(A);
    expect(fixture.read64(Place.PT) & (A | D)).toBe(A);
  });

  it('a write sets D in the leaf only', () => {
    const fixture = machine(FRAME | P | W | U);
    walk(fixture, WRITE);
    expect(fixture.read64(Place.PD + 24) & (A | D)).toBe(A);
    expect(fixture.read64(Place.PT) & (A | D)).toBe(A | D);
  });

  it('a refused access leaves the leaf alone', () => {
    const fixture = machine(FRAME | P | U);
    expect(walk(fixture, USER | WRITE)).toBe(7);
    expect(fixture.read64(Place.PT) & (A | D)).toBe(0n);
  });

  it('an inspection sets nothing and reports each level', () => {
    const fixture = machine(FRAME | P | W);
    const report = fixture.system.walkReport(BigInt(PAGE + 0x123));
    expect(report.physical).toBe(Number(FRAME) + 0x123);
    expect(report.levels.map(({ structure, index, entryAddress }) => [structure, index, entryAddress])).toEqual([
      ['PML4', 0, Place.PML4],
      ['PDPT', 0, Place.PDPT],
      ['PD', 3, Place.PD + 24],
      ['PT', 0, Place.PT],
    ]);
    expect(report.levels[3]?.entry).toBe(FRAME | P | W);
    expect(fixture.read64(Place.PT) & (A | D)).toBe(0n);
  });
});

describe('legacy paging modes', () => {
  function legacy(cr4: number): SystemFixture {
    const fixture = new SystemFixture();
    fixture.state.set64('cr4', BigInt(cr4));
    fixture.state.set64('efer', 0n);
    return fixture;
  }

  it('unpaged addresses are physical', () => {
    const fixture = new SystemFixture();
    fixture.state.set64('cr0', BigInt(Cr0.PE));
    fixture.system.refresh();
    expect(walk(fixture, USER | WRITE, 0xfee0_0000 | 0)).toBe('ok');
    expect(fixture.system.walker.physical).toBe(0xfee0_0000);
  });

  it('32-bit paging maps 4-KByte pages', () => {
    const fixture = legacy(0);
    fixture.state.set64('cr3', BigInt(Place.PD));
    fixture.write32(Place.PD + 4, Place.PT | 7);
    fixture.write32(Place.PT + 0x200 * 4, 0x12_3003);
    fixture.system.refresh();
    expect(walk(fixture, WRITE, 0x60_0abc)).toBe('ok');
    expect(fixture.system.walker.physical).toBe(0x12_3abc);
    expect(fixture.read32(Place.PT + 0x200 * 4)).toBe(0x12_3063);
    expect(walk(fixture, USER, 0x60_0abc)).toBe(5);
    expect(walk(fixture, SYSTEM, 0x70_0000)).toBe(0);
  });

  it('PSE maps 4-MByte pages with PSE-36 addresses, and reserves bit 21', () => {
    const fixture = legacy(Cr4.PSE);
    fixture.state.set64('cr3', BigInt(Place.PD));
    fixture.write32(Place.PD + 4, 0x0080_0087 | (5 << 13));
    fixture.system.refresh();
    expect(walk(fixture, SYSTEM, 0x41_2345)).toBe('ok');
    expect(fixture.system.walker.physical).toBe(5 * 2 ** 32 + 0x81_2345);
    fixture.write32(Place.PD + 4, 0x00a0_0087);
    expect(walk(fixture, SYSTEM, 0x41_2345)).toBe(9);
  });

  it('PAE paging starts from four registers, loaded once', () => {
    const fixture = legacy(Cr4.PAE);
    fixture.state.set64('cr3', BigInt(Place.PDPT));
    fixture.write64(Place.PDPT, BigInt(Place.PD) | 1n);
    fixture.write64(Place.PDPT + 8, 0n);
    fixture.write64(Place.PDPT + 16, 0n);
    fixture.write64(Place.PDPT + 24, 0n);
    expect(fixture.system.walker.loadPdptes(BigInt(Place.PDPT))).toBe(true);
    fixture.system.refresh();
    fixture.write64(Place.PDPT, 0n);
    expect(walk(fixture, SYSTEM, 0x20_0123)).toBe('ok');
    expect(fixture.system.walker.physical).toBe(0x20_0123);
    expect(walk(fixture, SYSTEM, 0x4000_0000)).toBe(0);
  });

  it('a reserved bit in a PDPTE refuses the load', () => {
    const fixture = legacy(Cr4.PAE);
    fixture.write64(Place.PDPT, BigInt(Place.PD) | 3n);
    expect(fixture.system.walker.loadPdptes(BigInt(Place.PDPT))).toBe(false);
  });
});

describe('the TLB (SDM vol. 3A 4.10)', () => {
  const supervisor = 2;

  function tag(fixture: SystemFixture, address: number, write: boolean, index = supervisor): bigint {
    const base = write ? tlbWriteAddress(index) : tlbReadAddress(index);
    return fixture.state.view.getBigInt64(base + ((address >>> 12) & 4095) * 16, true);
  }

  function host(fixture: SystemFixture, address: number, write: boolean): number {
    const base = write ? tlbWriteAddress(supervisor) : tlbReadAddress(supervisor);
    const addend = fixture.state.view.getInt32(base + ((address >>> 12) & 4095) * 16 + 8, true);
    return ((address + addend) >>> 0) - fixture.state.ramAddress;
  }

  it('a read miss enters the read tag, and the write tag only once the page is dirty', () => {
    const fixture = machine(FRAME | P | W);
    expect(fixture.system.fill(PAGE + 8, 0, 0)).toBe(Fill.RAM);
    expect(tag(fixture, PAGE, false)).toBe(BigInt(PAGE));
    expect(host(fixture, PAGE + 8, false)).toBe(Number(FRAME) + 8);
    expect(tag(fixture, PAGE, true)).toBe(-1n);
    fixture.system.fill(PAGE, 0, 1);
    expect(tag(fixture, PAGE, true)).toBe(BigInt(PAGE));
  });

  it('each privilege has its own entries', () => {
    const fixture = machine(FRAME | P | W | U);
    fixture.system.fill(PAGE, 0, 0);
    expect(tag(fixture, PAGE, false, 0)).toBe(-1n);
    fixture.enterRing3();
    fixture.system.fill(PAGE, 0, 0);
    expect(tag(fixture, PAGE, false, 0)).toBe(BigInt(PAGE));
  });

  it('device memory is entered so that it is not walked for again, and never accessed at full speed', () => {
    const fixture = machine(0xfee0_0000n | P | W);
    expect(fixture.system.fill(PAGE + 0x20, 0, 0)).toBe(Fill.DEVICE);
    expect(fixture.system.tlb.physical).toBe(0xfee0_0020);
    expect(tag(fixture, PAGE, false)).toBe(BigInt(PAGE | TLB_SLOW_DEVICE));
    expect(fixture.system.fill(PAGE + 0x24, 0, 0)).toBe(Fill.DEVICE);
    expect(fixture.system.tlb.physical).toBe(0xfee0_0024);
  });

  it('a fault fills the fault record', () => {
    const fixture = machine(0n);
    expect(fixture.system.fill(PAGE + 4, 0, 1)).toBe(Fill.PAGE_FAULT);
    expect(fixture.state.get('faultVector')).toBe(14);
    expect(fixture.state.get('faultErrorCode')).toBe(2);
    expect(fixture.state.get64('faultAddress')).toBe(BigInt(PAGE + 4));
  });

  it('non-canonical addresses are told apart', () => {
    const fixture = machine(0n);
    expect(fixture.system.fill(0, 0x8000, 0)).toBe(Fill.NON_CANONICAL);
    expect(fixture.system.fill(0, 0x7fff, 0)).toBe(Fill.PAGE_FAULT);
    expect(fixture.system.fill(0, -0x8000, 0)).toBe(Fill.PAGE_FAULT);
    expect(fixture.system.fill(0, -0x8001, 0)).toBe(Fill.NON_CANONICAL);
  });

  it('INVLPG drops one page, global or not', () => {
    const fixture = machine(FRAME | P | W | G | D, { bits: { cr4: Cr4.PAE | Cr4.PGE } });
    fixture.write64(Place.PT + 8, 0x12_4000n | P | W | D);
    fixture.system.fill(PAGE, 0, 0);
    fixture.system.fill(PAGE + 0x1000, 0, 0);
    fixture.state.setGpr(0, BigInt(PAGE + 0x10));
    expect(fixture.execute(0x0f, 0x01, 0x38)).toBeUndefined(); // invlpg [rax]
    expect(tag(fixture, PAGE, false)).toBe(-1n);
    expect(tag(fixture, PAGE, true)).toBe(-1n);
    expect(tag(fixture, PAGE + 0x1000, false)).toBe(BigInt(PAGE + 0x1000));
  });

  it('INVLPG drops every entry of a large page', () => {
    const fixture = new SystemFixture();
    fixture.system.fill(0x20_0000, 0, 0);
    fixture.system.fill(0x20_5000, 0, 0);
    fixture.system.fill(0x40_0000, 0, 0);
    fixture.state.setGpr(0, 0x3f_ffffn);
    fixture.execute(0x0f, 0x01, 0x38);
    expect(tag(fixture, 0x20_0000, false)).toBe(-1n);
    expect(tag(fixture, 0x20_5000, false)).toBe(-1n);
    fixture.state.setGpr(0, 0x5f_ffffn);
    fixture.execute(0x0f, 0x01, 0x38);
    expect(tag(fixture, 0x40_0000, false)).toBe(-1n);
  });

  it('MOV CR3 keeps global pages and drops the others', () => {
    const fixture = machine(FRAME | P | W | G, { bits: { cr4: Cr4.PAE | Cr4.PGE } });
    fixture.write64(Place.PT + 8, 0x12_4000n | P | W);
    fixture.system.fill(PAGE, 0, 0);
    fixture.system.fill(PAGE + 0x1000, 0, 0);
    fixture.state.setGpr(0, BigInt(Place.PML4));
    expect(fixture.execute(0x0f, 0x22, 0xd8)).toBeUndefined(); // mov cr3, rax
    expect(tag(fixture, PAGE, false)).toBe(BigInt(PAGE));
    expect(tag(fixture, PAGE + 0x1000, false)).toBe(-1n);
  });

  it('MOV CR3 makes fetches be looked up anew: in ring 3 always, in other rings unless all of them were from global pages', () => {
    const fixture = machine(FRAME | P | W | G, { bits: { cr4: Cr4.PAE | Cr4.PGE } });
    fixture.write64(Place.PT + 8, 0x12_4000n | P | W);
    fixture.state.setGpr(0, BigInt(Place.PML4));
    const changes = (page: number) => {
      fixture.system.fetch(page, 0);
      const names = ['userFetchContext', 'supervisorFetchContext'] as const;
      const before = names.map((name) => fixture.state.get(name));
      fixture.execute(0x0f, 0x22, 0xd8); // mov cr3, rax
      return names.map((name, index) => fixture.state.get(name) !== before[index]);
    };
    expect(changes(PAGE)).toEqual([true, false]);
    expect(changes(PAGE + 0x1000)).toEqual([true, true]);
    expect(changes(PAGE)).toEqual([true, false]);
  });

  it('without CR4.PGE the G bit means nothing', () => {
    const fixture = machine(FRAME | P | W | G);
    fixture.system.fill(PAGE, 0, 0);
    fixture.state.setGpr(0, BigInt(Place.PML4));
    fixture.execute(0x0f, 0x22, 0xd8);
    expect(tag(fixture, PAGE, false)).toBe(-1n);
  });

  it('toggling CR4.PGE drops global pages', () => {
    const fixture = machine(FRAME | P | W | G, { bits: { cr4: Cr4.PAE | Cr4.PGE } });
    fixture.system.fill(PAGE, 0, 0);
    fixture.state.setGpr(0, BigInt(Cr4.PAE));
    expect(fixture.execute(0x0f, 0x22, 0xe0)).toBeUndefined(); // mov cr4, rax
    expect(tag(fixture, PAGE, false)).toBe(-1n);
  });

  it('INVPCID types 2 and 3 differ in global pages', () => {
    const fixture = machine(FRAME | P | W | G, { bits: { cr4: Cr4.PAE | Cr4.PGE } });
    fixture.state.setGpr(0, BigInt(Place.DATA));
    fixture.system.fill(PAGE, 0, 0);
    fixture.state.setGpr(1, 3n);
    expect(fixture.execute(0x66, 0x0f, 0x38, 0x82, 0x08)).toBeUndefined(); // invpcid rcx, [rax]
    expect(tag(fixture, PAGE, false)).toBe(BigInt(PAGE));
    fixture.state.setGpr(1, 2n);
    fixture.execute(0x66, 0x0f, 0x38, 0x82, 0x08);
    expect(tag(fixture, PAGE, false)).toBe(-1n);
    fixture.state.setGpr(1, 4n);
    expect(fixture.execute(0x66, 0x0f, 0x38, 0x82, 0x08)).toEqual({ vector: 13, errorCode: 0 });
    fixture.state.setGpr(1, 1n);
    fixture.write64(Place.DATA, 1n);
    expect(fixture.execute(0x66, 0x0f, 0x38, 0x82, 0x08)).toEqual({ vector: 13, errorCode: 0 });
  });

  it('an entry stays until it is invalidated, and is gone at once after', () => {
    const fixture = machine(FRAME | P | W);
    fixture.system.fill(PAGE, 0, 0);
    fixture.write64(Place.PT, 0n);
    expect(tag(fixture, PAGE, false)).toBe(BigInt(PAGE));
    fixture.state.setGpr(0, BigInt(PAGE));
    fixture.execute(0x0f, 0x01, 0x38);
    expect(fixture.system.fill(PAGE, 0, 0)).toBe(Fill.PAGE_FAULT);
  });

  it('holds writes to code pages on the slow tag', () => {
    const fixture = machine(FRAME | P | W | D);
    fixture.system.fill(PAGE, 0, 1);
    fixture.system.tlb.holdCode(Number(FRAME) / 4096);
    expect(tag(fixture, PAGE, true)).toBe(BigInt(PAGE) | 1n);
    expect(tag(fixture, PAGE, false)).toBe(BigInt(PAGE));
  });
});
