/** GDT and TSS (SDM vol. 3A 3.4, 8.7). Long mode needs little of either: selectors, and stacks to enter ring 0 on. */
import { addressOf, array, asm, cpu, embed, f16, f32, f64, naked, packed, u16, u64 } from '#dialect';

import { Selector } from './trap-frame.ts';

const TaskState = packed({
  _reserved0: f32,
  rsp0: f64,
  rsp1: f64,
  rsp2: f64,
  _reserved1: f64,
  ist: array(f64, 7),
  _reserved2: f64,
  _reserved3: f16,
  ioMapBase: f16,
});

/** What LGDT and LIDT load: limit and linear address. */
export const TablePointer = packed({ limit: f16, base: f64 });

/** IST stacks, by the number an IDT gate names. */
export const InterruptStack = { NONE: 0, DOUBLE_FAULT: 1, NON_MASKABLE: 2 } as const;
const IST_STACK_BYTES = 8192;

/** Null, kernel code and data, the two halves of the TSS descriptor, user data and code. */
const gdt = array(u64, 7);
const KERNEL_CODE_DESCRIPTOR = 0x00af_9a00_0000_ffffn;
const KERNEL_DATA_DESCRIPTOR = 0x00cf_9200_0000_ffffn;
const USER_DATA_DESCRIPTOR = 0x00cf_f200_0000_ffffn;
const USER_CODE_DESCRIPTOR = 0x00af_fa00_0000_ffffn;
/** Present, type 9: available 64-bit TSS. */
const TASK_STATE_ACCESS = 0x89n;

const taskState = embed(TaskState);
const pointer = embed(TablePointer);
const doubleFaultStack = array(u64, IST_STACK_BYTES / 8);
const nonMaskableStack = array(u64, IST_STACK_BYTES / 8);

/** Loads the kernel's own segments and task state. */
export function initializeSegments(): void {
  gdt[Selector.KERNEL_CODE / 8] = KERNEL_CODE_DESCRIPTOR;
  gdt[Selector.KERNEL_DATA / 8] = KERNEL_DATA_DESCRIPTOR;
  gdt[5] = USER_DATA_DESCRIPTOR;
  gdt[6] = USER_CODE_DESCRIPTOR;
  describeTaskState();
  taskState.ist[InterruptStack.DOUBLE_FAULT - 1] = u64(addressOf(doubleFaultStack) + u64(IST_STACK_BYTES));
  taskState.ist[InterruptStack.NON_MASKABLE - 1] = u64(addressOf(nonMaskableStack) + u64(IST_STACK_BYTES));
  taskState.ioMapBase = u16(TaskState.size);
  pointer.limit = u16(gdt.length * 8 - 1);
  pointer.base = addressOf(gdt);
  cpu.lgdt(addressOf(pointer));
  reloadSegments();
  cpu.ltr(Selector.TASK_STATE);
}

function describeTaskState(): void {
  const base = u64(addressOf(taskState));
  const limit = u64(TaskState.size - 1);
  const low = u64(limit | ((base & 0xff_ffffn) << 16n) | (TASK_STATE_ACCESS << 40n) | (((base >> 24n) & 0xffn) << 56n));
  gdt[Selector.TASK_STATE / 8] = low;
  gdt[Selector.TASK_STATE / 8 + 1] = u64(base >> 32n);
}

/** Loads every segment register from the GDT in force. */
const reloadSegments = naked(
  (): void => asm`
    pop rax
    push ${Selector.KERNEL_CODE}
    push rax
    mov eax, ${Selector.KERNEL_DATA}
    mov ss, eax
    mov ds, eax
    mov es, eax
    retfq
  `,
);

/** The stack on which interrupts and exceptions from user mode begin. */
export function setInterruptStack(top: u64): void {
  taskState.rsp0 = top;
}
