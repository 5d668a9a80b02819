/**
 * The intermediate representation: typed three-address code with explicit widths, a span on every instruction.
 * Registers may be assigned many times; the optimiser builds SSA form for itself. Arithmetic wraps at its width.
 */

/** Register types; pointers are i64, booleans are i8 holding 0 or 1. */
export type Type = 'i8' | 'i16' | 'i32' | 'i64';

/** A virtual register: an index into `IrFunction.registers`. */
export type Register = number;
/** An index into `IrFunction.blocks`; block 0 is the entry and has no predecessor. */
export type BlockIndex = number;
/** An index into `IrFunction.slots`. */
export type SlotIndex = number;

export const bitsOf: Record<Type, 8 | 16 | 32 | 64> = { i8: 8, i16: 16, i32: 32, i64: 64 };
export const bytesOf: Record<Type, 1 | 2 | 4 | 8> = { i8: 1, i16: 2, i32: 4, i64: 8 };

/** A place in the source: `file` indexes `IrModule.files`; line and column count from 1, length in UTF-16 units. */
export interface Span {
  readonly file: number;
  readonly line: number;
  readonly column: number;
  readonly length: number;
}

export type Condition = 'eq' | 'ne' | 'ult' | 'ule' | 'ugt' | 'uge' | 'slt' | 'sle' | 'sgt' | 'sge';
export type MemoryOrder = 'relaxed' | 'acquire' | 'release' | 'sequential';

export type Base =
  | { readonly kind: 'register'; readonly register: Register }
  | { readonly kind: 'symbol'; readonly symbol: string }
  | { readonly kind: 'slot'; readonly slot: SlotIndex };

/** base + index * scale + displacement (a signed 32-bit number), in an optional segment. */
export interface Address {
  readonly base?: Base;
  readonly index?: Register;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly displacement?: number;
  readonly segment?: 'fs' | 'gs';
}

export type Callee =
  | { readonly kind: 'symbol'; readonly symbol: string }
  | { readonly kind: 'register'; readonly register: Register };

export type UnaryOperator = 'neg' | 'not' | 'byteSwap' | 'bitScanForward' | 'bitScanReverse';
export type BinaryOperator =
  | 'add'
  | 'sub'
  | 'mul'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr'
  | 'sar'
  | 'rotl'
  | 'mulHighUnsigned'
  | 'mulHighSigned'
  | 'divUnsigned'
  | 'divSigned'
  | 'remUnsigned'
  | 'remSigned';
export type ExtensionOperator = 'zeroExtend' | 'signExtend' | 'truncate';
export type UpdateOperator = 'exchange' | 'add' | 'and' | 'or' | 'xor';

/** An operand of an `asm` template, written `{name}` there; `physical` pins it to a machine register such as 'rdi'. */
export interface AsmOperand {
  readonly name: string;
  readonly direction: 'in' | 'out' | 'inout';
  readonly register: Register;
  readonly physical?: string;
}

type Spanned<T> = T & { readonly span: Span };

export type Instruction = Spanned<
  /** result = value, taken modulo the result's width */
  | { op: 'const'; result: Register; value: bigint }
  /** result = source, same type */
  | { op: 'copy'; result: Register; source: Register }
  /** neg not: any width; byteSwap: i32 i64; bitScanForward/Reverse: index of the lowest/highest set bit, source not 0 */
  | { op: UnaryOperator; result: Register; source: Register }
  /** all three of one type. Shift counts are taken modulo the width. Divisors are not 0, INT_MIN / -1 does not occur */
  | { op: BinaryOperator; result: Register; left: Register; right: Register }
  /** to a wider (extensions) or narrower (truncate) type */
  | { op: ExtensionOperator; result: Register; source: Register }
  /** result (i8) = 1 when `left condition right`, else 0 */
  | { op: 'compare'; condition: Condition; result: Register; left: Register; right: Register }
  /** result = test (i8) is not 0 ? whenTrue : whenFalse; both are already computed */
  | { op: 'select'; result: Register; test: Register; whenTrue: Register; whenFalse: Register }
  /** result's width from memory; volatile: neither removed nor merged (MMIO) */
  | { op: 'load'; result: Register; address: Address; volatile?: boolean }
  /** source's width to memory */
  | { op: 'store'; address: Address; source: Register; volatile?: boolean }
  /** result (i64) = the address itself */
  | { op: 'addressOf'; result: Register; address: Address }
  /** up to two results; arguments in System V order */
  | { op: 'call'; results: readonly Register[]; callee: Callee; arguments: readonly Register[] }
  /** length (i64) bytes from source to destination, ascending; the ranges do not overlap */
  | { op: 'copyMemory'; destination: Register; source: Register; length: Register }
  /** length (i64) bytes of value (i8) at destination */
  | { op: 'setMemory'; destination: Register; value: Register; length: Register }
  /** result and fault (i8) = value and 0, or 0 and 1 when the access faults and the handler takes the fixup */
  | { op: 'tryLoad'; result: Register; fault: Register; address: Address }
  /** fault (i8) = 1 when the store faulted */
  | { op: 'tryStore'; fault: Register; address: Address; source: Register }
  /** result (i64) = bytes that were not copied, 0 when all were */
  | { op: 'tryCopy'; result: Register; destination: Register; source: Register; length: Register }
  /** i32 or i64; result = the value read */
  | { op: 'atomicLoad'; result: Register; address: Address; order: MemoryOrder }
  | { op: 'atomicStore'; address: Address; source: Register; order: MemoryOrder }
  /** result = the old value; memory = old operator source, at once */
  | { op: 'atomicUpdate'; operator: UpdateOperator; result: Register; address: Address; source: Register }
  /** result = the old value; memory = replacement when old == expected */
  | { op: 'compareExchange'; result: Register; address: Address; expected: Register; replacement: Register }
  /** result's width (i8 i16 i32) from port (i16) */
  | { op: 'portIn'; result: Register; port: Register }
  | { op: 'portOut'; port: Register; source: Register }
  /** a machine operation from the table in intrinsics.ts */
  | { op: 'intrinsic'; name: string; results: readonly Register[]; arguments: readonly Register[] }
  /** from here a debugger sees source as variable number `variable` (ir/variables.ts); made by the back end, no real use */
  | { op: 'bind'; variable: number; source: Register }
  /** text for the assembler in src/compiler/x64/assembler; clobbers are machine registers, 'flags' or 'memory' */
  | { op: 'asm'; text: string; mode: 32 | 64; operands: readonly AsmOperand[]; clobbers: readonly string[] }
>;

/** The member of the union that has this `op`. */
export type InstructionOf<Op extends Instruction['op']> = MemberOf<Instruction, Op>;
type MemberOf<T, Op> = T extends { op: infer O } ? (Op extends O ? T : never) : never;

export type Terminator = Spanned<
  | { op: 'jump'; target: BlockIndex }
  /** to `then` when test (i8) is not 0 */
  | { op: 'branch'; test: Register; then: BlockIndex; otherwise: BlockIndex }
  /** to `then` when `left condition right` */
  | {
      op: 'branchCompare';
      condition: Condition;
      left: Register;
      right: Register;
      then: BlockIndex;
      otherwise: BlockIndex;
    }
  /** to the case of that value (distinct, at the value's width), else to `otherwise` */
  | { op: 'switch'; value: Register; cases: readonly SwitchCase[]; otherwise: BlockIndex }
  | { op: 'return'; values: readonly Register[] }
  /** control never comes here; a trap (ud2) is left in its place */
  | { op: 'unreachable' }
>;

export interface SwitchCase {
  readonly value: bigint;
  readonly target: BlockIndex;
}

export interface Block {
  instructions: Instruction[];
  terminator: Terminator;
  /** true for blocks that a normal run does not enter (panics, failed checks): laid out last */
  cold?: boolean;
}

export interface Slot {
  readonly name: string;
  /** bytes */
  readonly size: number;
  /** bytes, a power of two up to 16 */
  readonly alignment: number;
}

/**
 * sysv: System V AMD64.
 * isr, isrWithCode: interrupt entry; parameter 0 is the address of the frame described in x64/conventions.ts; ends in iretq.
 * naked: one `asm` instruction and `unreachable`, nothing added.
 * entry: never returns, rbp = 0 on entry; in a user module parameter 0 is the initial stack pointer.
 */
export type Convention = 'sysv' | 'isr' | 'isrWithCode' | 'naked' | 'entry';

export interface Parameter {
  readonly register: Register;
  readonly name: string;
  /** index into `IrModule.types`; -1 when it has none */
  readonly type: number;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface Variable {
  readonly name: string;
  readonly type: number;
  readonly span: Span;
  readonly location:
    | { readonly kind: 'register'; readonly register: Register }
    | { readonly kind: 'slot'; readonly slot: SlotIndex };
}

/** A lexical block: its source range, in the function's own file, and what it declares. */
export interface Scope {
  readonly start: Position;
  readonly end: Position;
  readonly variables: readonly Variable[];
  readonly scopes: readonly Scope[];
}

export interface IrFunction {
  /** the symbol; unique in the module */
  readonly name: string;
  /** what a debugger shows, such as `Process.exit` */
  readonly displayName: string;
  readonly exported: boolean;
  readonly convention: Convention;
  /** always: expanded at each call; never: never */
  readonly inline: 'always' | 'never' | 'auto';
  readonly section: '.text' | '.boot.text';
  readonly parameters: readonly Parameter[];
  readonly results: readonly Type[];
  /** debug type of the result, -1 for none */
  readonly resultType: number;
  readonly span: Span;
  registers: Type[];
  slots: Slot[];
  blocks: Block[];
  /** the outermost scope: locals; parameters are not repeated here */
  scope: Scope;
}

export interface Relocation {
  /** bytes from the object's start */
  readonly offset: number;
  readonly symbol: string;
  readonly addend: bigint;
  readonly size: 4 | 8;
}

export type DataSection = '.rodata' | '.data' | '.bss' | '.boot.data' | '.boot.bss';

export interface DataObject {
  readonly name: string;
  readonly section: DataSection;
  readonly alignment: number;
  /** bytes; `bytes` is empty in .bss sections and as long as `size` elsewhere */
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly relocations: readonly Relocation[];
  /** what a debugger shows and its type (-1: none); null when the object has no name in the source */
  readonly debug: { readonly displayName: string; readonly type: number; readonly span: Span } | null;
}

export interface DebugMember {
  readonly name: string;
  readonly type: number;
  /** bytes from the structure's start */
  readonly offset: number;
  /** bits from the structure's start and width in bits, for bit fields only */
  readonly bits?: { readonly offset: number; readonly width: number };
}

/** Types as a debugger shows them; they refer to each other by index in `IrModule.types`, -1 being void. */
export type DebugType =
  | { kind: 'base'; name: string; encoding: 'signed' | 'unsigned' | 'boolean' | 'character'; size: 1 | 2 | 4 | 8 }
  | { kind: 'pointer'; to: number }
  | { kind: 'typedef'; name: string; type: number }
  | { kind: 'structure'; name: string; isClass: boolean; size: number; members: readonly DebugMember[]; span?: Span }
  | { kind: 'array'; element: number; count: number }
  | { kind: 'enumeration'; name: string; underlying: number; values: readonly { name: string; value: bigint }[] }
  | { kind: 'function'; parameters: readonly number[]; result: number };

export interface IrModule {
  readonly name: string;
  readonly kind: 'kernel' | 'user';
  /** source paths, relative to `directory` */
  files: string[];
  /** compilation directory for debuggers; '.' keeps images independent of where they were built */
  directory: string;
  functions: IrFunction[];
  data: DataObject[];
  types: DebugType[];
  entries: {
    /** ELF entry point */
    readonly elf: string;
    /** 32-bit entry of the PVH note */
    readonly pvh?: string;
    /** 32-bit entry for Multiboot 1 loaders; present: the image carries the header */
    readonly multiboot?: string;
  };
}
