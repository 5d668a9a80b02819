import { describe, expect, it } from 'vitest';
import { DecodeError, Decoder } from '../../src/cpu/decode/decoder.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { interpreterModule } from '../../src/cpu/interpreter/instance.ts';
import { Templates } from '../../src/cpu/interpreter/templates.ts';
import { MODE } from '../../src/cpu/layout.ts';

const LONG = MODE.code64 | MODE.sse;
const decoder = new Decoder();
const newTemplates = () => new Templates(decoder, interpreterModule().handlers);

const find = (templates: Templates, bytes: readonly number[], mode: number = LONG, available = bytes.length) =>
  templates.find(Uint8Array.from([...bytes, ...new Array<number>(16).fill(0)]), 0, available, mode);

describe('templates of records', () => {
  it('are shared by instructions that differ in displacement and immediate', () => {
    const templates = newTemplates();
    // add dword [rax + rcx * 4 + disp8], imm32
    const first = find(templates, [0x81, 0x44, 0x88, 0x10, 1, 2, 3, 4]);
    expect(find(templates, [0x81, 0x44, 0x88, 0xf0, 9, 8, 7, 6])).toBe(first);
    expect(find(templates, [0x81, 0x44, 0x89, 0x10, 1, 2, 3, 4])).not.toBe(first);
    expect(first).toMatchObject({ length: 8, operandsAt: 3, displacementBytes: 1, immediateBytes: 4 });
  });

  it('know the count of a shift, which decides about the handler', () => {
    const templates = newTemplates();
    const none = find(templates, [0xc1, 0xe0, 0x20])!;
    const four = find(templates, [0xc1, 0xe0, 4])!;
    expect(four.handler).not.toBe(none.handler);
    expect([four.immediateBytes, four.immediateConstant]).toEqual([0, 4]);
    // shl dword [rax + 0x12345678], 4
    expect(find(templates, [0xc1, 0xa0, 0x78, 0x56, 0x34, 0x12, 4])).toMatchObject({
      displacementConstant: 0x12345678,
    });
  });

  it('belong to one mode', () => {
    const templates = newTemplates();
    expect(find(templates, [0x40, 0x90], MODE.code32)!.length).toBe(1);
    expect(find(templates, [0x40, 0x90], LONG)!.length).toBe(2);
    expect(find(templates, [0x0f, 0x58, 0xc1], LONG)!.variant).toBeGreaterThan(0);
    expect(find(templates, [0x0f, 0x58, 0xc1], MODE.code64)!.variant).toBe(-1);
  });

  it('do not hide that bytes are missing', () => {
    const templates = newTemplates();
    expect(find(templates, [0xb8, 1, 2, 3, 4])!.length).toBe(5);
    expect(find(templates, [0xb8, 1, 2, 3, 4], LONG, 4)).toBeUndefined();
    expect(templates.error).toBe(DecodeError.Incomplete);
  });

  it('agree with the decoder when there are more shapes than are kept', () => {
    const templates = newTemplates();
    const instruction = new Instruction();
    const bytes = new Uint8Array(32);
    let differences = 0;
    let shapes = 0;
    for (let round = 0; round < 2; round++) {
      for (let prefixes = 0; prefixes < 64; prefixes++) {
        for (let opcode = 0; opcode < 256; opcode += 3) {
          for (let modrm = round; modrm < 256; modrm += 5) {
            bytes.set([prefixes < 32 ? 0x64 : 0x65, prefixes & 1 ? 0x66 : 0x67, 0x40 | (prefixes >> 1), opcode, modrm]);
            const length = decoder.decode(bytes, 0, 32, 64, instruction);
            const template = templates.find(bytes, 0, 32, LONG);
            if ((template?.length ?? templates.error) !== length) differences++;
            shapes++;
          }
        }
      }
    }
    expect(shapes).toBeGreaterThan(100_000);
    expect(differences).toBe(0);
  });
});
