/* What the C side of every pair shares: fixed-width types and a way out without a library. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define NOINLINE __attribute__((noinline))
#define ENTRY __attribute__((force_align_arg_pointer, noreturn)) void _start(void)

static inline __attribute__((noreturn)) void leave(u64 status) {
  __asm__ volatile("syscall" : : "a"(60), "D"(status & 127) : "rcx", "r11", "memory");
  __builtin_unreachable();
}
