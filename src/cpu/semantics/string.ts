/**
 * String instructions (SDM vol. 1, 7.3.9). A repeated one is exact after every element: registers move with each, so that a fault or a
 * pause leaves a state from which the same instruction goes on. It pauses where rCX is a multiple of `stringLimit`.
 */
import { FLAG, KIND } from '../flags.ts';
import { ES } from '../layout.ts';
import { type Context, i32, i64, isNonzero, RAX, RCX, RDI, RSI, type Semantics, select, truncate } from './context.ts';
import type { I32, I64 } from './nodes.ts';

const REPNE = 0xf2;

/** An index register of a string instruction with the element it points at. */
class Cursor {
  readonly #context: Context;
  readonly #register: number;
  offset: I64;

  constructor(context: Context, register: number) {
    this.#context = context;
    this.#register = register;
    this.offset = context.variable(context.readRegister(register, context.variant.addressSize));
  }

  /** The destination is always in ES, the source where a prefix says. */
  get #isDestination(): boolean {
    return this.#register === RDI;
  }

  /** Linear address. */
  address(write: boolean): I64 {
    const { size } = this.#context;
    if (this.#isDestination) return this.#context.linearInEs(this.offset, size, write);
    return this.#context.linear(this.offset, size, write);
  }

  load(): I64 {
    const context = this.#context;
    return context.load(this.address(false), context.size, this.#isDestination ? 'data' : 'operand');
  }

  /** Whether its segment has room for so many elements upward; undefined for 64-bit mode, where it always has. */
  allows(elements: I64, write: boolean): I32 | undefined {
    const bytes = i64.mul(elements, i64.const(this.#context.size / 8));
    return this.#context.segmentAllows(this.#isDestination ? ES : undefined, this.offset, bytes, write);
  }

  /** Moves by a number of elements. @param step bytes an element, negative downward */
  move(elements: I64, step: I64): void {
    const bits = this.#context.variant.addressSize;
    this.#context.assign(this.offset, truncate(i64.add(this.offset, i64.mul(elements, step)), bits));
    this.#context.writeRegister(this.#register, bits, this.offset);
  }
}

interface Loop {
  /** Bytes an element, negative when DF is set. */
  readonly step: I64;
  /** Nonzero when DF is clear. */
  readonly upward: I32;
  /** Elements that may be done at once. */
  readonly room: I64;
}

/**
 * Does `elements` once, or as the prefix says.
 * @param elements does some elements and returns how many
 * @param goesOn further condition for another iteration, undefined for none
 */
function repeat(c: Context, elements: (loop: Loop) => I64, goesOn?: () => I32): void {
  const upward = c.let(i32.eqz(i32.and(c.field('systemFlags'), i32.const(FLAG.DF))));
  const bytes = c.size / 8;
  const step = c.let(select(i64.const(bytes), i64.const(-bytes), upward));
  if (c.variant.repeat === 0) {
    elements({ step, upward, room: i64.const(1) });
    return;
  }
  const bits = c.variant.addressSize;
  const count = c.variable(c.readRegister(RCX, bits));
  const mask = c.let(i64.sub(i64.extend_i32_u(c.field('stringLimit')), i64.const(1)));
  c.if(isNonzero(count), () =>
    c.loop(() => {
      const room = c.let(i64.add(i64.and(i64.sub(count, i64.const(1)), mask), i64.const(1)));
      const done = elements({ step, upward, room });
      c.assign(count, i64.sub(count, done));
      c.writeRegister(RCX, bits, count);
      const more = c.let(goesOn ? i32.and(isNonzero(count), goesOn()) : isNonzero(count));
      c.if(i32.and(more, i64.eqz(i64.and(count, mask))), () => c.restart());
      return more;
    }),
  );
}

/**
 * As many elements as `bulk` manages when going upward, else one the ordinary way.
 * @param allowed whether the segments have room for as many as the loop has; undefined for "yes"
 */
function inBulk(c: Context, loop: Loop, allowed: () => (I32 | undefined)[], bulk: () => I64, one: () => void): I64 {
  if (c.variant.repeat === 0) {
    one();
    return i64.const(1);
  }
  const done = c.variable(i64.const(0));
  const conditions = allowed().filter((condition) => condition !== undefined);
  const possible = conditions.reduce((all, condition) => i32.and(all, condition), loop.upward);
  c.if(possible, () => c.assign(done, bulk()));
  c.if(i64.eqz(done), () => {
    one();
    c.assign(done, i64.const(1));
  });
  return done;
}

const moveString: Semantics = (c) => {
  const source = new Cursor(c, RSI);
  const destination = new Cursor(c, RDI);
  repeat(c, (loop) => {
    const from = source.address(false);
    const to = destination.address(true);
    const done = inBulk(
      c,
      loop,
      () => [source.allows(loop.room, false), destination.allows(loop.room, true)],
      () => c.bulk(to, from, undefined, loop.room, c.size),
      () => c.store(to, c.size, c.load(from, c.size, 'operand')),
    );
    source.move(done, loop.step);
    destination.move(done, loop.step);
    return done;
  });
};

const storeString: Semantics = (c) => {
  const value = c.readRegister(RAX, c.size);
  const destination = new Cursor(c, RDI);
  repeat(c, (loop) => {
    const to = destination.address(true);
    const done = inBulk(
      c,
      loop,
      () => [destination.allows(loop.room, true)],
      () => c.bulk(to, undefined, value, loop.room, c.size),
      () => c.store(to, c.size, value),
    );
    destination.move(done, loop.step);
    return done;
  });
};

const loadString: Semantics = (c) => {
  const source = new Cursor(c, RSI);
  repeat(c, ({ step }) => {
    c.writeRegister(RAX, c.size, source.load());
    source.move(i64.const(1), step);
    return i64.const(1);
  });
};

/** CMPS compares the source with the destination, SCAS the accumulator; REPE goes on while they are equal, REPNE while they differ. */
const compareString =
  (withSource: boolean): Semantics =>
  (c) => {
    const source = withSource ? new Cursor(c, RSI) : undefined;
    const destination = new Cursor(c, RDI);
    const accumulator = withSource ? i64.const(0) : c.readRegister(RAX, c.size);
    const equal = c.variable(i32.const(0));
    repeat(
      c,
      ({ step }) => {
        const a = source ? source.load() : accumulator;
        const b = destination.load();
        source?.move(i64.const(1), step);
        destination.move(i64.const(1), step);
        c.setFlags(KIND.SUB, a, b);
        c.assign(equal, i64.eq(a, b));
        return i64.const(1);
      },
      () => (c.variant.repeat === REPNE ? i32.eqz(equal) : equal),
    );
  };

export const STRING: Record<string, Semantics> = {
  MOVS: moveString,
  STOS: storeString,
  LODS: loadString,
  CMPS: compareString(true),
  SCAS: compareString(false),
};
