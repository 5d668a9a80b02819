import { afterEach, expect, it } from 'vitest';
import {
  array,
  f8,
  f16,
  f32,
  i8,
  mem,
  packed,
  struct,
  u8,
  u32,
  u64,
  virt,
} from '../../../src/compiler/library/index.ts';
import { plug, unplug } from '../../../src/compiler/library/socket.ts';
import { find, grow, idt, print, processes, setGate, sum, syscalls } from './samples/kernel-like.ts';

afterEach(unplug);

it('wraps each width as the machine does', () => {
  expect([u8(256), u8(-1), i8(200), u32(-1), u32(7 / 2), u32(1 / 0), u64(-1n)]).toEqual([
    0,
    255,
    -56,
    0xffffffff,
    3,
    0,
    0xffff_ffff_ffff_ffffn,
  ]);
});

it('lays out structures as C does, packed ones without padding', () => {
  const fields = { a: f8, b: f32, c: f16, d: array(f16, 3) };
  expect([
    struct(fields).size,
    struct(fields).offsetOf('d'),
    packed(fields).size,
    packed(fields).offsetOf('d'),
  ]).toEqual([16, 10, 13, 7]);
});

it('reads and writes fields and bit fields in simulated memory', () => {
  setGate(2, 0x12345678n);
  expect(idt[2]!.offsetLow).toBe(0x5678);
  expect(idt[2]!.flags.raw).toBe(0x8e00);
  expect(mem.load16(virt(0x1000n + 16n + 2n))).toBe(8);
});

it('runs locks, tables, arrays and results', () => {
  const process = processes[3]!;
  process.pid = 42;
  expect(find(42)).toBe(process);
  expect(grow(process, 5n)).toEqual({ ok: true, value: 5n });
  expect(grow(process, 0xffff_ffff_ffff_ffffn)).toEqual({ ok: false, error: 12 });
  expect(process.lock.word.load()).toBe(0);
  expect(syscalls[39]!(6n)).toEqual({ ok: true, value: 7n });
  expect(sum()).toBe(17 + 104);
});

it('refuses indexes outside an array', () => {
  expect(() => processes[8]).toThrow('outside [0, 8)');
});

it('prints through a socket, piece by piece', () => {
  let written = '';
  plug({
    writePort: (_port, _size, value) => {
      written += String.fromCharCode(value);
    },
  });
  print`n ${65} ${true}\n`;
  expect(written).toBe('n 65 true\n');
});
