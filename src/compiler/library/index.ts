/** The dialect's library: what kernel and user programs import as `#dialect`. */
export { type Address, type PhysAddr, phys, type UserPtr, userPtr, type VirtAddr, virt } from './addresses.ts';
export {
  aligned,
  array,
  bytes,
  type FixedArray,
  type InlineArray,
  references,
  sparseTable,
  type Table,
  table,
} from './arrays.ts';
export { Atomic32, Atomic64, fence, type Order, pause } from './atomics.ts';
export { cpu, syscall } from './cpu.ts';
export { type AssemblyOperand, asm, codeAddress, entry, type Handler, isr, isrWithCode, naked } from './functions.ts';
export {
  type Integer,
  type IntegerType,
  i8,
  i16,
  i32,
  i64,
  mulHigh64,
  mulLow32,
  u8,
  u16,
  u32,
  u64,
  usize,
} from './integers.ts';
export {
  gs,
  linkerSymbol,
  mem,
  type TryAddress,
  tryCopy,
  tryFill,
  tryLoad8,
  tryLoad16,
  tryLoad32,
  tryLoad64,
  tryStore8,
  tryStore16,
  tryStore32,
  tryStore64,
} from './memory.ts';
export { embed, offsetOf, sizeOf } from './objects.ts';
export { assert, type PanicHandler, panic, panicHandler } from './panic.ts';
export { addressOf, constructAt, objectAt } from './placement.ts';
export { port } from './port.ts';
export { type Hex, hex, type Print, type Printable, printer, type Sink } from './print.ts';
export { type Err, Errno, err, type Ok, ok, type Result } from './result.ts';
export { type Fields, f8, f16, f32, f64, packed, type Struct, struct, type View, type ViewOf } from './struct.ts';
