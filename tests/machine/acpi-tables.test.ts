import { describe, expect, it } from 'vitest';
import { boot } from '../../src/index.ts';
import { acpiTables } from '../../src/machine/boot/acpi-tables.ts';
import { ByteReader } from '../../src/machine/boot/byte-reader.ts';
import { pvhImage } from './image-builder.ts';

const BASE = 0xf_0000;
const bytes = acpiTables(BASE, { lapicAddress: 0xfee0_0000, ioapicAddress: 0xfec0_0000, powerManagementPort: 0x600 });
const reader = new ByteReader(bytes);
const sum = (start: number, length: number) =>
  bytes.subarray(start, start + length).reduce((total, byte) => (total + byte) & 0xff, 0);

/** Offset of the table with a signature, found as a kernel finds it: RSDP, XSDT, entries. */
function table(signature: string): number {
  const xsdt = Number(reader.u64(24)) - BASE;
  const count = (reader.u32(xsdt + 4) - 36) / 8;
  const offsets = Array.from({ length: count }, (_, index) => Number(reader.u64(xsdt + 36 + 8 * index)) - BASE);
  const offset = offsets.find((at) => reader.string(at).startsWith(signature));
  if (offset === undefined) throw new Error(`no ${signature}`);
  return offset;
}

describe('the ACPI tables', () => {
  it('begin with an RSDP whose two checksums hold', () => {
    expect(reader.string(0).slice(0, 8)).toBe('RSD PTR ');
    expect([sum(0, 20), sum(0, 36)]).toEqual([0, 0]);
  });

  it('list the same tables in RSDT and XSDT, each with a checksum that holds', () => {
    const rsdt = reader.u32(16) - BASE;
    const xsdt = Number(reader.u64(24)) - BASE;
    const fadt = table('FACP');
    const dsdt = reader.u32(fadt + 40) - BASE;
    for (const at of [rsdt, xsdt, fadt, table('APIC'), dsdt]) expect(sum(at, reader.u32(at + 4))).toBe(0);
    expect([reader.u32(rsdt + 36), reader.u32(rsdt + 40)]).toEqual([fadt + BASE, table('APIC') + BASE]);
  });

  it('describe the power management ports, the reset register and soft off', () => {
    const fadt = table('FACP');
    expect(reader.u32(fadt + 4)).toBe(244);
    expect([reader.u16(fadt + 46), reader.u32(fadt + 56), reader.u32(fadt + 64), reader.u32(fadt + 76)]).toEqual([
      9, 0x600, 0x604, 0x608,
    ]);
    expect([reader.u8(fadt + 88), reader.u8(fadt + 89), reader.u8(fadt + 91)]).toEqual([4, 2, 4]);
    expect([reader.u8(fadt + 108), reader.u16(fadt + 109), reader.u32(fadt + 112)]).toEqual([0x32, 5, 0x435]);
    expect([reader.u8(fadt + 116), Number(reader.u64(fadt + 120)), reader.u8(fadt + 128)]).toEqual([1, 0xcf9, 6]);
    const dsdt = Number(reader.u64(fadt + 140)) - BASE;
    expect(reader.string(dsdt + 37).slice(0, 4)).toBe('_S5_');
    expect((reader.u32(fadt + 36) - BASE) % 64).toBe(0);
    expect(reader.string(reader.u32(fadt + 36) - BASE).slice(0, 4)).toBe('FACS');
  });

  it('describe the APICs and the interrupt overrides', () => {
    const madt = table('APIC');
    expect(reader.u32(madt + 36)).toBe(0xfee0_0000);
    const entries: number[][] = [];
    for (let at = madt + 44; at < madt + reader.u32(madt + 4); at += reader.u8(at + 1)) {
      entries.push([...bytes.subarray(at, at + reader.u8(at + 1))]);
    }
    expect(entries).toEqual([
      [0, 8, 0, 0, 1, 0, 0, 0],
      [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
      [4, 6, 0xff, 0, 0, 1],
    ]);
  });

  it('are where a PVH kernel is told they are', async () => {
    const machine = await boot(pvhImage(new Uint8Array([0xf4])), { memory: '2M' });
    const ram = new ByteReader(machine.state.guestRam);
    const rsdp = Number(ram.u64(machine.entry.ebx + 32));
    expect(ram.string(rsdp).slice(0, 8)).toBe('RSD PTR ');
  });
});
