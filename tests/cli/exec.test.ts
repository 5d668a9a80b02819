import { describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine } from '../../src/debugger/cases/case-machine.ts';
import { CaseGenerator } from '../oracle/native-generator.ts';
import { verdigris } from './verdigris.ts';

describe('verdigris exec HEX [reg=value ...]', () => {
  it('runs instruction bytes on a given state and shows what changed', async () => {
    const { status, stdout } = await verdigris(['exec', '4801d8', 'rax=7fffffffffffffff', 'rbx=1']);
    expect(stdout.split('\n').map((line) => line.trimEnd())).toEqual([
      '10000800  4801d8  add rax, rbx',
      'result    ran to its end',
      'rip       0000000010000800 -> 0000000010000803',
      'rax       7fffffffffffffff -> 8000000000000000',
      'flags     none -> PF AF SF OF',
      '',
    ]);
    expect(status).toBe(0);
  });

  it('names faults', async () => {
    const { stdout } = await verdigris(['exec', '8807', 'rdi=20004010']);
    expect(stdout).toContain('result    #PF page fault at 0x20004010 (write, not permitted)');
  });

  it.each([
    [['48zz'], "the code has 'z' at position 3, which is not a hexadecimal digit"],
    [['480'], 'the code has 3 hexadecimal digits: a byte takes two'],
    [['90', 'rex=1'], "there is no register or field named 'rex'"],
    [['90', 'rax=12345678123456781'], 'rax=12345678123456781 is not a hexadecimal number of at most 16 digits'],
    [[], 'exec needs instruction bytes in hexadecimal, as in: verdigris exec 4801d8 rax=1'],
  ])('refuses %j in one sentence', async (options, sentence) => {
    const { status, stderr } = await verdigris(['exec', ...options]);
    expect(stderr.split('\n')[0]).toBe(`verdigris: ${sentence}`);
    expect(status).toBe(2);
  });
});

describe('verdigris exec --cases', () => {
  it('answers the line format of the native oracle, one line a case', async () => {
    const cases = ['id=1 code=48ffc0 rax=41', '# a comment', '', 'id=2 code=0f0b', 'id=3 code=8a07 rdi=20000000'];
    const { status, stdout } = await verdigris(['exec', '--cases'], `${cases.join('\n')}\n`);
    expect(stdout).toBe(
      'id=1 v=ok rip=10000803 rax=42 fl=4\nid=2 v=6 err=0 rip=10000800 fl=0\nid=3 v=ok rip=10000802 rax=7 fl=0\n',
    );
    expect(status).toBe(0);
  });

  it('takes lines that end with CR LF, and a last one that does not end', async () => {
    const { stdout, status } = await verdigris(['exec', '--cases'], 'id=1 code=90\r\nid=2 code=90');
    expect([stdout, status]).toEqual(['id=1 v=ok rip=10000801 fl=0\nid=2 v=ok rip=10000801 fl=0\n', 0]);
  });

  it('names the line of a case that makes no sense', async () => {
    const { status, stderr } = await verdigris(['exec', '--cases'], 'id=1 code=90\nid=2 code=9\n');
    expect(stderr.split('\n')[0]).toBe('verdigris: line 2: code has 1 hexadecimal digits: a byte takes two');
    expect(status).toBe(2);
  });

  it('takes no more processor time than a second for 20,000 cases', () => {
    const generator = new CaseGenerator(77);
    const lines = Array.from({ length: 10_000 }, () => generator.next().line);
    const machine = new CaseMachine((options) => new Cpu(options));
    const answer = (line: string) => {
      const instructionCase = parseCase(line.split(' '));
      return formatResult(instructionCase, machine.run(instructionCase));
    };
    lines.forEach(answer);
    const before = process.cpuUsage();
    for (let pass = 0; pass < 2; pass++) lines.forEach(answer);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(1);
  });
});
