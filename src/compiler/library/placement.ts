import type { VirtAddr } from './addresses.ts';
import { failure, newMap, newWeakMap } from './host.ts';
import { reserve } from './socket.ts';

/** In Node objects have no address until one is asked for; these two tables keep the invented ones consistent. */
const addresses = newWeakMap<object, bigint>();
const objects = newMap<bigint, object>();

/** Gives an object its address. */
export function place(object: object, address: bigint): void {
  addresses.set(object, address);
}

/** The address of a kernel object, an array or a structure. */
export function addressOf(object: object): VirtAddr {
  const known = addresses.get(object);
  if (known !== undefined) return known as VirtAddr;
  const fresh = reserve(16, 16);
  place(object, fresh);
  objects.set(fresh, object);
  return fresh as VirtAddr;
}

/** The kernel object of that class which was constructed at the address. */
export function objectAt<T extends object>(_type: new () => T, address: VirtAddr): T {
  const object = objects.get(address);
  if (object === undefined) throw failure('objectAt: nothing was constructed at this address');
  return object as T;
}

/** Constructs a kernel object in raw memory of `sizeOf(type)` bytes: every field gets its initial value. */
export function constructAt<T extends object>(type: new () => T, address: VirtAddr): T {
  const object = new type();
  place(object, address);
  objects.set(address, object);
  return object;
}
