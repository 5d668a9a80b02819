import { describe, expect, it } from 'vitest';
import { DecodeError, Decoder } from '../../src/cpu/decode/decoder.ts';
import { FEATURES } from '../../src/cpu/decode/features.ts';
import { byteRegister, type CodeSize, Instruction, NO_REGISTER, Segment } from '../../src/cpu/decode/instruction.ts';

const everything = new Decoder(new Set(FEATURES));
const instruction = new Instruction();

/** Decodes bytes written in hexadecimal; returns the length or the error. */
function decode(hexadecimal: string, codeSize: CodeSize = 64, decoder = everything): number {
  const bytes = Uint8Array.from(hexadecimal.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return decoder.decode(bytes, 0, bytes.length, codeSize, instruction);
}

/** Name of the form the bytes decode to; undefined when they do not. */
function formOf(hexadecimal: string, codeSize: CodeSize = 64): string | undefined {
  return decode(hexadecimal, codeSize) > 0 ? instruction.description.name : undefined;
}

describe('prefixes', () => {
  it('uses REX only directly before the opcode', () => {
    expect(decode('48668bc3')).toBe(4);
    expect(instruction).toMatchObject({ rex: 0, operandSize: 16 });
    expect(decode('66488bc3')).toBe(4);
    expect(instruction).toMatchObject({ rex: 0x48, operandSize: 64 });
  });

  it('selects by the last of F2 and F3, before 66', () => {
    expect(formOf('66f20f58c1')).toBe('ADDSD_Vsd_Wsd');
    expect(formOf('f266f30f58c1')).toBe('ADDSS_Vss_Wss');
    expect(formOf('660f58c1')).toBe('ADDPD_Vpd_Wpd');
    expect(formOf('0f58c1')).toBe('ADDPS_Vps_Wps');
  });

  it('makes an absent TZCNT a BSF', () => {
    expect(formOf('f30fbcc1')).toBe('TZCNT_Gv_Ev');
    decode('f30fbcc1', 64, new Decoder(new Set()));
    expect(instruction.description.name).toBe('BSF_Gv_Ev');
  });

  it('allows LOCK only where the row does, with a memory destination', () => {
    expect(formOf('f00103')).toBe('ADD_Ev_Gv');
    expect(decode('f001c3')).toBe(DecodeError.Undefined);
    expect(decode('f00303')).toBe(DecodeError.Undefined);
    expect(decode('f03903')).toBe(DecodeError.Undefined);
  });

  it('ignores the segment overrides of 64-bit mode that name no base', () => {
    decode('642e8b03');
    expect(instruction).toMatchObject({ segment: Segment.FS, segmentOverridden: true });
    decode('2e8b4500');
    expect(instruction).toMatchObject({ segment: Segment.SS, segmentOverridden: false });
    decode('2e8b4500', 32);
    expect(instruction).toMatchObject({ segment: Segment.CS, segmentOverridden: true });
  });

  it('refuses more than 15 bytes and asks for bytes it lacks', () => {
    expect(decode(`${'66'.repeat(14)}90`)).toBe(15);
    expect(decode(`${'66'.repeat(15)}90`)).toBe(DecodeError.TooLong);
    expect(decode(`${'66'.repeat(14)}05aabb`)).toBe(DecodeError.TooLong);
    expect(decode('66')).toBe(DecodeError.Incomplete);
    expect(decode('48b8112233')).toBe(DecodeError.Incomplete);
    expect(decode('')).toBe(DecodeError.Incomplete);
  });
});

describe('operand and address sizes', () => {
  it.each([
    ['50', 64, 64],
    ['6650', 64, 16],
    ['66e800000000', 64, 64],
    ['ffd0', 64, 64],
    ['01c0', 64, 32],
    ['01c0', 32, 32],
    ['01c0', 16, 16],
    ['6601c0', 16, 32],
    ['00c0', 64, 8],
    ['4801c0', 64, 64],
  ] as const)('%s in %i-bit code has size %i', (bytes, codeSize, operandSize) => {
    expect(decode(bytes, codeSize)).toBe(bytes.length / 2);
    expect(instruction.operandSize).toBe(operandSize);
  });

  it('reads addresses of all three sizes', () => {
    decode('8b84ca78563412');
    expect(instruction).toMatchObject({ base: 2, index: 1, scale: 3, displacement: 0x12345678, segment: Segment.DS });
    decode('8b0425f0ffffff');
    expect(instruction).toMatchObject({
      base: NO_REGISTER,
      index: NO_REGISTER,
      displacement: -16,
      displacementHigh: -1,
    });
    decode('8b05f0ffffff');
    expect(instruction).toMatchObject({ base: NO_REGISTER, ripRelative: true, displacement: -16 });
    decode('4b8b0424');
    expect(instruction).toMatchObject({ base: 12, index: 12, segment: Segment.DS });
    decode('678b42f0', 32);
    expect(instruction).toMatchObject({ base: 5, index: 6, displacement: -16, addressSize: 16, segment: Segment.SS });
    decode('678b0634', 16);
    expect(instruction).toMatchObject({ base: 6, index: NO_REGISTER, addressSize: 32 });
  });

  it('reads immediates by their notation', () => {
    decode('83c0ff');
    expect(instruction).toMatchObject({ immediate: -1, immediateHigh: -1 });
    decode('c1e0ff');
    expect(instruction).toMatchObject({ immediate: 255, immediateHigh: 0 });
    decode('48b88877665544332211');
    expect(instruction).toMatchObject({ immediate: 0x55667788, immediateHigh: 0x11223344 });
    decode('c8341205');
    expect(instruction).toMatchObject({ immediate: 0x1234, immediate2: 5 });
    decode('ea785634120800', 32);
    expect(instruction).toMatchObject({ immediate: 0x12345678, immediate2: 8 });
    decode('a08877665544332211');
    expect(instruction).toMatchObject({ displacement: 0x55667788, displacementHigh: 0x11223344, memory: true });
  });

  it('numbers high-byte registers by the presence of REX', () => {
    expect([byteRegister(4, 0), byteRegister(7, 0), byteRegister(4, 0x40), byteRegister(3, 0)]).toEqual([20, 23, 4, 3]);
  });
});

describe('VEX', () => {
  it('decodes the general-purpose instructions', () => {
    expect(formOf('c4e270f2c3')).toBe('ANDN_Gy_By_Ey');
    expect(instruction).toMatchObject({ vvvv: 1, reg: 0, rm: 3, operandSize: 32 });
    decode('c46290f2c3');
    expect(instruction).toMatchObject({ operandSize: 64, vvvv: 13, reg: 8 });
  });

  it.each([
    ['c4e274f2c3', 'VEX.L'],
    ['66c4e270f2c3', 'a prefix before VEX'],
    ['48c4e270f2c3', 'REX before VEX'],
    ['f0c4e270f2c3', 'LOCK'],
    ['c4e373f0c305', 'vvvv where there is no operand for it'],
    ['c4e470f2c3', 'an unknown map'],
  ])('%s is undefined: %s', (bytes) => {
    expect(decode(bytes)).toBe(DecodeError.Undefined);
  });

  it('leaves C4 to LES outside 64-bit mode unless mod is 3', () => {
    expect(formOf('c403', 32)).toBe('LES_Gz_Mp');
    expect(formOf('c4e270f2c3', 32)).toBe('ANDN_Gy_By_Ey');
  });
});
