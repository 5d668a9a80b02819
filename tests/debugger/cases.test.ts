import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { CaseError, formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine } from '../../src/debugger/cases/case-machine.ts';
import { caseReport, disassembly } from '../../src/debugger/cases/report.ts';
import { ENGINE } from '../engine.ts';

const machine = new CaseMachine((options) => new Cpu({ ...ENGINE, ...options }));

/** The answer to a case given as one line. */
function answer(line: string): string {
  const instructionCase = parseCase(line.split(' '));
  return formatResult(instructionCase, machine.run(instructionCase));
}

describe('instruction cases', () => {
  it.each([
    ['id=1 code=4801d8 rax=7fffffffffffffff rbx=1', 'id=1 v=ok rip=10000803 rax=8000000000000000 fl=894'],
    ['id=2 code=8807 rdi=20000100 rax=aa', 'id=2 v=ok rip=10000802 fl=0 m=20000100:aa'],
    ['id=3 code=8b00 rax=5', 'id=3 v=14 err=4 cr2=5 rip=10000800 fl=0'],
    ['id=4 code=8807 rdi=20004000', 'id=4 v=14 err=7 cr2=20004000 rip=10000800 fl=0'],
    ['id=5 code=0f0b fl=ad7', 'id=5 v=6 err=0 rip=10000800 fl=8d5'],
    ['id=6 code=f7f1 rcx=0', 'id=6 v=0 err=0 rip=10000800 fl=0'],
    ['id=7 code=cc', 'id=7 v=3 err=0 rip=10000801 fl=0'],
    ['id=8 code=f4', 'id=8 v=13 err=0 rip=10000800 fl=0'],
    ['id=9 code=0f05', 'id=9 v=sys rip=10000802 rcx=10000802 r11=202 fl=0'],
    ['id=10 code=ebfe', 'id=10 v=to rip=10000800 fl=0'],
    ['id=11 code=90 at=10000fff', 'id=11 v=14 err=14 cr2=10001000 rip=10001000 fl=0'],
    ['id=12 code=ffc0ffc0 step=1', 'id=12 v=ok rip=10000802 rax=1 fl=0'],
    ['id=13 code=0f280f rdi=20000001', 'id=13 v=13 err=0 rip=10000800 fl=0'],
    [
      'id=14 code=f30f1003 rbx=20000010 m=20000010:0000803f x0=ff',
      'id=14 v=ok rip=10000804 fl=0 x0=0000803f000000000000000000000000',
    ],
    ['id=15 code=0fae1f rdi=20000020 mxcsr=3f80', 'id=15 v=ok rip=10000803 fl=0 m=20000020:803f0000'],
    ['id=16 code=f3480faec0 fs=123456789a', 'id=16 v=ok rip=10000805 rax=123456789a fl=0'],
  ])('%s', (line, expected) => {
    expect(answer(line)).toBe(expected);
  });

  it('gives each case fresh memory and registers', () => {
    expect(answer('id=1 code=8807 rdi=20000100 rax=aa x3=11')).toContain('m=20000100:aa');
    expect(answer('id=2 code=8a0790 rdi=20000100')).toBe('id=2 v=ok rip=10000803 rax=42 fl=0');
  });

  it.each([
    ['code=4', 'code has 1 hexadecimal digits: a byte takes two'],
    ['code=4g', "code has 'g' at position 2, which is not a hexadecimal digit"],
    ['rax=1', 'the case has no code=BYTES'],
    ['code=90 rax=', 'rax= is not a hexadecimal number of at most 16 digits'],
    ['code=90 eax=1', "there is no register or field named 'eax'"],
    ['code=90 rax', "'rax' is not of the form name=value"],
    ['code=90 at=20000000', 'at=20000000 is outside the code page, 10000000 to 10000fff'],
    ['code=90 m=20003fff:0102', 'm=20003fff is outside the data pages, 20000000 to 20003fff'],
    ['code=90 mxcsr=12345', 'mxcsr=12345 does not fit in 16 bits'],
    [`code=${'90'.repeat(2049)}`, 'code has 2049 bytes: at most 2048 are executed'],
  ])('refuses "%s" in a sentence', (line, sentence) => {
    expect(() => parseCase(line.split(' '))).toThrow(new CaseError(sentence));
  });

  it('reports to people what changed', () => {
    const instructionCase = parseCase(['code=48830701', 'rdi=20000fff']);
    expect(disassembly(instructionCase)).toEqual([{ label: '10000800', text: '48830701  add qword ptr [rdi], 0x1' }]);
    const report = caseReport(instructionCase, machine.run(instructionCase)).map(
      ({ label, text }) => `${label} ${text}`,
    );
    expect(report).toEqual([
      'result ran to its end',
      'rip 0000000010000800 -> 0000000010000804',
      'flags none -> AF',
      'memory 20000fff: e0',
    ]);
  });
});
