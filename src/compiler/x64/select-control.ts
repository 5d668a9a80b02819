import type { Condition, Instruction, SwitchCase, Terminator } from '../ir/module.ts';
import { argumentRegisters, callerSaved, resultRegisters } from './conventions.ts';
import { blockLabel } from './machine.ts';
import { immediate, type Operand, register, target, type Width } from './operands.ts';
import type { Selector } from './select.ts';
import { inverted, selectComparison, selectCopy, suffixes } from './select-arithmetic.ts';

/** Emits calls; false for other instructions. */
export function selectControl(s: Selector, instruction: Instruction): boolean {
  if (instruction.op !== 'call') return false;
  const { arguments: given, results, callee } = instruction;
  s.machine.hasCalls = true;
  const used: number[] = [];
  given.slice(argumentRegisters.length).forEach((argument, index) => {
    const value = s.value(argument);
    s.emit('mov', s.outgoing(index, 64), widenedForStack(value));
  });
  let destination: Operand | undefined;
  if (callee.kind === 'register') destination = s.foldLoad(callee.register, 64) ?? s.inRegister(callee.register);
  given.slice(0, argumentRegisters.length).forEach((argument, index) => {
    const into = argumentRegisters[index]!;
    used.push(into);
    selectCopy(s, register(into, s.widthOf(argument)), argument);
  });
  const extra = { uses: used, defines: callerSaved };
  if (destination) s.emitWith(extra, 'call', destination);
  else if (callee.kind === 'symbol') {
    s.emitWith(extra, 'call', { kind: 'target', label: callee.symbol, symbol: true });
  }
  results.forEach((result, index) => {
    const width = s.widthOf(result);
    s.move(s.reg(result, width), register(resultRegisters[index]!, width));
  });
  return true;
}

/** Stack arguments occupy eight bytes; what lies above a narrow value does not matter. */
function widenedForStack(value: Operand): Operand {
  return value.kind === 'register' ? { ...value, width: 64 } : value;
}

/** Emits a block's last instructions; jumps to the next block in layout order are dropped later. */
export function selectTerminator(s: Selector, terminator: Terminator): void {
  switch (terminator.op) {
    case 'jump':
      s.emit('jmp', target(blockLabel(terminator.target)));
      break;
    case 'branch': {
      const comparison = s.foldable(terminator.test, 'compare');
      let condition: Condition = 'ne';
      if (comparison) {
        s.take(terminator.test, comparison);
        condition = selectComparison(s, comparison.condition, comparison.left, comparison.right);
      } else condition = selectTruth(s, terminator.test);
      branch(s, condition, terminator.then, terminator.otherwise);
      break;
    }
    case 'branchCompare': {
      const condition = selectComparison(s, terminator.condition, terminator.left, terminator.right);
      branch(s, condition, terminator.then, terminator.otherwise);
      break;
    }
    case 'switch':
      selectSwitch(s, terminator);
      break;
    case 'return':
      terminator.values.forEach((value, index) => {
        selectCopy(s, register(resultRegisters[index]!, s.widthOf(value)), value);
      });
      s.emitWith({ uses: resultRegisters.slice(0, terminator.values.length) }, 'return');
      break;
    case 'unreachable':
      s.emit('ud2');
      break;
  }
}

function selectTruth(s: Selector, test: number): Condition {
  const load = s.foldLoad(test, 8);
  if (load) s.emit('cmp', load, immediate(0));
  else {
    const tested = s.inRegister(test, 8);
    s.emit('test', tested, tested);
  }
  return 'ne';
}

function branch(s: Selector, condition: Condition, then: number, otherwise: number): void {
  s.emit(`j${suffixes[condition]}`, target(blockLabel(then)));
  s.emit('jmp', target(blockLabel(otherwise)));
}

/** The condition codes of jumps after inversion: what layout needs to turn a branch around. */
export const invertedJumps: ReadonlyMap<string, string> = new Map(
  Object.entries(inverted).map(([condition, other]) => [`j${suffixes[condition as Condition]}`, `j${suffixes[other]}`]),
);

type Switch = Extract<Terminator, { op: 'switch' }>;

/** A jump table when at least half of its entries would be used, else a binary search. */
function selectSwitch(s: Selector, terminator: Switch): void {
  const width = s.widthOf(terminator.value);
  const value = s.inRegister(terminator.value, width);
  const cases = terminator.cases
    .map((entry) => ({ ...entry, value: BigInt.asUintN(width, entry.value) }))
    .sort((left, right) => (left.value < right.value ? -1 : 1));
  const first = cases[0];
  const last = cases[cases.length - 1];
  if (!first || !last) {
    s.emit('jmp', target(blockLabel(terminator.otherwise)));
    return;
  }
  const span = last.value - first.value + 1n;
  if (cases.length >= 5 && span <= BigInt(cases.length) * 2n) jumpTable(s, value, cases, Number(span), terminator);
  else search(s, value, cases, terminator.otherwise);
}

function jumpTable(
  s: Selector,
  value: Operand & { kind: 'register' },
  cases: readonly SwitchCase[],
  span: number,
  { otherwise }: Switch,
): void {
  const first = cases[0]!.value;
  const index = s.fresh(64);
  const width: Width = value.width === 64 ? 64 : 32;
  const wide = { ...value, width };
  if (value.width < 32) s.emit('movzx', { ...index, width: 32 }, value);
  const from = value.width < 32 ? { ...index, width } : wide;
  if (first === 0n && value.width >= 32) s.emit('mov', { ...index, width }, from);
  else if (first !== 0n) subtract(s, { ...index, width }, from, first);
  s.emit('cmp', { ...index, width }, immediate(span - 1));
  s.emit('ja', target(blockLabel(otherwise)));
  const labels = Array.from({ length: span }, () => blockLabel(otherwise));
  for (const entry of cases) labels[Number(entry.value - first)] = blockLabel(entry.target);
  const symbol = `${s.ir.name}.switch${s.jumpTables.length}`;
  s.jumpTables.push({ symbol, labels });
  s.emit('jmp', { kind: 'memory', width: 64, index: index.register, scale: 8, displacement: 0, symbol });
}

function subtract(s: Selector, into: Operand & { kind: 'register' }, from: Operand, constant: bigint): void {
  if (constant <= 0x7fffffffn) {
    s.emit('add3', into, from, immediate(-constant));
    return;
  }
  const offset = s.fresh(into.width);
  s.loadConstant(offset, BigInt.asIntN(into.width, -constant));
  s.emit('add3', into, from, offset);
}

function search(
  s: Selector,
  value: Operand & { kind: 'register' },
  cases: readonly SwitchCase[],
  otherwise: number,
): void {
  if (cases.length <= 4) {
    for (const entry of cases) {
      compareWith(s, value, entry.value);
      s.emit('je', target(blockLabel(entry.target)));
    }
    s.emit('jmp', target(blockLabel(otherwise)));
    return;
  }
  const middle = cases.length >> 1;
  const upper = s.newLabel();
  compareWith(s, value, cases[middle]!.value);
  s.emit('jae', target(upper));
  search(s, value, cases.slice(0, middle), otherwise);
  s.label(upper);
  search(s, value, cases.slice(middle), otherwise);
}

function compareWith(s: Selector, value: Operand & { kind: 'register' }, constant: bigint): void {
  const signed = BigInt.asIntN(value.width, constant);
  if (signed === 0n) s.emit('test', value, value);
  else if (signed >= -0x80000000n && signed <= 0x7fffffffn) s.emit('cmp', value, immediate(signed));
  else {
    const other = s.fresh(value.width);
    s.loadConstant(other, signed);
    s.emit('cmp', value, other);
  }
}
