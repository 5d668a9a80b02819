import { Atomic32, assert, codeAddress, cpu, isr, mem, mulLow32, u32, virt } from '#dialect';
import { DEVICE_BASE } from '../../../src/kernel/memory/layout.ts';
import { loadInterruptTable, setGate, Vector } from '../../../src/kernel/processor/interrupts.ts';
import { endInterrupt, initializeLocalApic, startPeriodicTimer } from '../../../src/kernel/processor/local-apic.ts';

const SELF_INTERRUPTS = 20_000;
const SELF_VECTOR = 0x40;
/** Interrupt command register, low half: to the sender itself, fixed delivery (SDM vol. 3A 10.6.1). */
const INTERRUPT_COMMAND = virt(DEVICE_BASE + 0x300n);
const TO_SELF = 0x4_0000;

/** Timer counts between two interrupts: 100 us where the APIC's clock, of which a count is 16, runs at 1 GHz. */
const PERIOD = 6_250;
const STEPS = 40_000_000;

const taken = new Atomic32(0);

const selfHandler = isr(() => {
  endInterrupt();
  taken.store(u32(taken.load() + 1));
});

const timerHandler = isr(() => endInterrupt());

export function prepareInterrupts(): void {
  setGate(SELF_VECTOR, codeAddress(selfHandler), 0, 0);
  setGate(Vector.TIMER, codeAddress(timerHandler), 0, 0);
  loadInterruptTable();
  assert(initializeLocalApic().ok, 'there is no memory for the local APIC');
  cpu.sti();
}

/** Interrupts that the processor sends itself through the APIC, each taken before the next is sent. */
export function selfInterrupts(): u32 {
  taken.store(0);
  for (let sent: u32 = 1; sent <= SELF_INTERRUPTS; sent++) {
    mem.store32(INTERRUPT_COMMAND, TO_SELF | SELF_VECTOR);
    while (taken.load() !== sent);
  }
  return taken.load();
}

export function startTimer(): void {
  startPeriodicTimer(PERIOD);
}

/** Computes a fixed amount while the timer interrupts ten thousand times a second. */
export function timerInterrupts(): u32 {
  let state: u32 = 0x1234_5678;
  for (let step: u32 = 0; step < STEPS; step++) {
    state = u32(mulLow32(u32(state ^ (state >>> 15)), 0x9e37_79b1) + step);
  }
  return state;
}
