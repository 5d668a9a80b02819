/** Operand widths in bits. */
export type Width = 8 | 16 | 32 | 64;

/**
 * A general register. Numbers 0-15 are the machine's (Intel SDM vol. 2A 3.1.1.1); numbers from 16 up are virtual and
 * do not survive register allocation. `high` marks ah, ch, dh, bh (numbers 0-3).
 */
export interface RegisterOperand {
  readonly kind: 'register';
  readonly register: number;
  readonly width: Width;
  readonly high?: true;
}

/** A segment, control, debug or XMM register: in the assembler only, the compiler itself does without. */
export interface SpecialRegisterOperand {
  readonly kind: 'segment' | 'control' | 'debug' | 'xmm';
  readonly register: number;
}

/** value, or the address of `symbol` plus value. */
export interface ImmediateOperand {
  readonly kind: 'immediate';
  readonly value: bigint;
  readonly symbol?: string;
}

/** A stack slot's address: `index` counts the function's slots; resolved to rbp + offset by the frame. */
export interface MemoryOperand {
  readonly kind: 'memory';
  /** 0: no size (lea, lgdt, ...) */
  readonly width: Width | 0;
  readonly base?: number;
  readonly index?: number;
  readonly scale?: 1 | 2 | 4 | 8;
  readonly displacement: number;
  readonly symbol?: string;
  readonly slot?: number;
  readonly segment?: 'cs' | 'ds' | 'es' | 'fs' | 'gs' | 'ss';
  /** with a symbol, no base and no index: address it relative to rip (64-bit mode only) */
  readonly relative?: boolean;
}

/** A place in the same function (jump target), or a symbol when `symbol` is set. */
export interface TargetOperand {
  readonly kind: 'target';
  readonly label: string;
  readonly symbol?: true;
}

/** selector:offset of a direct far jump or call (32-bit mode). */
export interface FarOperand {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: ImmediateOperand;
}

export type Operand =
  | RegisterOperand
  | SpecialRegisterOperand
  | ImmediateOperand
  | MemoryOperand
  | TargetOperand
  | FarOperand;

export const rax = 0;
export const rcx = 1;
export const rdx = 2;
export const rbx = 3;
export const rsp = 4;
export const rbp = 5;
export const rsi = 6;
export const rdi = 7;
/** The first number of a virtual register. */
export const firstVirtual = 16;

export function register(number: number, width: Width = 64): RegisterOperand {
  return { kind: 'register', register: number, width };
}

export function immediate(value: bigint | number, symbol?: string): ImmediateOperand {
  return symbol === undefined
    ? { kind: 'immediate', value: BigInt(value) }
    : { kind: 'immediate', value: BigInt(value), symbol };
}

export function target(label: string): TargetOperand {
  return { kind: 'target', label };
}
