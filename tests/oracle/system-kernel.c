/* A kernel of questions about system behaviour: each prints one line, and the lines must be the same on every processor.
 * PVH entry, serial port 0x3f8, exit through port 0xf4. Built by system-kernel.test.ts.
 *
 * An answer is `name: vector error rip cr2 saved-flags`, where rip is an offset from the question's own start (or from the user
 * page), or `name: value` for plain values. */
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long u64;
#define SECTION(name) __attribute__((section(name)))

__asm__(
".section .note.Xen,\"a\",@note\n .long 4, 4, 18\n .asciz \"Xen\"\n .long _start\n .previous\n"
".text\n .code32\n .globl _start\n_start:\n"
" cld\n cli\n mov $boot_stack_top, %esp\n"
" mov %cr4, %eax\n or $0x620, %eax\n mov %eax, %cr4\n"
" mov $pml4, %eax\n mov %eax, %cr3\n"
" mov $0xc0000080, %ecx\n rdmsr\n or $0x901, %eax\n wrmsr\n"
" mov %cr0, %eax\n or $0x80010022, %eax\n and $0xfffffff3, %eax\n mov %eax, %cr0\n"
" lgdt gdt_pointer\n ljmp $8, $start64\n"
".code64\nstart64:\n mov $0x10, %eax\n mov %eax, %ss\n mov %eax, %ds\n mov %eax, %es\n xor %eax, %eax\n"
" mov %eax, %fs\n mov %eax, %gs\n"
" mov $boot_stack_top, %rsp\n call kernel_main\n1: hlt\n jmp 1b\n"
/* Exception stubs: 16 bytes each. */
".balign 16\n stubs:\n"
".set i, 0\n .rept 256\n .balign 16\n"
" .if (i == 8) || (i >= 10 && i <= 14) || (i == 17)\n .byte 0x90, 0x90\n .else\n push $0\n .endif\n pushq $i\n"
" jmp common\n .set i, i + 1\n .endr\n"
/* vector, error, rip, cs, flags, rsp, ss are on the stack. Record them and go back to the last `probe`. */
"common:\n"
" mov %rax, caught + 56\n pop %rax\n mov %rax, caught\n pop %rax\n mov %rax, caught + 8\n pop %rax\n"
" mov %rax, caught + 16\n pop %rax\n mov %rax, caught + 24\n"
" pop %rax\n mov %rax, caught + 32\n pop %rax\n mov %rax, caught + 40\n pop %rax\n mov %rax, caught + 48\n"
" mov %cr2, %rax\n mov %rax, caught + 64\n mov %rsp, caught + 72\n mov %rcx, caught + 80\n mov %r11, caught + 88\n"
" cld\n mov $0x10, %eax\n mov %eax, %ss\n mov %eax, %ds\n mov %eax, %es\n"
" jmp leave_probe\n"
/* void probe(void (*question)(void), u64 argument): runs a question and comes back by return or by exception. */
".globl probe\nprobe:\n push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n mov %rsp, probe_stack\n"
" movq $-1, caught\n mov %rdi, %rax\n mov %rsi, %rdi\n call *%rax\n mov %rax, caught + 56\n"
"leave_probe:\n mov probe_stack, %rsp\n pushq $2\n popfq\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n"
" pop %rbx\n ret\n"
/* Ring 3: enter_user(rip, flags) with rsp at the top of the user page; comes back by exception only. */
".globl enter_user\nenter_user:\n push $0x23\n push $0x401000\n push %rsi\n push $0x2b\n push %rdi\n"
" mov $0x1234, %eax\n iretq\n"
".globl syscall_entry\nsyscall_entry:\n int $0x82\n"
".bss\n .balign 4096\n boot_stack: .skip 16384\n boot_stack_top:\n rsp0_stack: .skip 16384\n rsp0_top:\n"
" ist1_stack: .skip 4096\n ist1_top:\n rsp1_stack: .skip 4096\n rsp1_top:\n probe_stack: .skip 8\n"
".data\n gdt_pointer: .word 0xff\n .long gdt\n .previous\n .text\n");

extern void probe(void (*question)(u64), u64 argument);
extern void enter_user(u64 rip, u64 flags);
extern u8 stubs[], syscall_entry[], rsp0_top[], ist1_top[], rsp1_top[], boot_stack_top[];
struct { u64 vector, error, rip, cs, flags, rsp, ss, rax, cr2, stack, rcx, r11; } caught;

#define PAGE_ALIGNED __attribute__((aligned(4096)))
/* Tables are built at compile time: supervisor pages below 4 MiB, a user page at 4 MiB, `table` at 6 MiB, the APIC at the top. */
PAGE_ALIGNED u64 table[512];
PAGE_ALIGNED u64 pd[512] = { 0x83, 0x200083, 0x400087, (u64)table + 7 };
PAGE_ALIGNED u64 pd_top[512] = { [503] = 0xfee0009b };
PAGE_ALIGNED u64 pdpt[512] = { [0] = (u64)pd + 7, [3] = (u64)pd_top + 3 };
PAGE_ALIGNED u64 pml4[512] = { (u64)pdpt + 7 };
PAGE_ALIGNED u64 gdt[32] = {
  [1] = 0x00af9b000000ffff, [2] = 0x00cf93000000ffff, [3] = 0x00cffb000000ffff, [4] = 0x00cff3000000ffff, [5] = 0x00affb000000ffff,
  [8] = 0x00af9f000000ffff /* conforming */, [9] = 0x00cf13000000ffff /* absent data */, [10] = 0x00cf9b000000ffff /* 32-bit code */,
  [15] = 0x00af1b000000ffff /* absent code */, [16] = 0x00cf91000000ffff /* read-only data */, [17] = 0x00afbb000000ffff /* ring 1 code */,
  [18] = 0x00cf99000000ffff /* execute-only */, [20] = 0x00cfb3000000ffff /* ring 1 data */,
  [21] = 0x0000f3000000ffff /* 64 KiB user data */, [22] = 0x00cf97000000ffff /* expand-down data */,
};
PAGE_ALIGNED u8 idt[4096], tss[4096], target[4096]; /* target: RET in every byte */

static void out8(u16 port, u8 value) { __asm__ volatile("outb %0, %1" :: "a"(value), "Nd"(port)); }
static u8 in8(u16 port) { u8 value; __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port)); return value; }
static void put(char c) { while (!(in8(0x3fd) & 0x20)); out8(0x3f8, c); }
static void text(const char *s) { while (*s) put(*s++); }
static void hex(u64 value) { char digits[17]; int n = 0; do digits[n++] = "0123456789abcdef"[value & 15]; while (value >>= 4); while (n) put(digits[--n]); }
static void field(u64 value) { put(' '); hex(value); }
static void line(const char *name, u64 value) { text(name); put(':'); field(value); put('\n'); }

static void gate(int vector, u64 handler, int type, int ist, u16 selector) {
  u64 *entry = (u64 *)(idt + vector * 16);
  entry[0] = (handler & 0xffff) | ((u64)selector << 16) | ((u64)ist << 32) | ((u64)type << 40) | (((handler >> 16) & 0xffff) << 48);
  entry[1] = handler >> 32;
}
static void default_gate(int vector) { gate(vector, (u64)stubs + vector * 16, vector >= 0x81 || vector == 3 ? 0xee : 0x8e, 0, 8); }

static void report(const char *name, u64 origin) {
  text(name); put(':');
  if (caught.vector == ~0ul) { text(" done"); field(caught.rax); put('\n'); return; }
  field(caught.vector); field(caught.error); field(caught.rip - origin); field(caught.vector == 14 ? caught.cr2 : 0);
  field(caught.flags); field(caught.cs); field(caught.ss);
  if (caught.vector >= 0x81) field(caught.rax);
  put('\n');
}
#define ASK(name, question, argument) (probe((void (*)(u64))(question), (u64)(argument)), report(name, (u64)(question)))
/* A question of a few instructions, as a function of its own. RDI holds the argument. */
#define QUESTION(symbol, code) extern void symbol(u64); __asm__(".text\n.balign 16\n.globl " #symbol "\n" #symbol ":\n" code "\n ret\n")

QUESTION(q_ud2, "ud2");
QUESTION(q_int3, "int3");
QUESTION(q_int80, "int $0x80");
QUESTION(q_int_absent, "int $0x70");
QUESTION(q_divide, "xor %ecx, %ecx\n mov $1, %eax\n cltd\n stc\n div %ecx");
QUESTION(q_read, "mov (%rdi), %eax");
QUESTION(q_write, "mov %edi, (%rdi)");
QUESTION(q_jump, "call *%rdi");
QUESTION(q_movaps, "movaps (%rdi), %xmm0");
QUESTION(q_movaps_store, "movaps %xmm0, (%rdi)");
QUESTION(q_movups, "movups (%rdi), %xmm0");
QUESTION(q_paddd, "paddd (%rdi), %xmm0");
QUESTION(q_movntdq, "movntdq %xmm0, (%rdi)");
QUESTION(q_movss, "movss (%rdi), %xmm0");
QUESTION(q_fxsave, "fxsave (%rdi)");
QUESTION(q_ldmxcsr, "push %rdi\n ldmxcsr (%rsp)\n pop %rdi");
QUESTION(q_mov_ds, "mov %edi, %ds");
QUESTION(q_mov_fs, "mov %edi, %fs");
QUESTION(q_mov_ss, "mov %edi, %ss\n mov $0x10, %eax\n mov %eax, %ss");
QUESTION(q_ltr, "ltr %di");
QUESTION(q_lldt, "lldt %di");
QUESTION(q_lar, "mov $-1, %rax\n lar %edi, %eax\n jz 1f\n mov $-2, %rax\n1:\n");
QUESTION(q_lsl, "mov $-1, %rax\n lsl %edi, %eax\n jz 1f\n mov $-2, %rax\n1:\n");
QUESTION(q_verify, "xor %eax, %eax\n verr %di\n setz %al\n verw %di\n setz %ah");
QUESTION(q_wrmsr, "mov %rdi, %rcx\n mov value, %eax\n mov value + 4, %edx\n wrmsr\n rdmsr\n shl $32, %rdx\n or %rdx, %rax");
QUESTION(q_cr8, "mov %rdi, %cr8\n mov %cr8, %rax\n xor %ecx, %ecx\n mov %rcx, %cr8");
QUESTION(q_dr6, "mov %rdi, %dr6\n mov %dr6, %rax");
QUESTION(q_dr7, "mov %rdi, %dr7\n mov %dr7, %rax\n mov $0x400, %ecx\n mov %rcx, %dr7");
QUESTION(q_dr4, "mov %dr4, %rax");
QUESTION(q_pushf, "push %rdi\n popfq\n pushfq\n pop %rax\n push $2\n popfq");
QUESTION(q_smsw, "mov $-1, %rax\n smsw %eax");
QUESTION(q_str, "mov $-1, %rax\n str %eax");
QUESTION(q_sldt, "mov $-1, %rax\n sldt %rax");
QUESTION(q_far_jump, "sub $16, %rsp\n lea 1f(%rip), %rax\n mov %rax, (%rsp)\n mov %rdi, 8(%rsp)\n rex.w ljmp *(%rsp)\n1: mov %cs, %eax\n"
  " add $16, %rsp");
QUESTION(q_far_call, "sub $16, %rsp\n lea 1f(%rip), %rax\n mov %rax, (%rsp)\n mov %rdi, 8(%rsp)\n rex.w lcall *(%rsp)\n jmp 2f\n"
  "1: mov %cs, %eax\n rex.w lret\n2: add $16, %rsp");
QUESTION(q_retf, "push %rdi\n lea 1f(%rip), %rax\n push %rax\n rex.w lret\n1: mov %cs, %eax");
QUESTION(q_invlpg, "invlpg (%rdi)\n mov $5, %eax");
QUESTION(q_mov_ss_shadow, "mov %ss, %ecx\n pushfq\n orl $0x100, (%rsp)\n popfq\n mov %ecx, %ss\n nop\n nop\n nop");
QUESTION(q_popf_step, "pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop");
QUESTION(q_step_int, "pushfq\n orl $0x100, (%rsp)\n popfq\n int $0x81\n nop");
QUESTION(q_step_fault, "pushfq\n orl $0x100, (%rsp)\n popfq\n ud2\n nop");
QUESTION(q_step_rep, "mov $value, %esi\n mov $value + 8, %edi\n mov $4, %ecx\n pushfq\n orl $0x100, (%rsp)\n popfq\n rep movsb\n nop");
QUESTION(q_breakpoint, "mov %rdi, %dr7\n mov $q_breakpoint_here, %rax\n mov %rax, %dr0\n q_breakpoint_here: nop\n nop");
QUESTION(q_data_write, "mov $value, %rax\n mov %rax, %dr1\n mov %rdi, %dr7\n mov value, %ecx\n movl $1, value + 2\n nop\n nop");
QUESTION(q_data_read, "mov $value, %rax\n mov %rax, %dr1\n mov %rdi, %dr7\n mov value + 1, %cl\n nop\n nop");
QUESTION(q_clts_nm, "mov %cr0, %rax\n or $8, %rax\n mov %rax, %cr0\n fninit");
QUESTION(q_ts_sse, "mov %cr0, %rax\n or $8, %rax\n mov %rax, %cr0\n movaps %xmm0, %xmm0");
QUESTION(q_em_sse, "mov %cr0, %rax\n or $4, %rax\n mov %rax, %cr0\n movaps %xmm0, %xmm0");
QUESTION(q_x87_pending, "fninit\n sub $16, %rsp\n movw $0x37b, (%rsp)\n fldcw (%rsp)\n fldz\n fld1\n fdivp\n fnstsw %ax\n fwait");
QUESTION(q_int_null_stack, "mov %rsp, %rax\n xor %esp, %esp\n mov $7, %ecx\n ud2");
QUESTION(q_sti_interrupt, "cli\n mov $0xfee00300, %eax\n movl $0, 0x10(%rax)\n movl $0x44090, (%rax)\n nop\n nop\n sti\n nop\n nop\n nop");
QUESTION(q_compatibility, "push $0x50\n lea 1f(%rip), %rax\n push %rax\n rex.w lret\n1: .code32\n mov $-1, %eax\n inc %eax\n push %eax\n"
  " dec %eax\n pop %ecx\n ljmp $8, $2f\n .code64\n2: \n");
QUESTION(q_swapgs, "mov $0xc0000101, %ecx\n mov $0x11, %eax\n xor %edx, %edx\n wrmsr\n mov $0xc0000102, %ecx\n mov $0x22, %eax\n wrmsr\n"
  " swapgs\n mov $0xc0000101, %ecx\n rdmsr");
QUESTION(q_gs_null, "mov $0xc0000101, %ecx\n mov $0x11, %eax\n xor %edx, %edx\n wrmsr\n xor %eax, %eax\n mov %eax, %gs\n rdmsr");
QUESTION(q_too_long, ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90");
QUESTION(q_pop_fs, "push %rdi\n pop %fs\n mov %fs, %eax");
QUESTION(q_rsm, "rsm");
u64 value[4];

/* IRETQ with one field of the frame at a time replaced. */
struct frame { u64 rip, cs, flags, rsp, ss; } iret_frame;
QUESTION(q_iret, "pushq iret_frame + 32\n pushq iret_frame + 24\n pushq iret_frame + 16\n pushq iret_frame + 8\n pushq iret_frame\n"
  " iretq\n .globl q_iret_target\nq_iret_target: mov %cs, %eax\n mov %ss, %ecx\n shl $16, %ecx\n or %ecx, %eax\n"
  " mov probe_stack, %rsp\n sub $8, %rsp");
extern u8 q_iret_target[];
static void iret(const char *name, u64 rip, u64 cs, u64 flags, u64 rsp, u64 ss) {
  iret_frame = (struct frame){ rip, cs, flags, rsp, ss };
  ASK(name, q_iret, 0);
}

/* Snippets for ring 3, copied to the user page at 0x400000. */
#define SNIPPET(symbol, code) extern u8 symbol[], symbol##_end[]; __asm__(".text\n.balign 16\n" #symbol ":\n" code "\n int $0x81\n" #symbol "_end:\n")
SNIPPET(u_flags, "pushfq\n pop %rax");
SNIPPET(u_popf, "push $-1\n popfq\n pushfq\n pop %rax\n push $2\n popfq");
SNIPPET(u_cli, "cli"); SNIPPET(u_hlt, "hlt"); SNIPPET(u_in, "in $0x20, %al");
SNIPPET(u_in_allowed, "mov $0x3f9, %edx\n in %dx, %al\n mov $7, %eax");
SNIPPET(u_in_wide, "mov $0x3f9, %edx\n in %dx, %ax");
SNIPPET(u_syscall, "mov $0x99, %eax\n std\n syscall"); SNIPPET(u_int80, "int $0x80"); SNIPPET(u_int3, "int3");
SNIPPET(u_int83, "int $0x83");
SNIPPET(u_kernel_read, "mov 0x100000, %eax"); SNIPPET(u_kernel_write, "mov %eax, 0x100000");
SNIPPET(u_kernel_jump, "mov $0x100000, %eax\n jmp *%rax");
SNIPPET(u_read_600000, "mov 0x600000, %eax"); SNIPPET(u_write_600000, "mov %eax, 0x600000");
SNIPPET(u_jump_600000, "mov $0x600000, %eax\n call *%rax");
SNIPPET(u_mov_cr0, "mov %cr0, %rax"); SNIPPET(u_rdmsr, "rdmsr"); SNIPPET(u_lgdt, "lgdt (%rsp)"); SNIPPET(u_swapgs, "swapgs");
SNIPPET(u_sysret, "sysretq");
SNIPPET(u_noncanonical, "mov $0x800000000000, %rax\n mov (%rax), %ecx");
SNIPPET(u_align, "pushfq\n orl $0x40000, (%rsp)\n popfq\n mov 0x400801, %eax");
SNIPPET(u_gate, "sub $16, %rsp\n movl $0x6b, 4(%rsp)\n lcall *(%rsp)");
SNIPPET(u_step_syscall, "pushfq\n orl $0x100, (%rsp)\n popfq\n syscall"); SNIPPET(u_mov_ss, "xor %eax, %eax\n mov %eax, %ss");
SNIPPET(u_mov_ds, "mov $0x10, %eax\n mov %eax, %ds");
SNIPPET(u_iret_inward, "push $0x10\n push %rsp\n push $2\n push $8\n push $0x400000\n iretq");
SNIPPET(u_far_inward, "push $8\n push $0x400000\n rex.w lret");
SNIPPET(u_conforming, "push $0x43\n push $0x400020\n rex.w lret\n .skip 32, 0x90\n mov %cs, %eax");
SNIPPET(u_rdtsc, "rdtsc\n mov $3, %eax"); SNIPPET(u_stac, "stac"); SNIPPET(u_ud2, "ud2");
SNIPPET(u_fs_base, "mov $0x400000, %eax\n wrfsbase %rax\n mov %fs:(%rax), %ecx\n rdfsbase %rax");

static u64 entry_flags;
static void to_user(u64 unused) { (void)unused; enter_user(0x400000, entry_flags); }
#define USER(name, snippet, flags) (copy_to_user(snippet, snippet##_end), entry_flags = (flags), probe(to_user, 0), report(name, 0x400000))
static void copy_to_user(u8 *from, u8 *end) {
  u8 *to = (u8 *)0x400000;
  for (long i = 0; i < end - from; i++) to[i] = from[i];
}

static void wrmsr(u32 index, u64 v) { __asm__ volatile("wrmsr" :: "c"(index), "a"((u32)v), "d"((u32)(v >> 32))); }
static void set_cr0(u64 set, u64 clear) {
  u64 v;
  __asm__ volatile("mov %%cr0, %0" : "=r"(v));
  __asm__ volatile("mov %0, %%cr0" :: "r"((v | set) & ~clear));
}
static void set_cr4(u64 set, u64 clear) {
  u64 v;
  __asm__ volatile("mov %%cr4, %0" : "=r"(v));
  __asm__ volatile("mov %0, %%cr4" :: "r"((v | set) & ~clear));
}
static void map(int index, u64 entry) {
  table[index] = entry;
  __asm__ volatile("invlpg (%0)" :: "r"(0x600000ul + index * 4096ul) : "memory");
}
/* The bits of DR6 that tell something; DR6 and DR7 are as after a reset then. */
static u64 dr6(void) {
  u64 v;
  __asm__ volatile("mov %%dr6, %0" : "=r"(v));
  __asm__ volatile("mov %0, %%dr6\n mov %1, %%dr7" :: "r"(0xffff0ff0ul), "r"(0x400ul));
  return v & 0xe00f;
}

static void tables(void) {
  u64 tss_base = (u64)tss;
  gdt[6] = 0x67 | 0x80 | ((tss_base & 0xffffff) << 16) | (0x89ul << 40) | (((tss_base >> 24) & 0xff) << 56);
  gdt[7] = tss_base >> 32;
  gdt[6] = (gdt[6] & ~0xfffful) | 0xe8; /* limit: room for a permission bitmap up to port 0x3ff */
  gdt[11] = 0xfff | ((u64)(u32)(u64)idt << 16) | (0x82ul << 40); gdt[12] = 0;
  u64 target = (u64)stubs + 0x84 * 16;
  gdt[13] = (target & 0xffff) | (8ul << 16) | (0xecul << 40) | (((target >> 16) & 0xffff) << 48); gdt[14] = target >> 32;
  *(u64 *)(tss + 4) = (u64)rsp0_top; *(u64 *)(tss + 12) = (u64)rsp1_top; *(u64 *)(tss + 36) = (u64)ist1_top;
  *(u16 *)(tss + 102) = 104;
  for (int i = 104; i < 0xe9; i++) tss[i] = 0xff; 
  for (int v = 0; v < 256; v++) default_gate(v);
  gate(0x70, (u64)stubs, 0x0e, 0, 8); gate(0x83, (u64)stubs + 0x83 * 16, 0xee, 0, 0x88);
  struct { u16 limit; u64 base; } __attribute__((packed)) pointer = { 4095, (u64)idt };
  __asm__ volatile("lidt %0" :: "m"(pointer)); __asm__ volatile("ltr %w0" :: "r"(0x30));
}

static void exceptions(void) {
  ASK("ud2", q_ud2, 0); ASK("int3", q_int3, 0); ASK("int 80", q_int80, 0); ASK("int through an absent gate", q_int_absent, 0); 
  ASK("divide by zero", q_divide, 0); ASK("16 bytes", q_too_long, 0); ASK("rsm", q_rsm, 0);
  ASK("non-canonical read", q_read, 0x800000000000); ASK("non-canonical write", q_write, 0x800000000000);
  ASK("movaps aligned", q_movaps, value); ASK("movaps by 8", q_movaps, (u64)value + 8);
  ASK("movaps store by 8", q_movaps_store, (u64)value + 8); ASK("movups by 8", q_movups, (u64)value + 8);
  ASK("paddd by 4", q_paddd, (u64)value + 4); ASK("movntdq by 8", q_movntdq, (u64)value + 8);
  ASK("movss by 2", q_movss, (u64)value + 2); ASK("fxsave by 8", q_fxsave, 0x400008);
  ASK("movaps by 8 in an absent page", q_movaps, 0x700008); ASK("ldmxcsr", q_ldmxcsr, 0x1f80);
  *(u16 *)(idt + 6 * 16 + 4) &= 0x7fff; ASK("absent gate of #UD", q_ud2, 0); default_gate(6);
  gate(6, (u64)stubs, 0x8e, 0, 0); ASK("null selector in a gate", q_ud2, 0); gate(6, (u64)stubs, 0x8e, 0, 0x10);
  ASK("data selector in a gate", q_ud2, 0);
  gate(6, (u64)stubs, 0x8e, 0, 0x78); ASK("absent code in a gate", q_ud2, 0); gate(6, (u64)stubs, 0x8e, 0, 0x100);
  ASK("selector beyond the table in a gate", q_ud2, 0);
  gate(6, (u64)stubs, 0x8e, 0, 0x50); ASK("32-bit code in a gate", q_ud2, 0); gate(6, (u64)stubs + 6 * 16, 0x8e, 1, 8);
  ASK("IST stack", q_ud2, 0); line("its top", (u64)ist1_top - caught.stack);
  default_gate(6); gate(8, (u64)stubs + 8 * 16, 0x8e, 1, 8); gate(14, (u64)stubs + 14 * 16, 0x0e, 0, 8);
  ASK("double fault by an absent #PF gate", q_read, 0x700000); default_gate(14);
  gate(13, (u64)stubs, 0x0e, 0, 8); ASK("double fault by an absent #GP gate", q_read, 0x800000000000); default_gate(13);
  ASK("double fault by a stack that is not there", q_int_null_stack, 0); default_gate(8);
  set_cr0(8, 0); ASK("x87 with TS", q_clts_nm, 0); ASK("SSE with TS", q_ts_sse, 0); set_cr0(0, 8);
  ASK("SSE with EM", q_em_sse, 0); set_cr0(0, 4); ASK("x87 exception pending", q_x87_pending, 0);
  set_cr4(0, 0x200); ASK("SSE without OSFXSR", q_movups, value); set_cr4(0x200, 0); __asm__ volatile("fninit");
}

static void paging(void) {
  struct { const char *name; u64 entry; } cases[] = {
    { "absent", 2 }, { "supervisor read-only", 1 }, { "supervisor", 3 }, { "user read-only", 5 }, { "user", 7 },
    { "user no-execute", 0x8000000000000007 }, { "global user", 0x107 },
  };
  for (unsigned long i = 0; i < sizeof cases / sizeof *cases; i++) {
    text("page "); text(cases[i].name); put('\n');
    u64 entry = cases[i].entry + (u64)target;
    map(0, entry); ASK(" read", q_read, 0x600004); ASK(" write", q_write, 0x600004);
    ASK(" execute", q_jump, 0x600000);
    line(" flags", table[0] & 0x60);
    map(0, entry); USER(" user read", u_read_600000, 2); line(" flags", table[0] & 0x60);
    USER(" user write", u_write_600000, 2); line(" flags", table[0] & 0x60);
    USER(" user execute", u_jump_600000, 2);
  }
  map(0, (u64)target + 1); set_cr0(0, 0x10000); ASK("write to read-only without WP", q_write, 0x600004); set_cr0(0x10000, 0);
  map(0, (u64)target + 5); set_cr4(1 << 21, 0); ASK("SMAP read", q_read, 0x600004); __asm__ volatile("stac"); line("AC", 1);
  __asm__ volatile("clac"); set_cr4(0, 1 << 21);
  set_cr4(1 << 20, 0); ASK("SMEP execute", q_jump, 0x600000); set_cr4(0, 1 << 20);
  ASK("crossing into an absent page", q_read, 0x600ffe); ASK("writing across into an absent page", q_write, 0x600ffe);
  map(0, (u64)target + 7); map(1, 0x101005); ASK("writing across into a read-only page", q_write, 0x600ffe); map(1, 0);
  ASK("invlpg of a non-canonical address", q_invlpg, 0x800000000000);
}

static void segments(void) {
  u64 selectors[] = { 0, 8, 0x10, 0x13, 0x1b, 0x23, 0x2b, 0x30, 0x40, 0x48, 0x50, 0x58, 0x68, 0x78, 0x80, 0x88, 0x90, 0xa0, 0xa8, 0xab, 0xb0, 0xf8, 0x100, 0xc };
  for (unsigned long i = 0; i < sizeof selectors / sizeof *selectors; i++) {
    int narrow = selectors[i] == 0x50 || selectors[i] == 0x90; /* would run on as 32-bit code */
    line("selector", selectors[i]);
    ASK(" mov ds", q_mov_ds, selectors[i]); __asm__ volatile("mov %0, %%ds" :: "r"(0x10));
    ASK(" mov fs", q_mov_fs, selectors[i]); ASK(" pop fs", q_pop_fs, selectors[i]); ASK(" mov ss", q_mov_ss, selectors[i]);
    __asm__ volatile("mov %0, %%ss" :: "r"(0x10)); ASK(" lldt", q_lldt, selectors[i]); __asm__ volatile("lldt %w0" :: "r"(0));
    if (selectors[i] > 3) ASK(" ltr", q_ltr, selectors[i]);
    ASK(" lsl", q_lsl, selectors[i]); ASK(" verify", q_verify, selectors[i]);
    if (!narrow) { ASK(" far jump", q_far_jump, selectors[i]); ASK(" retf", q_retf, selectors[i]); }
    if (!narrow && selectors[i] != 0x68) ASK(" far call", q_far_call, selectors[i]);
    if (!narrow) iret(" iretq", (u64)q_iret_target, selectors[i], 2, (u64)boot_stack_top, 0x10);
    if (selectors[i] != 0x48) iret(" iretq ss", (u64)q_iret_target, 8, 2, (u64)boot_stack_top - 512, selectors[i]);
    __asm__ volatile("mov %0, %%ss" :: "r"(0x10));
    if (selectors[i] != 0x2b) iret(" iretq to ring 3, ss", 0x400000, 0x2b, 2, 0x401000, selectors[i] == 0x23 || selectors[i] == 0xab ? 0 : selectors[i]);
  }
  iret("iretq with NT and CPL 0", (u64)q_iret_target, 8, 0x4002, (u64)boot_stack_top - 512, 0x10);
  ASK("compatibility mode", q_compatibility, 0); ASK("str", q_str, 0); ASK("sldt", q_sldt, 0);
  line("smsw", (probe(q_smsw, 0), caught.rax & 0xffff));
  ASK("swapgs", q_swapgs, 0); wrmsr(0xc0000101, 0); wrmsr(0xc0000102, 0); ASK("null gs", q_gs_null, 0);
}

static void registers(void) {
  struct { u32 index; u64 value;
  } msrs[] = { { 0xc0000080, 0x901 }, { 0xc0000080, 0xd01 }, { 0xc0000102, 0xffff800000000000 }, { 0x277, 0x0007010600070106 } };
  for (unsigned long i = 0; i < sizeof msrs / sizeof *msrs; i++) { value[0] = msrs[i].value; line("msr", msrs[i].index); ASK(" write", q_wrmsr, msrs[i].index); }
  wrmsr(0xc0000102, 0);
  ASK("cr8", q_cr8, 9); ASK("dr6", q_dr6, 0); ASK("dr6 wide", q_dr6, 1ul << 40); ASK("dr7", q_dr7, 0xff);
  ASK("dr7 wide", q_dr7, 1ul << 40); ASK("dr4", q_dr4, 0);
  set_cr4(8, 0); ASK("dr4 with DE", q_dr4, 0); set_cr4(0, 8); dr6(); ASK("popf", q_pushf, 0x3f7ed7 & ~0x100);
}

static void user(void) {
  USER("user flags", u_flags, 0xcd7); USER("user popf", u_popf, 2); USER("user popf with IOPL 3", u_popf, 0x3002);
  USER("user cli", u_cli, 2); USER("user cli with IOPL 3", u_cli, 0x3202); USER("user hlt", u_hlt, 2);
  USER("user in", u_in, 2); tss[104 + 0x7f] = 0xfd; USER("user in by the bitmap", u_in_allowed, 2);
  USER("user wide in", u_in_wide, 2); USER("user in with IOPL 3", u_in_allowed, 0x3002);
  USER("user syscall", u_syscall, 2); line(" rcx", caught.rcx); line(" r11", caught.r11);
  line(" rsp", (u64)0x401000 - caught.rsp);
  USER("user int 80", u_int80, 2); USER("user int3", u_int3, 2); USER("user int to ring 1", u_int83, 2);
  line(" stack", (u64)rsp1_top - caught.stack); USER("user ud2", u_ud2, 0x10002);
  USER("user reads kernel", u_kernel_read, 2); USER("user writes kernel", u_kernel_write, 2);
  USER("user jumps to kernel", u_kernel_jump, 2); USER("user cr0", u_mov_cr0, 2); USER("user rdmsr", u_rdmsr, 2);
  USER("user lgdt", u_lgdt, 2);
  USER("user swapgs", u_swapgs, 2); USER("user sysret", u_sysret, 2); USER("user non-canonical", u_noncanonical, 2);
  USER("user alignment without AM", u_align, 2);
  USER("user call gate", u_gate, 2); line(" stack", (u64)rsp0_top - caught.stack); USER("user mov ss", u_mov_ss, 2);
  USER("user mov ds", u_mov_ds, 2); USER("user iret inward", u_iret_inward, 2); USER("user ret inward", u_far_inward, 2);
  USER("user conforming", u_conforming, 2); set_cr4(4, 0); USER("user rdtsc with TSD", u_rdtsc, 2); set_cr4(0, 4);
  USER("user rdtsc", u_rdtsc, 2); USER("user stac", u_stac, 2); set_cr4(1 << 16, 0); USER("user fs base", u_fs_base, 2);
  set_cr4(0, 1 << 16); USER("user fs base off", u_fs_base, 2);
}

static void debug(void) {
  ASK("step after popf", q_popf_step, 0); line(" dr6", dr6()); ASK("step over mov ss", q_mov_ss_shadow, 0); line(" dr6", dr6());
  ASK("step into int", q_step_int, 0); line(" dr6", dr6()); ASK("step of a fault", q_step_fault, 0); line(" dr6", dr6());
  ASK("step of rep", q_step_rep, 0); line(" dr6", dr6()); ASK("instruction breakpoint", q_breakpoint, 0x401);
  line(" dr6", dr6());
  ASK("write breakpoint", q_data_write, 0xd00404); line(" dr6", dr6()); ASK("read breakpoint", q_data_read, 0xf00404);
  line(" dr6", dr6()); ASK("write breakpoint read", q_data_read, 0xd00404); line(" dr6", dr6());
  wrmsr(0xc0000084, 0x700); USER("step into syscall, masked", u_step_syscall, 2); line(" dr6", dr6()); wrmsr(0xc0000084, 0);
  USER("step into syscall", u_step_syscall, 2); line(" dr6", dr6()); wrmsr(0xc0000084, 0x700);
  ASK("interrupt after sti", q_sti_interrupt, 0);
}

void kernel_main(void) {
  out8(0x3f9, 0); out8(0x3fb, 3); out8(0x21, 0xff); out8(0xa1, 0xff);
  for (int i = 0; i < 4096; i++) target[i] = 0xc3;
  tables(); wrmsr(0xc0000081, 0x18ul << 48 | 8ul << 32); wrmsr(0xc0000082, (u64)syscall_entry); wrmsr(0xc0000084, 0x700);
  text("exceptions\n"); exceptions(); text("paging\n"); paging(); text("segments\n"); segments(); text("registers\n");
  registers(); text("user\n"); user(); text("debug\n"); debug();
  text("end\n"); out8(0xf4, 0);
}
