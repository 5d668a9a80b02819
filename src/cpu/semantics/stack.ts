/** Stack and frames (SDM vol. 1, 6.2 and 6.6). */
import { i64, RAX, RBP, RSP, type Semantics, truncate } from './context.ts';

const push: Semantics = (c) => c.push(c.read(0));

/**
 * The pointer moves before a register destination is written. A memory destination based on rSP is addressed with the moved pointer:
 * whoever decodes adds the operand's size to its displacement (memory-operand.ts).
 */
const pop: Semantics = (c) => {
  const value = c.peekStack();
  if (!c.inMemory(0)) {
    c.dropStack(i64.const(c.size / 8));
    c.write(0, value);
    return;
  }
  c.write(0, value);
  c.dropStack(i64.const(c.size / 8));
};

const leave: Semantics = (c) => {
  const frame = c.readRegister(RBP, c.variant.stackSize);
  const saved = c.load(c.stackAddress(frame, c.size, false), c.size, 'stack');
  c.writeRegister(RSP, c.variant.stackSize, truncate(i64.add(frame, i64.const(c.size / 8)), c.variant.stackSize));
  c.writeRegister(RBP, c.size, saved);
};

/** Every push is checked before the first register changes: the stores below the stack pointer do no harm when one faults. */
const enter: Semantics = (c) => {
  const bits = c.variant.stackSize;
  const bytes = i64.const(c.size / 8);
  const level = c.let(i64.and(c.immediate2(), i64.const(31)));
  const top = c.variable(c.stackPointer());
  const frame = c.readRegister(RBP, c.size);
  const pushNext = (value: typeof frame) => {
    c.assign(top, truncate(i64.sub(top, bytes), bits));
    c.store(c.stackAddress(top, c.size, true), c.size, value, 'stack');
  };
  pushNext(frame);
  const newFrame = c.let(top);
  c.if(i64.gt_u(level, i64.const(1)), () => {
    const outer = c.variable(c.readRegister(RBP, bits));
    const left = c.variable(i64.sub(level, i64.const(1)));
    c.loop(() => {
      c.assign(outer, truncate(i64.sub(outer, bytes), bits));
      pushNext(c.load(c.stackAddress(outer, c.size, false), c.size, 'stack'));
      c.assign(left, i64.sub(left, i64.const(1)));
      return i64.ne(left, i64.const(0));
    });
  });
  c.if(i64.ne(level, i64.const(0)), () => pushNext(newFrame));
  const bottom = c.let(truncate(i64.sub(top, truncate(c.immediate(), 16)), bits));
  c.checkWritable(c.stackAddress(bottom, c.size, true), c.size, 'stack');
  c.writeRegister(RBP, c.size === 16 ? 16 : bits, newFrame);
  c.setStackPointer(bottom);
};

const pushAll: Semantics = (c) => {
  const start = c.stackPointer();
  const bytes = c.size / 8;
  for (let register = RAX; register < 8; register++) {
    const slot = c.result(i64.sub(start, i64.const(bytes * (register + 1))), c.variant.stackSize);
    c.store(c.stackAddress(slot, c.size, true), c.size, c.readRegister(register, c.size), 'stack');
  }
  c.setStackPointer(truncate(i64.sub(start, i64.const(8 * bytes)), c.variant.stackSize));
};

const popAll: Semantics = (c) => {
  const start = c.stackPointer();
  const bytes = c.size / 8;
  const values = Array.from({ length: 8 }, (_, position) =>
    c.load(c.stackAddress(c.let(i64.add(start, i64.const(bytes * position))), c.size, false), c.size, 'stack'),
  );
  values.forEach((value, position) => {
    const register = 7 - position;
    if (register !== RSP) c.writeRegister(register, c.size, value);
  });
  c.setStackPointer(truncate(i64.add(start, i64.const(8 * bytes)), c.variant.stackSize));
};

export const STACK: Record<string, Semantics> = {
  PUSH: push,
  POP: pop,
  LEAVE: leave,
  ENTER: enter,
  PUSHA: pushAll,
  POPA: popAll,
};
