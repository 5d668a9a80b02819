/** Records but for the numbers in them: decoding is done once for all instructions that differ only in displacement and immediate. */
import type { Decoder } from '../decode/decoder.ts';
import { type CodeSize, Instruction, NO_REGISTER } from '../decode/instruction.ts';
import { operandWidth } from '../decode/operands.ts';
import { FLAT_SEGMENT, FS, GPR, GS, MODE, SEGMENT_BYTES, SEGMENTS, ZERO_SLOT } from '../layout.ts';
import { ALIAS, ALIAS_CHANGES, CANONICAL_FORM } from './aliases.ts';
import { FACTS, type FormFacts, immediateEncoding, slotOf } from './form-facts.ts';
import type { Handlers } from './generate.ts';
import * as R from './records.ts';

const RSP = 4;

/** What instructions with the same first bytes, up to SIB, have in common. Fields named as those of the record are copied into it. */
export class Template {
  readonly length: number;
  /** Where what may differ begins: the displacement, which the immediate follows. */
  readonly operandsAt: number;
  readonly form: number;
  /** Index into the variants, -1 for a TypeScript function. */
  readonly variant: number;
  readonly endsRun: boolean;
  readonly isBranch: boolean;
  /** Of a conditional jump, else -1. */
  readonly condition: number;
  readonly isWord: boolean;
  /** A conditional jump behind it may be fused to it. */
  isFusable = false;
  /** Its operands are more than one displacement and one immediate: only the decoder reads them. */
  readonly hasRareOperands: boolean;
  handler: number = R.PSEUDO.helper;
  /** The handler that leaves the flags out, or -1. */
  noFlags = -1;
  traits = 0;
  base = 0;
  index = 0;
  scale = 0;
  reg = 0;
  vvvv = 0;
  addressing = 0;
  segment = 0;
  readonly displacementBytes: number;
  /** Added to it. */
  displacementConstant = 0;
  isRipRelative = false;
  readonly immediateBytes: number;
  readonly immediateSigned: boolean;
  /** Of the bits kept of the low half. */
  immediateMask = 0;
  immediateHasHigh = false;
  /** Where it has no bytes of its own. */
  immediateConstant = 0;

  constructor(instruction: Instruction, mode: number, handlers: Handlers) {
    if (FACTS[instruction.form]!.hint) instruction.memory = false;
    const key = instruction.form * 2 + Number(instruction.memory);
    const changes = ALIAS_CHANGES[key]!;
    const form = CANONICAL_FORM[key]!;
    const facts = FACTS[form]!;
    const encoding = immediateEncoding(instruction.form, instruction.operandSize);
    this.form = form;
    this.length = instruction.length;
    this.variant = variantOf(instruction, form, mode, handlers);
    this.isBranch = facts.branch;
    this.condition = facts.isConditionalJump ? instruction.opcode & 15 : -1;
    this.isWord = instruction.operandSize === 16;
    this.endsRun = this.variant < 0 ? FACTS[instruction.form]!.endsRun : facts.leaves;
    const constant = facts.shift && (changes & ALIAS.immediateOne) === 0;
    this.operandsAt = constant ? instruction.length : instruction.operandsAt;
    this.immediateBytes = constant ? 0 : (encoding?.bytes ?? 0);
    this.immediateSigned = encoding?.signed ?? false;
    this.displacementBytes = constant ? 0 : instruction.length - instruction.operandsAt - this.immediateBytes;
    if (constant) this.displacementConstant = instruction.displacement;
    this.hasRareOperands = encoding === undefined || facts.secondImmediate;
    if (this.variant < 0) return;
    this.handler = handlers.general[this.variant]!;
    this.noFlags = handlers.noFlags[this.variant]!;
    this.traits = handlers.traits[this.variant]!;
    this.#takeRegisters(instruction, facts, changes);
    this.isFusable = true;
    if (instruction.memory || facts.implicitSegment) this.#takeMemoryOperand(instruction, facts, mode, handlers);
    if (facts.immediate && !facts.branch) this.#takeImmediate(instruction, facts, changes);
  }

  #takeRegisters(instruction: Instruction, facts: FormFacts, changes: number): void {
    let { reg, rm } = instruction;
    if (changes & ALIAS.accumulatorAsRm) rm = 0;
    if (changes & ALIAS.accumulatorAsReg) reg = 0;
    if (changes & ALIAS.swap) [reg, rm] = [rm, reg];
    const { rex } = instruction;
    if (!instruction.memory) this.base = slotOf(facts.rm, rm, rex);
    this.reg = slotOf(facts.reg, reg, rex);
    if (facts.vvvv) this.vvvv = GPR + 8 * instruction.vvvv;
  }

  #takeMemoryOperand(instruction: Instruction, facts: FormFacts, mode: number, handlers: Handlers): void {
    const long = (mode & MODE.code64) !== 0;
    this.addressing = addressingOf(instruction, long);
    this.isRipRelative = instruction.ripRelative;
    if (facts.popsToMemory && instruction.base === RSP) this.displacementConstant = instruction.operandSize / 8;
    const isFlat = this.addressing === R.ADDRESSING.bits64;
    let base = GPR + 8 * instruction.base;
    let index = GPR + 8 * instruction.index;
    let segment = instruction.segment;
    if ((long && segment !== FS && segment !== GS) || facts.isLea) segment = FLAT_SEGMENT;
    if (long && segment !== FLAT_SEGMENT && isFlat && !facts.implicitSegment) {
      const address = SEGMENTS + SEGMENT_BYTES * segment;
      if (base === ZERO_SLOT) [base, segment] = [address, FLAT_SEGMENT];
      else if (index === ZERO_SLOT) [index, segment] = [address, FLAT_SEGMENT];
    }
    this.base = base;
    this.index = index;
    this.segment = segment;
    this.scale = instruction.index === NO_REGISTER ? 0 : instruction.scale;
    const isPlain = isFlat && segment === FLAT_SEGMENT;
    this.isFusable = isPlain && index === ZERO_SLOT;
    if (!instruction.memory || !isPlain) return;
    const special = handlers[this.isFusable ? 'base' : 'index'][this.variant]!;
    if (special >= 0) this.handler = special;
  }

  #takeImmediate(instruction: Instruction, facts: FormFacts, changes: number): void {
    const bits = operandWidth(facts.immediate!, instruction);
    this.immediateMask = bits === 8 ? 0xff : bits === 16 ? 0xffff : -1;
    this.immediateHasHigh = bits === 64;
    this.immediateConstant = (changes & ALIAS.immediateOne ? 1 : instruction.immediate) & this.immediateMask;
  }
}

function addressingOf(instruction: Instruction, long: boolean): number {
  if (instruction.addressSize === 64) return R.ADDRESSING.bits64;
  if (instruction.addressSize === 16) return R.ADDRESSING.bits16;
  return long ? R.ADDRESSING.bits32In64 : R.ADDRESSING.bits32;
}

function variantOf(instruction: Instruction, form: number, mode: number, handlers: Handlers): number {
  const facts = FACTS[form]!;
  if (facts.usesSse && (mode & MODE.sse) === 0) return -1;
  const long = (mode & MODE.code64) !== 0;
  const stackMode = long ? 0 : mode & MODE.stack32 ? 1 : 2;
  const isOne = (ALIAS_CHANGES[instruction.form * 2 + Number(instruction.memory)]! & ALIAS.immediateOne) !== 0;
  const count = isOne ? 1 : instruction.immediate;
  const nonzero = facts.shift && (count & (instruction.operandSize === 64 ? 63 : 31)) !== 0;
  return handlers.table.find(
    form,
    instruction.operandSize,
    instruction.memory,
    instruction.opcode,
    instruction.reg,
    instruction.repeat,
    addressingOf(instruction, long),
    stackMode,
    nonzero,
  );
}

export function codeSizeOf(mode: number): CodeSize {
  return mode & MODE.code64 ? 64 : mode & MODE.code32 ? 32 : 16;
}

/** Successors of a node by the next byte: a node's position, ~ a template's number, or 0 for nothing known. */
const NODE = 256;
/** The roots come first, one for each value of the mode bits that decide how bytes are decoded. */
const ROOTS = 16;
const NODES_AT_FIRST = 512;
const NODES = 8192;

/** The templates of all instructions met so far, in a tree over the bytes that decide which one it is. */
export class Templates {
  readonly #decoder: Decoder;
  readonly #handlers: Handlers;
  readonly #instruction = new Instruction();
  #nodes = new Int32Array(NODES_AT_FIRST * NODE);
  #used = ROOTS;
  #templates: Template[] = [];
  /** Why the last `find` has found nothing: a DecodeError. */
  error = 0;

  constructor(decoder: Decoder, handlers: Handlers) {
    this.#decoder = decoder;
    this.#handlers = handlers;
  }

  /**
   * @param available bytes of the guest's code from `start` on, as for the decoder
   * @param mode the bits of MODE_DECODE_MASK
   * @returns the template of the instruction at `bytes[start]`; undefined with `error`
   */
  find(bytes: Uint8Array, start: number, available: number, mode: number): Template | undefined {
    const nodes = this.#nodes;
    let at = start;
    let entry = rootOf(mode);
    do {
      entry = nodes[entry + bytes[at++]!]!;
    } while (entry > 0);
    if (entry < 0) {
      const template = this.#templates[~entry]!;
      if (template.length <= available) return template;
    }
    return this.#derive(bytes, start, available, mode);
  }

  #derive(bytes: Uint8Array, start: number, available: number, mode: number): Template | undefined {
    const instruction = this.#instruction;
    const length = this.#decoder.decode(bytes, start, available, codeSizeOf(mode), instruction);
    if (length < 0) {
      this.error = length;
      return undefined;
    }
    const template = new Template(instruction, mode, this.#handlers);
    this.#enter(bytes, start, rootOf(mode), template);
    return template;
  }

  #enter(bytes: Uint8Array, start: number, root: number, template: Template): void {
    if (this.#used + template.operandsAt > NODES) this.#forget();
    while (this.#used + template.operandsAt > this.#nodes.length / NODE) this.#grow();
    const nodes = this.#nodes;
    const last = start + template.operandsAt - 1;
    let node = root;
    for (let at = start; at < last; at++) {
      const place = node + bytes[at]!;
      if (nodes[place] === 0) nodes[place] = this.#used++ * NODE;
      node = nodes[place]!;
    }
    nodes[node + bytes[last]!] = ~this.#templates.length;
    this.#templates.push(template);
  }

  #grow(): void {
    const nodes = new Int32Array(this.#nodes.length * 2);
    nodes.set(this.#nodes);
    this.#nodes = nodes;
  }

  #forget(): void {
    this.#nodes.fill(0);
    this.#used = ROOTS;
    this.#templates = [];
  }
}

/** SSE, the last of the bits, is moved down beside the others. */
function rootOf(mode: number): number {
  const CODE64_SHIFT = 2;
  return (((mode >> CODE64_SHIFT) & 7) | (mode & MODE.sse ? 8 : 0)) * NODE;
}
