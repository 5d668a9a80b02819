import { OpcodeMap } from './encoding.ts';
import { type Feature, IMPLEMENTED_FEATURES } from './features.ts';
import { type CodeSize, type Instruction, NO_REGISTER, Segment } from './instruction.ts';
import { buildLookup, Immediate, type Lookup, lookupIndex, NO_FORM, PROPERTIES, Property } from './lookup.ts';

/** What `decode` returns instead of a length. */
export const DecodeError = {
  /** No instruction starts with these bytes: #UD. */
  Undefined: -6,
  /** Longer than 15 bytes: #GP(0). */
  TooLong: -13,
  /** The instruction goes on behind the available bytes. */
  Incomplete: -14,
} as const;

/** Longest instruction in bytes (SDM vol. 2, 2.3.11). */
export const MAX_LENGTH = 15;

const PrefixKind = {
  None: 0,
  OperandSize: 1,
  AddressSize: 2,
  Lock: 3,
  Repeat: 4,
  LegacySegment: 5,
  Segment: 6,
  Rex: 7,
} as const;

function prefixKinds(long: boolean): Uint8Array {
  const kinds = new Uint8Array(256);
  kinds[0x66] = PrefixKind.OperandSize;
  kinds[0x67] = PrefixKind.AddressSize;
  kinds[0xf0] = PrefixKind.Lock;
  kinds[0xf2] = kinds[0xf3] = PrefixKind.Repeat;
  for (const prefix of [0x26, 0x2e, 0x36, 0x3e]) kinds[prefix] = PrefixKind.LegacySegment;
  kinds[0x64] = kinds[0x65] = PrefixKind.Segment;
  if (long) kinds.fill(PrefixKind.Rex, 0x40, 0x50);
  return kinds;
}

const PREFIXES_64 = prefixKinds(true);
const PREFIXES_32 = prefixKinds(false);

/** Base and index of 16-bit addressing by ModRM.rm (SDM vol. 2, table 2-1): BX, BP, SI, DI are 3, 5, 6, 7. */
const BASE_16 = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX_16 = [6, 7, 6, 7, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER];

/** Control registers that exist: CR0, CR2, CR3, CR4, CR8. */
const CONTROL_REGISTERS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 8);

/** Decodes instruction bytes by the opcode table (SDM vol. 2, chapter 2). One instance serves all modes; it holds no state between calls. */
export class Decoder {
  readonly #lookup64: Lookup;
  readonly #lookup32: Lookup;

  /** @param features whose instructions exist; all others are undefined. */
  constructor(features: ReadonlySet<Feature> = IMPLEMENTED_FEATURES) {
    this.#lookup64 = buildLookup(true, features);
    this.#lookup32 = buildLookup(false, features);
  }

  /**
   * Decodes the instruction at `bytes[start]` into `instruction`.
   *
   * @param available how many bytes from `start` belong to the guest's code (up to a page end, say). Bytes behind them may be read, and
   *   are then ignored.
   * @returns the length in bytes, or a DecodeError; `instruction` is only meaningful after a length.
   */
  decode(bytes: Uint8Array, start: number, available: number, codeSize: CodeSize, instruction: Instruction): number {
    const long = codeSize === 64;
    const kinds = long ? PREFIXES_64 : PREFIXES_32;
    const end = start + Math.min(available, MAX_LENGTH);
    let at = start;
    let opcode = 0;
    let rex = 0;
    let repeat = 0;
    let lock = false;
    let segment = -1;
    let operandPrefix = false;
    let addressPrefix = false;
    for (;;) {
      if (at >= end) return beyond(available);
      opcode = bytes[at++]!;
      const kind = kinds[opcode]!;
      if (kind === PrefixKind.None) break;
      if (kind === PrefixKind.Rex) {
        rex = opcode;
        continue;
      }
      rex = 0;
      if (kind === PrefixKind.OperandSize) operandPrefix = true;
      else if (kind === PrefixKind.AddressSize) addressPrefix = true;
      else if (kind === PrefixKind.Repeat) repeat = opcode;
      else if (kind === PrefixKind.Lock) lock = true;
      else if (kind === PrefixKind.Segment) segment = opcode - 0x60;
      else if (!long) segment = (opcode - 0x26) >> 3;
    }

    let map: number = OpcodeMap.OneByte;
    let prefix = repeat === 0 ? (operandPrefix ? 1 : 0) : repeat === 0xf3 ? 2 : 3;
    let vvvv = 0;
    if (opcode === 0x0f) {
      opcode = bytes[at++]!;
      map = OpcodeMap.Map0F;
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? OpcodeMap.Map0F38 : OpcodeMap.Map0F3A;
        opcode = bytes[at++]!;
      }
    } else if ((opcode === 0xc4 || opcode === 0xc5) && (long || bytes[at]! >= 0xc0)) {
      if (rex !== 0 || prefix !== 0 || lock) return undefinedAt(at - start, available);
      const first = bytes[at++]!;
      let last = first;
      let select = 1;
      rex = 0x40 | ((~first >> 5) & 4);
      if (opcode === 0xc4) {
        last = bytes[at++]!;
        select = first & 31;
        rex |= ((~first >> 5) & 3) | ((last >> 4) & 8);
      }
      if (!long) rex = 0x40;
      vvvv = (~last >> 3) & (long ? 15 : 7);
      prefix = last & 3;
      map = OpcodeMap.Vex0F - 1 + select;
      opcode = bytes[at++]!;
      if (select < 1 || select > 3 || (last & 4) !== 0) return undefinedAt(at - start, available);
    }

    let operandSize: 8 | 16 | 32 | 64 = 32;
    if (long) operandSize = (rex & 8) !== 0 ? 64 : operandPrefix ? 16 : 32;
    else if ((codeSize === 16) !== operandPrefix) operandSize = 16;
    const lookup = long ? this.#lookup64 : this.#lookup32;
    // 90 is NOP or PAUSE unless REX.B makes it XCHG with R8, of which 91 is the sibling.
    const row = opcode === 0x90 && (rex & 1) !== 0 && map === OpcodeMap.OneByte ? 0x91 : opcode;
    let form: number = lookup.entries[lookupIndex(map, prefix, operandSize >> 5, row)]!;
    if (form < NO_FORM) {
      const modrm = bytes[at]!;
      form = lookup.groups[(-2 - form) * 72 + (modrm >= 0xc0 ? modrm - 0xb8 : (modrm >> 3) & 7)]!;
      if (form === NO_FORM) return undefinedAt(at + 1 - start, available);
    } else if (form === NO_FORM) return undefinedAt(at - start, available);

    const properties = PROPERTIES[form]!;
    let addressSize: 16 | 32 | 64 = codeSize;
    if (addressPrefix) addressSize = codeSize === 32 ? 16 : 32;
    if ((properties & Property.Byte) !== 0) operandSize = 8;
    else if (operandSize === 16 && (properties & Property.NotWord) !== 0) operandSize = 32;
    else if (long && (properties & (Property.Default64 | Property.Forced64)) !== 0) {
      if (!operandPrefix || (properties & Property.Forced64) !== 0) operandSize = 64;
    }

    let memory = false;
    let base = NO_REGISTER;
    let index = NO_REGISTER;
    let scale = 0;
    let displacement = 0;
    let displacementHigh = 0;
    let ripRelative = false;
    let modrm = 0;
    let displacementSize = 0;
    let rm = (opcode & 7) | ((rex & 1) << 3);
    if ((properties & Property.ModRM) !== 0) {
      modrm = bytes[at++]!;
      rm = modrm & 7;
      if (modrm >= 0xc0 || (properties & Property.ModIgnored) !== 0) {
        rm |= (rex & 1) << 3;
      } else {
        memory = true;
        const mod = modrm >> 6;
        displacementSize = mod === 0 ? 0 : mod === 1 ? 1 : addressSize === 16 ? 2 : 4;
        if (addressSize === 16) {
          if (mod === 0 && rm === 6) displacementSize = 2;
          else {
            base = BASE_16[rm]!;
            index = INDEX_16[rm]!;
          }
        } else if (rm === 4) {
          const sib = bytes[at++]!;
          index = ((sib >> 3) & 7) | ((rex & 2) << 2);
          if (index === 4) index = NO_REGISTER;
          else scale = sib >> 6;
          if (mod === 0 && (sib & 7) === 5) displacementSize = 4;
          else base = (sib & 7) | ((rex & 1) << 3);
        } else if (mod === 0 && rm === 5) {
          displacementSize = 4;
          ripRelative = long;
        } else {
          base = rm | ((rex & 1) << 3);
        }
        if (displacementSize === 1) displacement = (bytes[at]! << 24) >> 24;
        else if (displacementSize === 2) displacement = signed16(bytes, at);
        else if (displacementSize === 4) displacement = signed32(bytes, at);
        displacementHigh = displacement >> 31;
        at += displacementSize;
      }
    }
    const operandsAt = at - displacementSize - start;

    let immediate = 0;
    let immediateHigh = 0;
    let immediate2 = 0;
    switch (properties >> Property.ImmediateShift) {
      case Immediate.None:
        break;
      case Immediate.Byte:
        immediate = bytes[at++]!;
        break;
      case Immediate.SignedByte:
        immediate = (bytes[at++]! << 24) >> 24;
        immediateHigh = immediate >> 31;
        break;
      case Immediate.Word:
        immediate = signed16(bytes, at) & 0xffff;
        at += 2;
        break;
      case Immediate.Z:
      case Immediate.V:
        if (operandSize === 16) {
          immediate = signed16(bytes, at);
          at += 2;
        } else {
          immediate = signed32(bytes, at);
          at += 4;
        }
        immediateHigh = immediate >> 31;
        if (operandSize === 64 && properties >> Property.ImmediateShift === Immediate.V) {
          immediateHigh = signed32(bytes, at);
          at += 4;
        }
        break;
      case Immediate.WordByte:
        immediate = signed16(bytes, at) & 0xffff;
        immediate2 = bytes[at + 2]!;
        at += 3;
        break;
      case Immediate.FarPointer:
        immediate = operandSize === 16 ? signed16(bytes, at) & 0xffff : signed32(bytes, at);
        at += operandSize === 16 ? 2 : 4;
        immediate2 = signed16(bytes, at) & 0xffff;
        at += 2;
        break;
      case Immediate.Moffs:
        memory = true;
        displacement = addressSize === 16 ? signed16(bytes, at) & 0xffff : signed32(bytes, at);
        displacementHigh = addressSize === 64 ? signed32(bytes, at + 4) : 0;
        at += addressSize >> 3;
        break;
    }

    const length = at - start;
    if (length > end - start) return beyond(available);
    const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
    if (lock && ((properties & Property.Lockable) === 0 || !memory)) return DecodeError.Undefined;
    if (vvvv !== 0 && (properties & Property.Vvvv) === 0) return DecodeError.Undefined;
    if ((properties & Property.Control) !== 0 && ((CONTROL_REGISTERS >> reg) & 1) === 0) return DecodeError.Undefined;
    if ((properties & Property.Debug) !== 0 && reg >= 8) return DecodeError.Undefined;

    instruction.form = form;
    instruction.length = length;
    instruction.operandsAt = operandsAt;
    instruction.codeSize = codeSize;
    instruction.opcode = opcode;
    instruction.operandSize = operandSize;
    instruction.addressSize = addressSize;
    instruction.rex = rex;
    instruction.repeat = repeat;
    instruction.lock = lock;
    instruction.segment = segment >= 0 ? segment : base === 4 || base === 5 ? Segment.SS : Segment.DS;
    instruction.segmentOverridden = segment >= 0;
    instruction.modrm = modrm;
    instruction.memory = memory;
    instruction.reg = reg;
    instruction.rm = rm;
    instruction.vvvv = vvvv;
    instruction.base = base;
    instruction.index = index;
    instruction.scale = scale;
    instruction.displacement = displacement;
    instruction.displacementHigh = displacementHigh;
    instruction.ripRelative = ripRelative;
    instruction.immediate = immediate;
    instruction.immediateHigh = immediateHigh;
    instruction.immediate2 = immediate2;
    return length;
  }
}

/** The answer when decoding needs a byte that is not there. */
function beyond(available: number): number {
  return available >= MAX_LENGTH ? DecodeError.TooLong : DecodeError.Incomplete;
}

/** The answer when `length` bytes select no form: they count only as far as they are available. */
function undefinedAt(length: number, available: number): number {
  return length > available || length > MAX_LENGTH ? beyond(available) : DecodeError.Undefined;
}

function signed16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! | (bytes[at + 1]! << 8)) << 16) >> 16;
}

function signed32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
