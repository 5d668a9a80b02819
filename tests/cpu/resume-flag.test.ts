import { expect, it } from 'vitest';
import { assemble } from '../../src/compiler/x64/assembler.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import { CODE, DATA, longModeCpu } from './long-mode.ts';

const GDT = DATA;
const IDT = DATA + 0x1000;
const INVALID_OPCODE = 6;

/** #UD, whose handler returns behind it, where a run may end anywhere. */
const PROGRAM = assemble(
  `
  again:
    ud2
    add eax, 1
    add ecx, 1
    add edx, 1
    add ebx, 1
    jmp again
  handler:
    add qword [rsp], 2
    iretq`,
  64,
);
const ROUND = ['ADD', 'IRETQ', 'ADD', 'ADD', 'ADD', 'ADD', 'JMP'];

function processor() {
  const cpu = longModeCpu([...PROGRAM.bytes]);
  const words = new DataView(cpu.guestRam.buffer, cpu.guestRam.byteOffset);
  words.setBigUint64(GDT + 8, 0x00af9b000000ffffn, true);
  words.setBigUint64(GDT + 16, 0x00cf93000000ffffn, true);
  const handler = BigInt(CODE + PROGRAM.labels.get('handler')!);
  words.setBigUint64(
    IDT + 16 * INVALID_OPCODE,
    (handler & 0xffffn) | 0x8e00_0008_0000n | ((handler >> 16n) << 48n),
    true,
  );
  cpu.state.set64('gdtrBase', BigInt(GDT));
  cpu.state.set('gdtrLimit', 23);
  cpu.state.set64('idtrBase', BigInt(IDT));
  cpu.state.set('idtrLimit', 0xfff);
  cpu.refresh();
  return cpu;
}

/** SDM vol. 3B 17.3.1.1: a fault saves RF set; IRET brings it back, and the next instruction ends it. */
it('RF is set behind the IRETQ from a fault until one instruction has retired, wherever a run ends', () => {
  for (let until = 1; until <= 4 * ROUND.length; until++) {
    const cpu = processor();
    expect(cpu.run(until)).toEqual({ reason: 'budget' });
    const last = ROUND[(until - 1) % ROUND.length];
    expect([until, (cpu.state.rflags & FLAG.RF) !== 0]).toEqual([until, last === 'IRETQ']);
  }
});
