/* A kernel of questions about tasks and call gates of 32-bit protected mode: each prints one line, and the lines must be the same on
 * every processor. PVH entry, serial port 0x3f8, exit through port 0xf4. Built by task-kernel.test.ts.
 *
 * A question runs in the task MAIN. The task OTHER, where it arrives, notes what it finds and goes back as `how` says; faults 8 and 10 to
 * 13 arrive in tasks of their own, all other vectors in stubs that note them. `leave` brings any of them back to the question's asker. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum {
  CODE = 0x08, DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23, MAIN = 0x28, OTHER = 0x30, TASK_GATE = 0x38, ABSENT_TSS = 0x40,
  SHORT_TSS = 0x48, LDT = 0x50, OTHER_16 = 0x58, CALL_GATE = 0x60, CALL_GATE_16 = 0x68, ABSENT_DATA = 0x70, READ_ONLY = 0x78,
  ABSENT_CODE = 0x80, ENTRY_CODE = 0x88, SMALL_STACK = 0x90, ABSENT_TASK_GATE = 0x98, LOOSE_GATE = 0xa0, LIMITED_CODE = 0xa8,
  FAULTS = 0xb0, /* five of them */
  SMALL_STACK_16 = 0xd8,
};

__asm__(".section .note.Xen,\"a\",@note\n .long 4, 4, 18\n .asciz \"Xen\"\n .long _start\n .previous\n"
        ".text\n .globl _start\n_start:\n cld\n cli\n mov $boot_stack_top, %esp\n lgdt gdt_pointer\n ljmp $8, $1f\n"
        "1: mov $0x10, %eax\n mov %eax, %ss\n mov %eax, %ds\n mov %eax, %es\n xor %eax, %eax\n mov %eax, %fs\n mov %eax, %gs\n"
        " call kernel_main\n2: hlt\n jmp 2b\n"
        /* Exception stubs, 16 bytes each: vector and error code, then what was interrupted. */
        ".balign 16\nstubs:\n.set i, 0\n .rept 256\n .balign 16\n"
        " .if (i == 8) || (i >= 10 && i <= 14) || (i == 17)\n nop\n nop\n .else\n push $0\n .endif\n push $i\n jmp common\n"
        " .set i, i + 1\n .endr\n"
        "common:\n cld\n push %eax\n mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %ss, %eax\n mov %ax, seen_ss\n pop %eax\n"
        " popl seen_vector\n popl seen_error\n popl seen_eip\n popl seen_cs\n popl seen_flags\n popl seen_stack\n popl seen_stack + 4\n"
        " popl seen_stack + 8\n mov %eax, seen_eax\n str seen_task\n jmp leave\n"
        /* Task gates for faults: one task for each vector, whose EAX is the vector. */
        "fault_entry:\n mov %eax, seen_vector\n popl seen_error\n str seen_task\n pushfl\n popl seen_flags\n jmp leave\n"
        /* OTHER. Offsets are from here for ENTRY_CODE. */
        ".balign 16\nentry:\n mov %eax, seen_eax\n mov %ebx, seen_ebx\n mov %esp, seen_esp\n pushfl\n popl seen_flags\n str seen_task\n"
        " mov %ds, seen_ds\n mov %fs, seen_fs\n sldt seen_ldt\n pop %eax\n push %eax\n mov %eax, seen_stack\n mov %cr0, %eax\n"
        " mov %eax, seen_cr0\n mov 0x400000, %eax\n mov %eax, seen_page\n mov %dr7, %eax\n mov %eax, seen_dr7\n"
        " movl $-1, seen_vector\n cmpl $1, how\n je 1f\n ja leave\n iret\n jmp entry\n1: ljmp $0x28, $0\n jmp entry\n"
        /* void probe(void (*question)(void)) */
        ".globl probe\nprobe:\n push %ebx\n push %ebp\n push %esi\n push %edi\n mov %esp, probe_stack\n mov 20(%esp), %eax\n"
        " mov $0xbb, %ebx\n call *%eax\n mov %eax, seen_return\n pushfl\n popl return_flags\n"
        "leave:\n mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n mov probe_stack, %esp\n xor %eax, %eax\n mov %eax, %fs\n mov %eax, %gs\n pushl $2\n popfl\n"
        " str return_task\n ljmp $8, $1f\n1: pop %edi\n pop %esi\n pop %ebp\n pop %ebx\n ret\n"
        /* Behind call gates. */
        "gate_target:\n mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %ss, seen_ss\n mov %esp, seen_esp\n"
        " mov (%esp), %eax\n mov %eax, seen_stack\n mov 4(%esp), %eax\n mov %eax, seen_stack + 4\n mov 8(%esp), %eax\n"
        " mov %eax, seen_stack + 8\n mov 12(%esp), %eax\n mov %eax, seen_stack + 12\n mov 16(%esp), %eax\n mov %eax, seen_stack + 16\n"
        " mov 20(%esp), %eax\n mov %eax, seen_stack + 20\n movl $-2, seen_vector\n jmp leave\n"
        "gate_return:\n mov $0x77, %eax\n lret\n"
        /* Ring 3, at the code of `user_question`. */
        "enter_user:\n push $0x23\n push $user_stack_top\n push $0x2\n push $0x1b\n push user_question\n iret\n"
        ".bss\n .balign 4096\n .skip 4096\nboot_stack_top:\n .skip 4096\nother_stack_top:\n .skip 4096\nfault_stack_top:\n .skip 4096\n"
        "ring0_stack_top:\n .skip 4096\nuser_stack_top:\n .skip 4\nprobe_stack: .skip 4\nuser_question: .skip 4\n"
        ".data\n.globl gdt_pointer\ngdt_pointer: .word 0xff\n .long gdt\n .previous\n .text\n");

extern u8 stubs[], entry[], fault_entry[], gate_target[], gate_return[], other_stack_top[], fault_stack_top[], ring0_stack_top[];
extern u8 probe_stack[], enter_user[];
extern u32 user_question;
extern void probe(void (*question)(void));

volatile u32 how, seen_vector, seen_error, seen_eip, seen_cs, seen_flags, seen_stack[6], seen_eax, seen_ebx, seen_esp, seen_cr0, seen_page,
    seen_dr7, seen_return, return_flags;
volatile u16 seen_task, seen_ss, seen_ds, seen_fs, seen_ldt, return_task;

struct tss {
  u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, registers[8], segments[6], ldt;
  u16 trap, map;
};
struct tss16 { u16 link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, registers[8], segments[4], ldt; };
enum { EAX, ECX, EDX, EBX, ESP };
enum { ES, CS, SS, DS, FS, GS };

#define PAGE_ALIGNED __attribute__((aligned(4096)))
PAGE_ALIGNED struct tss main_tss, other_tss, fault_tss[5];
struct tss16 other_tss16;
PAGE_ALIGNED u64 gdt[32] = {[1] = 0x00cf9b000000ffff, [2] = 0x00cf93000000ffff}, idt[256], ldt[2];
PAGE_ALIGNED u32 page_directory[1024], other_directory[1024];

static void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static u8 in8(u16 port) { u8 value; __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port)); return value; }
static void put(char c) { while (!(in8(0x3fd) & 0x20)); out8(0x3f8, c); }
static void text(const char *s) { while (*s) put(*s++); }
static void field(u32 value) {
  char digits[9];
  int n = 0;
  do digits[n++] = "0123456789abcdef"[value & 15]; while (value >>= 4);
  put(' ');
  while (n) put(digits[--n]);
}

static void segment(int selector, u32 base, u32 limit, u32 access, u32 flags) {
  gdt[selector >> 3] = (u64)((limit & 0xffff) | base << 16) |
                       (u64)((base >> 16 & 0xff) | access << 8 | (limit & 0xf0000) | flags << 20 | (base & 0xff000000)) << 32;
}
static u64 gate(u32 selector, u32 offset, u32 access, u32 count) {
  return (u64)((offset & 0xffff) | selector << 16) | (u64)(count | access << 8 | (offset & 0xffff0000)) << 32;
}

/* Everything as new, before each question. */
static void reset(void) {
  segment(CODE, 0, 0xfffff, 0x9b, 12), segment(DATA, 0, 0xfffff, 0x93, 12);
  segment(USER_CODE, 0, 0xfffff, 0xfb, 12), segment(USER_DATA, 0, 0xfffff, 0xf3, 12);
  segment(MAIN, (u32)&main_tss, 0x67, 0x89, 0), segment(OTHER, (u32)&other_tss, 0x67, 0x89, 0);
  segment(ABSENT_TSS, (u32)&other_tss, 0x67, 0x09, 0), segment(SHORT_TSS, (u32)&other_tss, 0x66, 0x89, 0);
  segment(LDT, (u32)ldt, 15, 0x82, 0), segment(OTHER_16, (u32)&other_tss16, 0x2b, 0x81, 0);
  segment(ABSENT_DATA, 0, 0xfffff, 0x13, 12), segment(READ_ONLY, 0, 0xfffff, 0x91, 12), segment(ABSENT_CODE, 0, 0xfffff, 0x1b, 12);
  segment(ENTRY_CODE, (u32)entry, 0xffff, 0x9b, 4), segment(SMALL_STACK, (u32)ring0_stack_top - 4096, 0xfff, 0x93, 4);
  segment(LIMITED_CODE, 0, 0xfff, 0x9b, 4), segment(SMALL_STACK_16, (u32)ring0_stack_top - 4096, 0xfff, 0x93, 0);
  gdt[TASK_GATE >> 3] = gate(OTHER, 0, 0x85, 0), gdt[ABSENT_TASK_GATE >> 3] = gate(OTHER, 0, 0x05, 0);
  gdt[LOOSE_GATE >> 3] = gate(OTHER, 0, 0xe5, 0);
  gdt[CALL_GATE >> 3] = gate(CODE, (u32)gate_target, 0xec, 2), gdt[CALL_GATE_16 >> 3] = gate(ENTRY_CODE, 0, 0xe4, 1);
  main_tss = (struct tss){.cr3 = (u32)page_directory, .esp0 = (u32)ring0_stack_top, .ss0 = DATA, .map = 0x68};
  other_tss = (struct tss){.cr3 = (u32)other_directory, .eip = (u32)entry, .eflags = 2, .map = 0x68, .esp0 = (u32)ring0_stack_top, .ss0 = DATA,
                           .registers = {0xaaaa1111, 0, 0, 0xbbbb2222, (u32)other_stack_top - 64}, .segments = {DATA, CODE, DATA, DATA, 0, DATA}};
  other_tss16 = (struct tss16){.ip = 0, .flags = 2, .registers = {0x1111, 0, 0, 0x2222, 0xfc0}, .segments = {DATA, ENTRY_CODE, SMALL_STACK_16, DATA}};
  for (u32 i = 0; i < 256; i++) idt[i] = gate(CODE, (u32)stubs + 16 * i, i >= 0x80 || i == 3 ? 0xee : 0x8e, 0);
  for (u32 i = 0; i < 5; i++) {
    segment(FAULTS + 8 * i, (u32)&fault_tss[i], 0x67, 0x89, 0);
    u32 vector = i == 4 ? 8 : 10 + i;
    idt[vector] = gate(FAULTS + 8 * i, 0, 0x85, 0);
    fault_tss[i] = (struct tss){.cr3 = (u32)page_directory, .eip = (u32)fault_entry, .eflags = 2, .map = 0x68,
                                .registers = {vector, 0, 0, 0, (u32)fault_stack_top - 64}, .segments = {DATA, CODE, DATA, DATA, 0, 0}};
  }
  idt[0x40] = gate(OTHER, 0, 0x85, 0), idt[0x41] = gate(OTHER, 0, 0x05, 0), idt[0x42] = gate(MAIN, 0, 0x85, 0);
  idt[0x81] = gate(OTHER, 0, 0xe5, 0);
  ldt[1] = gdt[DATA >> 3];
  seen_vector = seen_error = seen_eip = seen_cs = seen_flags = seen_eax = seen_ebx = seen_esp = seen_cr0 = seen_page = seen_dr7 = 0;
  seen_return = return_flags = 0, seen_task = seen_ss = seen_ds = seen_fs = seen_ldt = 0;
  for (int i = 0; i < 6; i++) seen_stack[i] = 0;
  how = 0;
  __asm__ volatile("ltr %w0\n lldt %w1\n clts\n mov %2, %%cr3\n mov %3, %%dr7" ::"r"(MAIN), "r"(0), "r"(page_directory), "r"(0x400));
}

static u32 busy(int selector) { return gdt[selector >> 3] >> 40 & 0x1f; }

/* One line: what arrived where, what it found, and what both task-state segments and their descriptors became. */
static void ask(const char *name, void (*question)(void)) {
  probe(question);
  u32 origin = (u32)question;
  text(name), put(':'), field(seen_vector), field(seen_error), field(seen_task), field(return_task), field(seen_flags), field(return_flags);
  if (seen_vector < 32 && seen_eip) field(seen_eip - origin), field(seen_cs), field(seen_ss);
  text(" |"), field(seen_eax), field(seen_ebx), field((u32)other_stack_top - seen_esp), field(seen_ds), field(seen_fs), field(seen_ldt);
  field(seen_cr0 & 0x8000003f), field(seen_page), field(seen_dr7), field(seen_stack[0]), field(seen_return);
  text(" | main"), field(busy(MAIN)), field(main_tss.link & 0xffff), field(main_tss.eip ? main_tss.eip - origin : 0), field(main_tss.eflags & ~0x10000);
  field(main_tss.registers[EBX]), field(main_tss.segments[CS]), field(main_tss.segments[GS]), field(main_tss.cr3 == (u32)page_directory);
  text(" | other"), field(busy(OTHER)), field(other_tss.link & 0xffff), field(seen_vector == ~0u ? other_tss.eip - (u32)entry : 0), field(other_tss.eflags & ~0x10000);
  field(busy(OTHER_16)), field(other_tss16.link), field(other_tss16.flags), field(other_tss16.registers[EBX]);
  text(" | faults");
  for (int i = 0; i < 5; i++) field(busy(FAULTS + 8 * i)), field(fault_tss[i].link & 0xffff);
  put('\n');
}
/* A question of a few instructions, as a function of its own; `prepare` runs before. */
#define ASK(name, prepare, code)                                                                                                   \
  do {                                                                                                                             \
    extern void q_##name(void);                                                                                \
    __asm__ volatile(".pushsection .text.questions, \"ax\"\n.balign 16\n.globl q_" #name "\nq_" #name ":\n" code "\n ret\n.popsection"); \
    reset();                                                                                                                       \
    prepare;                                                                                                                       \
    ask(#name, q_##name);                                                                                                          \
  } while (0)
#define USER(name, prepare, code)                                                                                                  \
  do {                                                                                                                             \
    extern void q_##name(void);                                                                                \
    __asm__ volatile(".pushsection .text.questions, \"ax\"\n.balign 16\n.globl q_" #name "\nq_" #name ":\n" code "\n ud2\n.popsection");  \
    reset();                                                                                                                       \
    prepare;                                                                                                                       \
    user_question = (u32)q_##name;                                                                                                 \
    probe((void (*)(void))enter_user);                                                                                             \
    text(#name), put(':'), field(seen_vector), field(seen_error), field(seen_eip ? seen_eip - (u32)q_##name : 0), field(seen_cs);      \
    field(seen_ss), field(seen_task), field((u32)ring0_stack_top - seen_esp), field(main_tss.segments[CS]), field(main_tss.link);    \
    field(seen_stack[0] - (u32)q_##name);                                                                                          \
    for (int i = 1; i < 6; i++) field(seen_stack[i]);                                                                              \
    put('\n');                                                                                                                     \
  } while (0)

static void tasks(void) {
  ASK(jump_and_back, how = 1, "mov $0x1234, %eax\n ljmp $0x30, $0\n mov $0x11, %eax");
  ASK(jump_twice, how = 1, "ljmp $0x30, $0\n mov $0x77, %ebx\n ljmp $0x30, $0\n mov $0x11, %eax");
  ASK(jump_and_leave, how = 2, "ljmp $0x30, $0");
  ASK(jump_in_memory, how = 2, "sub $8, %esp\n movl $0x99999999, (%esp)\n movl $0x30, 4(%esp)\n ljmp *(%esp)");
  ASK(call_and_return, , "lcall $0x30, $0\n mov $0x22, %eax");
  ASK(call_twice, , "lcall $0x30, $0\n lcall $0x30, $0\n mov $0x22, %eax");
  ASK(call_and_leave, how = 2, "stc\n lcall $0x30, $0");
  ASK(call_through_gate, , "lcall $0x38, $0\n mov $0x33, %eax");
  ASK(jump_through_gate, how = 1, "ljmp $0x38, $0\n mov $0x33, %eax");
  ASK(interrupt, , "int $0x40\n mov $0x44, %eax");
  ASK(interrupt_and_leave, how = 2, "int $0x40");
  ASK(fault, (idt[6] = idt[0x40], how = 2), "stc\n ud2");
  ASK(fault_with_error_code, (idt[13] = idt[0x40], how = 2), "mov $0x1230, %eax\n mov %eax, %ds");
  ASK(local_breakpoints, how = 2, "mov $0x7ff, %eax\n mov %eax, %dr7\n ljmp $0x30, $0");
  ASK(trap_on_arrival, (how = 2, other_tss.trap = 1), "ljmp $0x30, $0");
  ASK(local_table, (how = 2, other_tss.ldt = LDT, other_tss.segments[FS] = 0xc), "ljmp $0x30, $0");
  ASK(to_16_bit, how = 1, "ljmp $0x58, $0\n mov $0x55, %eax");
  ASK(call_16_bit, , "lcall $0x58, $0\n mov $0x55, %eax");
  ASK(return_without_link, , "push $0x4002\n popfl\n iret");
  ASK(return_to_available, main_tss.link = OTHER, "push $0x4002\n popfl\n iret");
  ASK(return_to_data, main_tss.link = DATA, "push $0x4002\n popfl\n iret");
  ASK(return_to_local, main_tss.link = 0xc, "push $0x4002\n popfl\n iret");
  ASK(return_beyond, main_tss.link = 0xff8, "push $0x4002\n popfl\n iret");
  ASK(return_to_busy, (main_tss.link = OTHER, how = 2, gdt[OTHER >> 3] |= 1ull << 41), "push $0x4002\n popfl\n iret");
}

static void refusals(void) {
  ASK(to_itself, , "ljmp $0x28, $0");
  ASK(call_itself, , "lcall $0x28, $0");
  ASK(absent, , "ljmp $0x40, $0");
  ASK(too_short, , "ljmp $0x48, $0");
  ASK(absent_gate, , "lcall $0x98, $0");
  ASK(gate_above_rpl, , "lcall $0x3b, $0");
  ASK(tss_above_rpl, , "ljmp $0x33, $0");
  ASK(gate_to_busy, gdt[TASK_GATE >> 3] = gate(MAIN, 0, 0x85, 0), "lcall $0x38, $0");
  ASK(gate_to_data, gdt[TASK_GATE >> 3] = gate(DATA, 0, 0x85, 0), "lcall $0x38, $0");
  ASK(gate_to_nothing, gdt[TASK_GATE >> 3] = gate(0, 0, 0x85, 0), "ljmp $0x38, $0");
  ASK(gate_to_local, gdt[TASK_GATE >> 3] = gate(0xc, 0, 0x85, 0), "ljmp $0x38, $0");
  ASK(local_descriptor_table, , "ljmp $0x50, $0");
  ASK(absent_interrupt_gate, , "int $0x41");
  ASK(interrupt_gate_to_busy, , "int $0x42");
#define BAD(name, change) ASK(name, (how = 2, change), "ljmp $0x30, $0")
  BAD(bad_table_type, other_tss.ldt = DATA);
  BAD(bad_table_local, other_tss.ldt = 0xc);
  BAD(bad_table_beyond, other_tss.ldt = 0xff8);
  BAD(bad_code_null, other_tss.segments[CS] = 0);
  BAD(bad_code_data, other_tss.segments[CS] = DATA);
  BAD(bad_code_privilege, other_tss.segments[CS] = CODE | 3);
  BAD(bad_code_absent, other_tss.segments[CS] = ABSENT_CODE);
  BAD(bad_code_beyond, other_tss.segments[CS] = 0xff8);
  BAD(bad_pointer, other_tss.segments[CS] = LIMITED_CODE);
  BAD(bad_stack_null, other_tss.segments[SS] = 0);
  BAD(bad_stack_read_only, other_tss.segments[SS] = READ_ONLY);
  BAD(bad_stack_privilege, other_tss.segments[SS] = USER_DATA);
  BAD(bad_stack_absent, other_tss.segments[SS] = ABSENT_DATA);
  BAD(bad_data_system, other_tss.segments[DS] = LDT);
  BAD(bad_data_absent, other_tss.segments[ES] = ABSENT_DATA);
  BAD(bad_data_privilege, other_tss.segments[GS] = DATA | 3);
  BAD(bad_data_beyond, other_tss.segments[FS] = 0xff8);
}

static void gates(void) {
  ASK(gate_same_ring, gdt[CALL_GATE >> 3] = gate(CODE, (u32)gate_return, 0xec, 2), "lcall $0x60, $0");
  ASK(gate_jump, gdt[CALL_GATE >> 3] = gate(CODE, (u32)gate_return, 0xec, 0), "push %cs\n push $1f\n ljmp $0x60, $0\n1: add $1, %eax");
  ASK(gate_16_same_ring, how = 2, "lcall $0x68, $0");
  ASK(gate_absent, gdt[CALL_GATE >> 3] = gate(CODE, 0, 0x6c, 0), "lcall $0x60, $0");
  ASK(gate_null, gdt[CALL_GATE >> 3] = gate(0, 0, 0xec, 0), "lcall $0x60, $0");
  ASK(gate_data, gdt[CALL_GATE >> 3] = gate(DATA, 0, 0xec, 0), "lcall $0x60, $0");
  ASK(gate_target_absent, gdt[CALL_GATE >> 3] = gate(ABSENT_CODE, 0, 0xec, 0), "lcall $0x60, $0");
  ASK(gate_beyond_limit, gdt[CALL_GATE >> 3] = gate(LIMITED_CODE, 0x5000, 0xec, 0), "lcall $0x60, $0");
  USER(user_gate, , "push $0x1111\n push $0x2222\n lcall $0x63, $0");
  USER(user_gate_no_parameters, gdt[CALL_GATE >> 3] = gate(CODE, (u32)gate_target, 0xec, 0), "push $0x1111\n lcall $0x63, $0");
  USER(user_gate_jump, , "ljmp $0x63, $0");
  USER(user_gate_private, gdt[CALL_GATE >> 3] = gate(CODE, (u32)gate_target, 0x8c, 0), "lcall $0x63, $0");
  USER(user_gate_small_stack, (main_tss.ss0 = SMALL_STACK, main_tss.esp0 = 20), "lcall $0x63, $0");
  USER(user_gate_null_stack, main_tss.ss0 = 0, "lcall $0x63, $0");
  USER(user_gate_bad_stack, main_tss.ss0 = READ_ONLY, "lcall $0x63, $0");
  USER(user_gate_absent_stack, main_tss.ss0 = ABSENT_DATA, "lcall $0x63, $0");
  USER(user_interrupt, , "int $0x80");
  USER(user_interrupt_small_stack, (main_tss.ss0 = SMALL_STACK, main_tss.esp0 = 12), "int $0x80");
  USER(user_interrupt_null_stack, main_tss.ss0 = 0, "int $0x80");
  USER(user_task_gate, how = 2, "lcall $0xa3, $0");
  USER(user_task_gate_private, how = 2, "lcall $0x3b, $0");
  USER(user_interrupt_task, how = 2, "int $0x81");
  USER(user_interrupt_task_private, how = 2, "int $0x40");
  ASK(user_task, (other_tss.segments[CS] = USER_CODE, other_tss.segments[SS] = other_tss.segments[ES] = other_tss.segments[DS] = USER_DATA, how = 2),
      "lcall $0x30, $0");
  ASK(stack_fault_in_delivery, , "mov $0x90, %eax\n mov %eax, %ss\n mov $8, %esp\n int3");
  ASK(double_fault, idt[12] = idt[14] = 0, "mov $0x90, %eax\n mov %eax, %ss\n mov $8, %esp\n push %eax\n push %eax\n push %eax");
}

void kernel_main(void) {
  struct { u16 limit; u32 base; } __attribute__((packed)) idtr = {sizeof idt - 1, (u32)idt};
  out8(0x3f9, 0);
  for (u32 i = 0; i < 1024; i++) page_directory[i] = other_directory[i] = i << 22 | 0x87;
  other_directory[1] = 2 << 22 | 0x87;
  *(volatile u32 *)0x400000 = 0xfeed, *(volatile u32 *)0x800000 = 0xbeef;
  u32 scratch;
  __asm__ volatile("mov %%cr4, %0\n or $0x10, %0\n mov %0, %%cr4\n mov %1, %%cr3\n mov %%cr0, %0\n or $0x80010020, %0\n mov %0, %%cr0"
                   : "=&r"(scratch) : "r"(page_directory));
  __asm__ volatile("lidt %0" ::"m"(idtr));
  tasks();
  refusals();
  gates();
  text("end\n");
  out8(0xf4, 0);
}
