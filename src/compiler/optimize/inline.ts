import type { Block, Instruction, IrFunction, IrModule } from '../ir/module.ts';
import { retarget } from './destruct.ts';
import { mapDefinitions, mapUses } from './ssa.ts';

/** Functions of at most this many instructions are expanded where they are called: a call costs about as much. */
const smallSize = 7;
/** How many instructions a caller may grow by small callees. */
const growthLimit = 40;

/** Instructions whose meaning depends on the function that they stand in. */
const ownFrame = new Set(['readStackPointer', 'readFramePointer']);

function sizeOf(fn: IrFunction): number {
  const weigh = (sum: number, instruction: Instruction) => sum + weightOf(instruction);
  return fn.blocks.reduce((sum, { instructions }) => instructions.reduce(weigh, sum + 1), 0);
}

/** Machine instructions that it takes, roughly. */
function weightOf({ op }: Instruction): number {
  if (op === 'bind' || op === 'copy' || op === 'const') return 0;
  return op === 'setMemory' || op === 'copyMemory' ? 5 : 1;
}

/** Whether calls of the function may be replaced by its body. */
export function isInlinable(fn: IrFunction): boolean {
  if (fn.convention !== 'sysv' || fn.inline === 'never' || fn.slots.some(({ size }) => size > 256)) return false;
  for (const { instructions, terminator } of fn.blocks) {
    if (terminator.op === 'switch' && fn.inline !== 'always') return false;
    for (const instruction of instructions) {
      if (instruction.op === 'asm') return false;
      if (instruction.op === 'intrinsic' && ownFrame.has(instruction.name)) return false;
      const recursive =
        instruction.op === 'call' && instruction.callee.kind === 'symbol' && instruction.callee.symbol === fn.name;
      if (recursive || (instruction.op === 'call' && fn.inline !== 'always')) return false;
    }
  }
  return fn.inline === 'always' || sizeOf(fn) <= smallSize;
}

/** Functions in an order in which callees come before their callers, as far as there are no cycles. */
export function calleesFirst(functions: readonly IrFunction[]): IrFunction[] {
  const byName = new Map(functions.map((fn) => [fn.name, fn]));
  const state = new Set<string>();
  const order: IrFunction[] = [];
  const visit = (root: IrFunction) => {
    const stack: { fn: IrFunction; callees: string[] }[] = [{ fn: root, callees: calleesOf(root) }];
    state.add(root.name);
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const name = top.callees.pop();
      if (name === undefined) {
        order.push(top.fn);
        stack.pop();
        continue;
      }
      const next = byName.get(name);
      if (!next || state.has(name)) continue;
      state.add(name);
      stack.push({ fn: next, callees: calleesOf(next) });
    }
  };
  for (const fn of functions) if (!state.has(fn.name)) visit(fn);
  return order;
}

function calleesOf(fn: IrFunction): string[] {
  return fn.blocks.flatMap(({ instructions }) =>
    instructions.flatMap((instruction) =>
      instruction.op === 'call' && instruction.callee.kind === 'symbol' ? [instruction.callee.symbol] : [],
    ),
  );
}

/** The function with calls of inlinable functions among `known` expanded. The bodies keep their own spans. */
export function inlineCalls(fn: IrFunction, known: ReadonlyMap<string, IrFunction>): IrFunction {
  if (fn.convention === 'naked') return fn;
  let growth = 0;
  const result: IrFunction = {
    ...fn,
    registers: [...fn.registers],
    slots: [...fn.slots],
    blocks: fn.blocks.map((block) => ({ ...block })),
  };
  let changed = false;
  for (let index = 0; index < result.blocks.length; index++) {
    const block = result.blocks[index]!;
    for (let at = 0; at < block.instructions.length; at++) {
      const call = block.instructions[at]!;
      if (call.op !== 'call' || call.callee.kind !== 'symbol') continue;
      const callee = known.get(call.callee.symbol);
      if (!callee || callee.section !== fn.section || (growth > growthLimit && callee.inline !== 'always')) continue;
      expand(result, index, at, call, callee);
      growth += sizeOf(callee) - 2;
      changed = true;
      break;
    }
  }
  return changed ? result : fn;
}

/** Splits block `index` at its call and puts a copy of the callee between both parts. */
function expand(
  fn: IrFunction,
  index: number,
  at: number,
  call: Instruction & { op: 'call' },
  callee: IrFunction,
): void {
  const block = fn.blocks[index]!;
  const firstRegister = fn.registers.length;
  const firstSlot = fn.slots.length;
  const firstBlock = fn.blocks.length;
  const rest = firstBlock + callee.blocks.length;
  fn.registers.push(...callee.registers);
  fn.slots.push(...callee.slots);
  const { span } = call;
  const given = callee.parameters.map(
    ({ register }, position): Instruction => ({
      op: 'copy',
      result: register + firstRegister,
      source: call.arguments[position]!,
      span,
    }),
  );
  const after: Block = { ...block, instructions: block.instructions.slice(at + 1) };
  fn.blocks[index] = {
    ...block,
    instructions: [...block.instructions.slice(0, at), ...given],
    terminator: { op: 'jump', target: firstBlock, span },
  };
  const shifted = (register: number) => register + firstRegister;
  for (const source of callee.blocks) {
    const instructions = source.instructions
      .filter(({ op }) => op !== 'bind')
      .map((instruction) => moveSlots(mapDefinitions(mapUses(instruction, shifted), shifted), firstSlot));
    let terminator = retarget(mapUses(source.terminator, shifted), (target) => target + firstBlock);
    if (terminator.op === 'return') {
      terminator.values.forEach((value, position) => {
        const result = call.results[position];
        if (result !== undefined) instructions.push({ op: 'copy', result, source: value, span: terminator.span });
      });
      terminator = { op: 'jump', target: rest, span: terminator.span };
    }
    const cold = source.cold || block.cold;
    fn.blocks.push(cold ? { instructions, terminator, cold } : { instructions, terminator });
  }
  fn.blocks.push(after);
}

function moveSlots(instruction: Instruction, by: number): Instruction {
  if (!('address' in instruction) || instruction.address.base?.kind !== 'slot') return instruction;
  const base = { kind: 'slot' as const, slot: instruction.address.base.slot + by };
  return { ...instruction, address: { ...instruction.address, base } } as Instruction;
}

/** Whether a function that was expanded wherever it is called is still wanted: exported, or its address is taken. */
export function referencedSymbols(module: IrModule, functions: readonly IrFunction[]): Set<string> {
  const referenced = new Set<string>(Object.values(module.entries));
  for (const fn of functions) {
    if (fn.exported || fn.convention !== 'sysv') referenced.add(fn.name);
    for (const { instructions } of fn.blocks) {
      for (const instruction of instructions) noteSymbols(instruction, referenced);
    }
  }
  for (const object of module.data) for (const { symbol } of object.relocations) referenced.add(symbol);
  return referenced;
}

function noteSymbols(instruction: Instruction, referenced: Set<string>): void {
  if ('address' in instruction && instruction.address.base?.kind === 'symbol') {
    referenced.add(instruction.address.base.symbol);
  }
  if (instruction.op === 'call' && instruction.callee.kind === 'symbol') referenced.add(instruction.callee.symbol);
  if (instruction.op === 'asm') {
    for (const [name] of instruction.text.matchAll(/[A-Za-z_.$][\w.$]*/g)) referenced.add(name);
  }
}
