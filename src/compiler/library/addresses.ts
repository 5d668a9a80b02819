import { asUnsigned } from './host.ts';

declare const space: unique symbol;
declare const pointee: unique symbol;

/** A physical address. Only `phys()` makes one; arithmetic on it yields a plain bigint again. */
export type PhysAddr = bigint & { readonly [space]: 'physical' };
/** A virtual address of the address space the code itself runs in. */
export type VirtAddr = bigint & { readonly [space]: 'virtual' };
/** An address a user program handed over. It has no fields: only the `try...` accesses read or write through it. */
export type UserPtr<T> = bigint & { readonly [space]: 'user'; readonly [pointee]: T };

/** Any address, for the operations that do not care. */
export type Address = bigint & { readonly [space]: 'physical' | 'virtual' | 'user' };

export const phys = (value: bigint): PhysAddr => asUnsigned(64, value) as PhysAddr;
export const virt = (value: bigint): VirtAddr => asUnsigned(64, value) as VirtAddr;
export const userPtr = <T>(value: bigint): UserPtr<T> => asUnsigned(64, value) as UserPtr<T>;
