import { describe, expect, it } from 'vitest';
import type { LocalNode, Statement } from '../../src/cpu/semantics/nodes.ts';
import { ControlFlow } from '../../src/cpu/translator/control-flow.ts';
import { DenormalsFlow } from '../../src/cpu/translator/denormals-flow.ts';
import type { TranslatableProgram } from '../../src/cpu/translator/programs.ts';
import { type Block, type Exit, successorsOf } from '../../src/cpu/translator/region.ts';
import type { RegisterResolver } from '../../src/cpu/translator/register-use.ts';

const DOUBLES = 0b11;

const vector = (id: number): LocalNode => ({ kind: 'local', type: 'v128', id });
const register = (number: number) => ({ field: 'fixed', number }) as const;
const read = (id: number, number: number): Statement => ({
  kind: 'readVector',
  register: register(number),
  local: vector(id),
});
const write = (number: number, id: number): Statement => ({
  kind: 'writeVector',
  register: register(number),
  lane: 0,
  value: vector(id),
});
const look = (id: number): Statement => ({
  kind: 'if',
  condition: { kind: 'local', type: 'i32', id: 99 },
  whenTrue: [],
  whenFalse: [],
  establishes: { local: vector(id), width: 64 },
});

const to = (block: number): Exit => ({ kind: 'block', block });
const OUT: Exit = { kind: 'record', record: 0 };

function block(programs: readonly (readonly Statement[])[], taken: Exit | undefined, next: Exit): Block {
  return {
    ...{ record: 0, rip: 0n, lastRip: 0n, mnemonic: '', returnSite: undefined, candidates: [], count: programs.length },
    ...{ ending: taken === undefined ? 'next' : 'conditional', taken, next },
    instructions: programs.map((statements) => ({
      record: 0,
      count: 1,
      translatable: { program: { statements } } as unknown as TranslatableProgram,
    })),
  };
}

const resolver = { resolve: (_record: number, { number }: { number: number }) => ({ number }) };

function flowOf(blocks: readonly Block[]): DenormalsFlow {
  return new DenormalsFlow(blocks, new ControlFlow(blocks.map(successorsOf)), resolver as unknown as RegisterResolver);
}

describe('looks for denormals', () => {
  it('are made on the way into a loop that never changes the register', () => {
    const flow = flowOf([block([], undefined, to(1)), block([[read(1, 3), look(1)]], to(1), OUT)]);
    expect(flow.looksInto(1, 0)).toEqual([{ register: 3, parts: DOUBLES }]);
    expect([...flow.known[1]![0]!]).toEqual([1]);
  });

  it('are made where the region is entered at the head of a loop', () => {
    const flow = flowOf([block([[read(1, 3), look(1)]], to(0), OUT)]);
    expect(flow.looksInto(0)).toEqual([{ register: 3, parts: DOUBLES }]);
    expect([...flow.known[0]![0]!]).toEqual([1]);
  });

  it('are made of the register that the one that is looked at is a copy of', () => {
    const flow = flowOf([
      block(
        [
          [read(1, 3), write(5, 1)],
          [read(2, 5), look(2)],
        ],
        to(0),
        OUT,
      ),
    ]);
    expect(flow.looksInto(0)).toEqual([{ register: 3, parts: DOUBLES }]);
    expect([...flow.known[0]![1]!]).toEqual([2]);
  });

  it('are not made on the way where what was known before holds', () => {
    const before = block([[read(1, 3), look(1)]], undefined, to(1));
    expect(flowOf([before, block([[read(2, 3), look(2)]], to(1), OUT)]).looksInto(1, 0)).toEqual([]);
  });

  it('stay in a loop that puts a number there that no one has looked at', () => {
    const flow = flowOf([block([[read(1, 3), look(1)], [write(3, 7)]], to(0), OUT)]);
    expect(flow.looksInto(0)).toEqual([]);
    expect([...flow.known[0]![0]!]).toEqual([]);
  });

  it('are not made of a register that the loop writes to before it is looked at, or only reads', () => {
    const flow = flowOf([
      block([[read(1, 4), write(6, 1)], [read(2, 6), look(2), write(6, 9)], [read(3, 8)]], to(0), OUT),
    ]);
    expect(flow.looksInto(0).map((each) => each.register)).toEqual([4]);
  });
});
