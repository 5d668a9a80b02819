import type { VirtAddr } from './addresses.ts';
import { failure } from './host.ts';
import type { u32 } from './integers.ts';
import { reserve } from './socket.ts';
import type { Struct, View } from './struct.ts';

/** By-value nesting: an object inside an object (a field), or a structure in .bss (module level) or on the stack (local). */
export function embed<F>(type: Struct<F>): View<F>;
export function embed<T extends object>(type: new () => T): T;
export function embed(type: Struct<unknown> | (new () => object)): object {
  if ('offsetOf' in type) return type.at(reserve(type.size, type.alignment) as VirtAddr);
  return new type();
}

/** Bytes that an object of the class occupies. In Node, where objects have no layout, a plausible constant. */
export function sizeOf(_type: new () => object): u32 {
  return 256;
}

/** Bytes from the start of an object to one of its fields, for assembly. Compiled code only. */
export function offsetOf<T extends object>(_type: new () => T, _field: keyof T & string): u32 {
  throw failure('offsetOf is known to compiled code only');
}
