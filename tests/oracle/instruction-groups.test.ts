import { afterAll, describe, expect, it } from 'vitest';
import { Cpu } from '../../src/cpu/cpu.ts';
import { Decoder } from '../../src/cpu/decode/decoder.ts';
import type { Form } from '../../src/cpu/decode/forms.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { OracleProcessor } from '../../src/cpu/oracle/oracle-processor.ts';
import { formatResult, parseCase } from '../../src/debugger/cases/case.ts';
import { CaseMachine, type CaseProcessorFactory } from '../../src/debugger/cases/case-machine.ts';
import { ENGINE } from '../engine.ts';
import { difference, reproduction } from './native-compare.ts';
import { CaseGenerator, exercisedForms, type GeneratedCase } from './native-generator.ts';
import { NativeOracle } from './native-process.ts';
import { nativeHost, tool } from './tools.ts';

const gcc = tool('gcc');
const host = nativeHost();

/** Instruction groups by mnemonic, with the operand sizes that each must meet. Far pointers of 64 bits are Intel's alone. */
const GROUPS = {
  'arithmetic: ADD ADC SUB SBB CMP INC DEC NEG': [8, 16, 32, 64],
  'logic: AND OR XOR NOT TEST': [8, 16, 32, 64],
  'shifts: SHL SHR SAR': [8, 16, 32, 64],
  'double shifts: SHLD SHRD': [16, 32, 64],
  'rotates, through carry too: ROL ROR RCL RCR': [8, 16, 32, 64],
  'bit tests: BT BTS BTR BTC': [16, 32, 64],
  'bit scans: BSF BSR': [16, 32, 64],
  'multiplication: MUL IMUL': [8, 16, 32, 64],
  'division: DIV IDIV': [8, 16, 32, 64],
  'widening: CBW CWD MOVZX MOVSX MOVSXD': [16, 32, 64],
  'moves: MOV XCHG LEA BSWAP XLAT CMOVcc': [8, 16, 32, 64],
  'string instructions: MOVS CMPS STOS LODS SCAS': [8, 16, 32, 64],
  'compare and exchange: CMPXCHG XADD': [8, 16, 32, 64],
  'compare and exchange of pairs: CMPXCHG8B CMPXCHG16B': [],
  'the stack and its frames: PUSH POP PUSHF POPF ENTER LEAVE': [16, 64],
  'near transfers: CALL JMP Jcc RET LOOP LOOPE LOOPNE JCXZ': [],
  'far transfers: CALLF JMPF RETF IRET INT INT3': [],
  'flags: SETcc CMC CLC STC CLD STD LAHF SAHF': [],
  'far pointers: LSS LFS LGS': [16, 32],
  MOVBE: [16, 32, 64],
  'add with carry chains: ADCX ADOX': [32, 64],
  'BMI1: ANDN BEXTR BLSI BLSMSK BLSR TZCNT': [32, 64],
  'BMI2: BZHI MULX PDEP PEXT RORX SARX SHLX SHRX': [32, 64],
  'bit counts: POPCNT LZCNT': [16, 32, 64],
  'x87 control and state: FNINIT FNSTCW FLDCW FNSTSW FNCLEX FWAIT FNENI FNDISI FNSETPM FXSAVE FXRSTOR': [],
  'FS and GS bases: RDFSBASE RDGSBASE WRFSBASE WRGSBASE': [32, 64],
  'nothing and the undefined: NOP PAUSE UD0 UD1 UD2': [],
  'what ring 3 is refused: HLT CLI STI IN OUT INS OUTS LLDT LTR LGDT LIDT LMSW INVLPG INVPCID SWAPGS CLTS CLAC STAC SYSRET SYSEXIT INVD WBINVD WRMSR RDMSR RDPMC':
    [],
  'selectors looked at: LAR LSL VERR VERW': [],
} as const satisfies Record<string, readonly number[]>;

/** Groups by feature: too many mnemonics to name. */
const FEATURES = { MMX: 'mmx', SSE: 'sse', SSE2: 'sse2' } as const;

/** How code looks that shows a rule about prefixes or registers. */
const RULES: Readonly<Record<string, (code: Uint8Array, instruction: Instruction) => boolean>> = {
  'LOCK, refused where it does not belong': (code) => code.slice(0, 4).includes(0xf0),
  'address-size overrides': (_code, { addressSize }) => addressSize === 32,
  'segment overrides': (code) => [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].includes(code[0]!),
  'high-byte registers': (code, { description, modrm }) =>
    description.byte && modrm >= 0xe0 && (code[0]! & 0xf0) !== 0x40 && code[0]! < 0x66,
};

const CASES = 600;
const mnemonicsOf = (group: string) => group.split(': ').at(-1)!.split(' ');
const forms = exercisedForms();

interface Judge {
  answers(lines: readonly string[]): string[];
}

function onCaseMachine(factory: CaseProcessorFactory): Judge {
  const machine = new CaseMachine(factory);
  return {
    answers: (lines) =>
      lines.map((line) => {
        const instructionCase = parseCase(line.split(' '));
        return formatResult(instructionCase, machine.run(instructionCase));
      }),
  };
}

const interpreter = onCaseMachine((options) => new Cpu({ ...ENGINE, ...options }));
const bigints = onCaseMachine((options) => new OracleProcessor(options));

function casesOf(chosen: readonly Form[], count = CASES): GeneratedCase[] {
  const generator = new CaseGenerator(chosen.length, chosen);
  return Array.from({ length: count }, () => generator.next());
}

/** What each case's instruction is, decoded. */
function* decoded(cases: readonly GeneratedCase[]): Generator<[GeneratedCase, Instruction]> {
  const decoder = new Decoder();
  const instruction = new Instruction();
  for (const each of cases) {
    decoder.decode(each.code, 0, each.code.length, 64, instruction);
    yield [each, instruction];
  }
}

function differences(cases: readonly GeneratedCase[], expected: Judge): string[] {
  const lines = cases.map(({ line }) => line);
  const wanted = expected.answers(lines);
  const found = interpreter.answers(lines).flatMap((answer, index) => {
    const text = difference(lines[index]!, wanted[index]!, answer);
    return text === undefined ? [] : [`${text}\n  ${reproduction(lines[index]!)}`];
  });
  return found.slice(0, 10);
}

function formsNamed(mnemonics: readonly string[]): Form[] {
  const chosen = forms.filter(({ mnemonic }) => mnemonics.includes(mnemonic));
  const missing = mnemonics.filter((mnemonic) => !chosen.some((form) => form.mnemonic === mnemonic));
  expect(missing, 'mnemonics without a form').toEqual([]);
  return chosen;
}

/** The cases of a group, which meet each of its forms, and each operand size named. */
function casesInSizes(group: string, sizes: readonly number[]): GeneratedCase[] {
  const chosen = formsNamed(mnemonicsOf(group));
  const cases = casesOf(chosen);
  const met = new Set<number>();
  for (const [{ form }, { operandSize }] of decoded(cases)) if (form.sized || form.byte) met.add(operandSize);
  expect(new Set(cases.map(({ form }) => form)).size).toBe(chosen.length);
  expect(
    sizes.filter((size) => !met.has(size)),
    'operand sizes not met',
  ).toEqual([]);
  return cases;
}

function casesThatShow(rule: (code: Uint8Array, instruction: Instruction) => boolean): GeneratedCase[] {
  const cases: GeneratedCase[] = [];
  for (const [each, instruction] of decoded(casesOf(forms, 20_000)))
    if (cases.length < CASES && rule(each.code, instruction)) cases.push(each);
  expect(cases.length).toBeGreaterThan(100);
  return cases;
}

describe('every instruction form that cases can show', () => {
  it('belongs to one of the groups below', () => {
    const named = new Set(Object.keys(GROUPS).flatMap(mnemonicsOf));
    const features: readonly (string | undefined)[] = Object.values(FEATURES);
    const rest = forms.filter(({ mnemonic, feature }) => !named.has(mnemonic) && !features.includes(feature));
    expect([...new Set(rest.map(({ mnemonic }) => mnemonic))]).toEqual([]);
  });
});

describe.skipIf(!gcc.present || !host.present)(
  gcc.title(host.title("the interpreter and the host's processor agree on")),
  () => {
    const oracle = gcc.present && host.present ? new NativeOracle() : undefined;
    afterAll(() => oracle?.dispose());
    const native: Judge = { answers: (lines) => oracle!.run(lines) };

    for (const [group, sizes] of Object.entries(GROUPS)) {
      it(group, () => expect(differences(casesInSizes(group, sizes), native)).toEqual([]));
    }
    for (const [name, feature] of Object.entries(FEATURES)) {
      it(name, () => {
        const cases = casesOf(
          forms.filter((form) => form.feature === feature),
          3 * CASES,
        );
        expect(differences(cases, native)).toEqual([]);
      });
    }
    for (const [name, rule] of Object.entries(RULES)) {
      it(name, () => expect(differences(casesThatShow(rule), native)).toEqual([]));
    }

    it('repeated string instructions that fault on the way: registers say what is done, and the rest goes on from there', () => {
      // Into the read-only page, upward and downward into unmapped memory, and a compare that ends before the fault.
      const lines = [
        'id=0 code=f3a4 rsi=20000000 rdi=20003ff0 rcx=40',
        'id=1 code=f348ab rax=1122334455667788 rdi=20003fe8 rcx=9',
        'id=2 code=f3a5 rsi=20004ff8 rdi=20000100 rcx=5',
        'id=3 code=f3a4 rsi=20000010 rdi=20000003 rcx=30 fl=602',
        'id=4 code=f3a6 rsi=20004fff rdi=20004fff rcx=4',
        'id=5 code=f2ae rax=0 rdi=20004ff0 rcx=100',
        'id=6 code=f3a4 rsi=20000000 rdi=20000100 rcx=0',
      ];
      const expected = native.answers(lines);
      expect(interpreter.answers(lines)).toEqual(expected);
      expect(bigints.answers(lines)).toEqual(expected);
      expect(expected[0]).toMatch(/v=14 .*rip=10000800 rcx=30 rsi=20000010 rdi=20004000/);
    });
  },
);

describe('the interpreter and the evaluation on bigints agree on', () => {
  for (const [group, sizes] of Object.entries(GROUPS)) {
    it(group, () => expect(differences(casesInSizes(group, sizes), bigints)).toEqual([]));
  }
});
