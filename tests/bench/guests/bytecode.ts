import { array, mulLow32, u32 } from '#dialect';

const RUNS = 1_000_000;
const Operation = {
  PUSH: 0,
  ADD: 1,
  MULTIPLY: 2,
  XOR: 3,
  LOAD: 4,
  STORE: 5,
  DECREMENT: 6,
  JUMP_NOT_ZERO: 7,
  HALT: 8,
} as const;
const CODE_WORDS = 32;
const STACK_WORDS = 16;
const code = array(u32, CODE_WORDS);
const stack = array(u32, STACK_WORDS);
const variables = array(u32, 4);
let emitted: u32 = 0;

function emit(operation: u32, operand: u32): void {
  code[emitted] = operation;
  code[u32(emitted + 1)] = operand;
  emitted = u32(emitted + 2);
}

/** x0 = x0 * 31 + x1; x1 ^= x0; while --x2. */
function assemble(): void {
  emitted = 0;
  emit(Operation.LOAD, 0);
  emit(Operation.PUSH, 31);
  emit(Operation.MULTIPLY, 0);
  emit(Operation.LOAD, 1);
  emit(Operation.ADD, 0);
  emit(Operation.STORE, 0);
  emit(Operation.LOAD, 1);
  emit(Operation.LOAD, 0);
  emit(Operation.XOR, 0);
  emit(Operation.STORE, 1);
  emit(Operation.DECREMENT, 2);
  emit(Operation.JUMP_NOT_ZERO, 0);
  emit(Operation.HALT, 0);
}

function interpret(): u32 {
  let at: u32 = 0;
  let top: u32 = 0;
  let executed: u32 = 0;
  for (;;) {
    const operation = code[at]!;
    const operand = code[u32(at + 1)]!;
    at = u32(at + 2);
    executed = u32(executed + 1);
    switch (operation) {
      case Operation.PUSH:
        stack[top] = operand;
        top = u32(top + 1);
        break;
      case Operation.ADD:
        top = u32(top - 1);
        stack[u32(top - 1)] = u32(stack[u32(top - 1)]! + stack[top]!);
        break;
      case Operation.MULTIPLY:
        top = u32(top - 1);
        stack[u32(top - 1)] = mulLow32(stack[u32(top - 1)]!, stack[top]!);
        break;
      case Operation.XOR:
        top = u32(top - 1);
        stack[u32(top - 1)] = u32(stack[u32(top - 1)]! ^ stack[top]!);
        break;
      case Operation.LOAD:
        stack[top] = variables[operand]!;
        top = u32(top + 1);
        break;
      case Operation.STORE:
        top = u32(top - 1);
        variables[operand] = stack[top]!;
        break;
      case Operation.DECREMENT:
        variables[operand] = u32(variables[operand]! - 1);
        break;
      case Operation.JUMP_NOT_ZERO:
        if (variables[2]! !== 0) at = operand;
        break;
      default:
        return executed;
    }
  }
}

/** A stack machine in a switch. */
export function bytecode(): u32 {
  assemble();
  variables[0] = 1;
  variables[1] = 2;
  variables[2] = RUNS;
  const executed = interpret();
  return u32(variables[0]! ^ variables[1]! ^ executed);
}
