import { ByteWriter } from '../elf/bytes.ts';
import { rbp, rsp } from '../x64/conventions.ts';
import { DW_CFA } from './constants.ts';
import type { PlacedFunction } from './debug-sections.ts';
import { dwarfRegister } from './locations.ts';

/** The column of the return address (System V AMD64 ABI 3.6.2). */
const returnAddress = 16;
const dataAlignment = -8;

/** .debug_frame: how to find each function's caller. */
export function writeFrames(functions: readonly PlacedFunction[]): Uint8Array {
  const out = new ByteWriter();
  const common = new ByteWriter().u32(0xffffffff).u8(4).u8(0).u8(8).u8(0);
  common.unsignedLeb(1).signedLeb(dataAlignment).unsignedLeb(returnAddress);
  common.u8(DW_CFA.def_cfa).unsignedLeb(dwarfRegister(rsp)).unsignedLeb(8);
  common.u8(DW_CFA.offset | returnAddress).unsignedLeb(1);
  entry(out, common);
  for (const placed of functions) {
    if (placed.code.ir.convention === 'naked') continue;
    const { code, address } = placed;
    const description = new ByteWriter().u32(0).u64(address).u64(BigInt(code.bytes.length));
    describeFrame(description, placed);
    entry(out, description);
  }
  return out.bytes();
}

/** Length, body, padding with DW_CFA_nop to eight bytes. */
function entry(out: ByteWriter, body: ByteWriter): void {
  while ((body.length + 4) % 8 !== 0) body.u8(0);
  out.u32(body.length).append(body.bytes());
}

function describeFrame(out: ByteWriter, { code }: PlacedFunction): void {
  const { frame, bodyOffset, returns, ir } = code;
  let at = 0;
  const advance = (to: number) => {
    if (to > at) out.u8(DW_CFA.advance_loc4).u32(to - at);
    at = Math.max(at, to);
  };
  if (ir.convention === 'entry') out.u8(DW_CFA.undefined).unsignedLeb(returnAddress);
  const ordinary = ir.convention === 'sysv';
  if (frame.hasPointer && ordinary) {
    advance(1);
    out.u8(DW_CFA.def_cfa_offset).unsignedLeb(16);
    out.u8(DW_CFA.offset | dwarfRegister(rbp)).unsignedLeb(2);
    advance(4);
    out.u8(DW_CFA.def_cfa_register).unsignedLeb(dwarfRegister(rbp));
  }
  advance(bodyOffset);
  if (frame.hasPointer && !ordinary) {
    out.u8(DW_CFA.def_cfa).unsignedLeb(dwarfRegister(rbp)).unsignedLeb(16);
    out.u8(DW_CFA.offset | dwarfRegister(rbp)).unsignedLeb(2);
  }
  const pushed = frame.hasPointer ? 3 : 2;
  frame.saved.forEach((saved, index) => {
    out.u8(DW_CFA.offset | dwarfRegister(saved)).unsignedLeb(pushed + index);
  });
  if (!frame.hasPointer && frame.saved.length > 0) {
    out.u8(DW_CFA.def_cfa_offset).unsignedLeb(8 + 8 * frame.saved.length + frame.size);
  }
  for (const leaving of returns) {
    advance(leaving.at);
    out.u8(DW_CFA.remember_state).u8(DW_CFA.def_cfa).unsignedLeb(dwarfRegister(rsp)).unsignedLeb(8);
    if (leaving.end === code.bytes.length) return;
    advance(leaving.end);
    out.u8(DW_CFA.restore_state);
  }
}
