import { describe, expect, it } from 'vitest';
import { FORMS, type Form } from '../../src/cpu/decode/forms.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { exactInstructions } from '../../src/cpu/floating-point/instructions.ts';
import {
  DenormalsAreZero,
  FloatStatus,
  FlushToZero,
  MxcsrReset,
  PrecisionFlag,
} from '../../src/cpu/floating-point/mxcsr.ts';
import { XMM } from '../../src/cpu/layout.ts';
import { Evaluator, type OracleMemory } from '../../src/cpu/oracle/evaluate.ts';
import { Context } from '../../src/cpu/semantics/context.ts';
import { semanticsOf } from '../../src/cpu/semantics/index.ts';
import type { Program } from '../../src/cpu/semantics/nodes.ts';
import { CpuState } from '../../src/cpu/state.ts';
import { Random } from '../oracle/native-random.ts';

const DESTINATION = 1;
const SOURCE = 2;

const noMemory: OracleMemory = {
  read: () => {
    throw new Error('register forms access no memory');
  },
  write: () => {},
  checkWrite: () => {},
};

const state = new CpuState(4096);
const evaluator = new Evaluator(state, noMemory);
const instruction = new Instruction();
instruction.reg = DESTINATION;
instruction.rm = SOURCE;

function setXmm(register: number, value: bigint): void {
  state.u64[(XMM >> 3) + 2 * register] = BigInt.asUintN(64, value);
  state.u64[(XMM >> 3) + 2 * register + 1] = value >> 64n;
}

function xmm(register: number): bigint {
  return state.u64[(XMM >> 3) + 2 * register]! | (state.u64[(XMM >> 3) + 2 * register + 1]! << 64n);
}

/** Forms that both have an exact function and keep their operands in registers here. */
const forms = FORMS.filter((form) => exactInstructions.has(form.mnemonic) && form.feature !== 'mmx');

function programOf(form: Form): Program {
  const variant = {
    form,
    operandSize: 32,
    addressSize: 64,
    stackSize: 64,
    memory: false,
    condition: 0,
    control: 0,
    repeat: 0,
    countNonzero: false,
  } as const;
  return Context.record(variant, semanticsOf(form)!);
}

interface Values {
  readonly destination: bigint;
  readonly source: bigint;
  readonly mxcsr: number;
  readonly predicate: number;
}

/** @returns 'exact' when the guards turned the instruction away; else what was wrong, or undefined when nothing was */
function check(form: Form, program: Program, values: Values): string | undefined {
  const { destination, source, mxcsr, predicate } = values;
  setXmm(DESTINATION, destination);
  setXmm(SOURCE, source);
  state.setGpr(SOURCE, BigInt.asUintN(64, source));
  state.setGpr(DESTINATION, 0n);
  state.setStatusFlags(0);
  state.set('mxcsr', mxcsr);
  instruction.immediate = predicate;
  if (evaluator.execute(program, instruction) === 'leave') return 'exact';
  const status = new FloatStatus(mxcsr);
  const integer = form.operands.some(({ method }) => method === 'E' || method === 'G');
  const wanted = exactInstructions.get(form.mnemonic)!(status, destination, source, integer ? 32 : predicate);
  const got = form.mnemonic.includes('COMIS')
    ? BigInt(state.rflags & 0x45)
    : form.operands[0]!.method === 'G'
      ? state.gpr(DESTINATION)
      : xmm(DESTINATION);
  if (state.get('mxcsr') !== mxcsr) return 'MXCSR changed';
  if ((status.flags & ~mxcsr) !== 0) return `flags ${status.flags.toString(16)} missed`;
  return got === wanted ? undefined : `${got.toString(16)} instead of ${wanted.toString(16)}`;
}

/** A register full of singles, doubles or integers, whichever the instruction takes. */
function register(random: Random, form: Form, operand: number): bigint {
  const { type } = form.operands[operand]!;
  const singles = () =>
    Array.from({ length: 4 }, () => BigInt(random.single())).reduce((all, lane) => (all << 32n) | lane, 0n);
  if (type === 'ps' || type === 'ss') return singles();
  if (type === 'pd' || type === 'sd') return (random.double() << 64n) | random.double();
  return type === 'q' && form.mnemonic === 'CVTPS2PD' ? singles() : (random.integer() << 64n) | random.integer();
}

describe('the guards of floating-point instructions', () => {
  for (const form of forms) {
    it(`${form.name} sets no flag and rounds nothing that WebAssembly would not`, () => {
      const random = new Random(form.index);
      const program = programOf(form);
      for (let i = 0; i < 1500; i++) {
        const destination = register(random, form, 0);
        const values = {
          destination,
          source: random.chance(0.1) ? destination : register(random, form, 1),
          mxcsr:
            MxcsrReset |
            (random.chance(0.3) ? 0 : random.bits() & 0x3f) |
            (random.chance(0.7) ? 0 : random.bits() & (DenormalsAreZero | FlushToZero)),
          predicate: random.below(8),
        };
        const found = check(form, program, values);
        if (found !== 'exact')
          expect(
            found,
            JSON.stringify(values, (_, value) => String(value)),
          ).toBeUndefined();
      }
    });

    it(`${form.name} is turned away by other roundings and unmasked exceptions`, () => {
      if (/^CVT(SI2SD|DQ2PD)$/.test(form.mnemonic)) return;
      const program = programOf(form);
      const controls = [0x2000, 0x4000, 0x6000];
      const settings = [
        ...controls.map((bit) => MxcsrReset | bit),
        ...[7, 8, 9, 10, 11, 12].map((n) => MxcsrReset ^ (1 << n)),
      ];
      for (const mxcsr of settings) {
        expect(check(form, program, { destination: 0n, source: 0n, mxcsr, predicate: 0 })).toBe('exact');
      }
    });
  }

  const four = { PS: 0x40800000_40800000_40800000_40800000n, PD: 0x4010000000000000_4010000000000000n };
  const third = { PS: 0x3eaaaaab_3eaaaaab_3eaaaaab_3eaaaaabn, PD: 0x3fd5555555555555_3fd5555555555555n };
  for (const operation of ['ADD', 'SUB', 'MUL', 'DIV', 'SQRT', 'MIN', 'MAX', 'CMP']) {
    for (const suffix of ['PS', 'PD', 'SS', 'SD']) {
      const form = forms.find(({ mnemonic }) => mnemonic === operation + suffix)!;
      const shape = suffix.endsWith('S') ? 'PS' : 'PD';
      const values = { destination: third[shape], source: four[shape], predicate: 1 };

      it(`${form.name} stays on the fast path with ordinary operands once PE is set`, () => {
        expect(check(form, programOf(form), { ...values, mxcsr: MxcsrReset | PrecisionFlag })).toBeUndefined();
      });

      it(`${form.name} stays there with PE clear while results are exact`, () => {
        const exact = { ...values, destination: four[shape], mxcsr: MxcsrReset };
        expect(check(form, programOf(form), exact)).toBeUndefined();
      });
    }
  }
});
