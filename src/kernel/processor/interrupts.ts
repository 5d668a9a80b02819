/** The interrupt descriptor table (SDM vol. 3A 6.10). */
import { addressOf, array, cpu, embed, f16, f32, struct, u16, u32, u64, type VirtAddr } from '#dialect';
import { TablePointer } from './segments.ts';
import { Selector } from './trap-frame.ts';

const Gate = struct({
  offsetLow: f16,
  selector: f16,
  attributes: f16.bits({ ist: 3, _reserved: 5, type: 4, _zero: 1, privilege: 2, present: 1 }),
  offsetMiddle: f16,
  offsetHigh: f32,
  _reserved: f32,
});

/** Vectors the kernel gives out itself; 0 to 31 are the processor's. */
export const Vector = { TIMER: 0x20, SERIAL: 0x24, SPURIOUS: 0xff } as const;

const VECTORS = 256;
/** Interrupts are off in the handler. */
const INTERRUPT_GATE = 14;
const idt = array(Gate, VECTORS);
const pointer = embed(TablePointer);

/** Sends a vector to a handler, on one of the IST stacks unless `stack` is 0. */
export function setGate(vector: u32, handler: VirtAddr, stack: u32, privilege: u32): void {
  const gate = idt[vector]!;
  gate.offsetLow = u16(handler & 0xffffn);
  gate.offsetMiddle = u16((u64(handler) >> 16n) & 0xffffn);
  gate.offsetHigh = u32(u64(handler) >> 32n);
  gate.selector = Selector.KERNEL_CODE;
  gate.attributes.ist = u16(stack);
  gate.attributes.type = INTERRUPT_GATE;
  gate.attributes.privilege = u16(privilege);
  gate.attributes.present = 1;
}

export function loadInterruptTable(): void {
  pointer.limit = u16(VECTORS * Gate.size - 1);
  pointer.base = addressOf(idt);
  cpu.lidt(addressOf(pointer));
}
