/*
 * Executes single x86-64 instructions on the host's processor: one case a line on stdin, one answer a line on stdout.
 *
 * Input fields, separated by spaces, all numbers hexadecimal without 0x:
 *   id=N            decimal tag, echoed
 *   code=HEX        1 to 2048 instruction bytes (one or several instructions)
 *   at=A            address of the first byte, default 10000800 (code page 10000000-10000fff; 10001000 is unmapped)
 *   rax= .. r15=    default 0, rsp=20001000
 *   fl=             status flags, DF and AC; default 202
 *   fs= gs=         segment bases, default 0
 *   x0= .. x15=     32 digits, memory order (byte 0 first); y0= .. y15= the upper 128 bits, memory order
 *   fcw= fsw= ftw= mxcsr=   ftw is FXSAVE's abridged tag byte
 *   st0= .. st7=    20 digits, memory order
 *   m=ADDR:HEX      bytes stored in the data pages before the run; up to eight times
 *   step=1          single-step with TF instead of running on to an INT3 behind the code (default 0)
 * Memory: 20000000-20003fff read and write, byte i = (i*157 + (i>>8)*59 + 7) & 255; 20004000-20004fff read only, same
 * formula; nothing else that a case should touch is mapped. All of it is as new for each case.
 * Segments: those of a Linux process, and an LDT (install_segments) for code that goes into compatibility mode.
 *
 * Output: id=N v=V [err=E [cr2=A]] rip=A, then only what changed: registers, fl (always), fs, gs, fcw, fsw, ftw, mxcsr,
 * stN, xN, yN, m=ADDR:HEX
 *   v=ok    ran into the INT3 fence (or stepped): rip is where it stopped
 *   v=0..31 exception vector, with its error code; cr2 only for 14
 *   v=sys   attempted a system call (seccomp stopped it)
 *   v=to    did not finish in about 50 ms of processor time
 *   v=die   took the sandbox process down
 *   m=      runs of changed bytes of at most 128; beyond sixteen of them, m=more
 *
 * How: a child process runs the cases of a batch in signal handlers. Each fault's handler stores the interrupted
 * context as the case's result and returns into the next case's context; int3 bytes around the code end those that do
 * not fault.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

enum {
  CODE = 0x10000000,
  PAGE = 4096,
  DATA = 0x20000000,
  DATA_BYTES = 0x4000,
  READ_ONLY_BYTES = 0x1000,
  SIGNAL_STACK_BYTES = 1 << 18,
  BATCH = 256,
  MAX_CODE = 2048,
  MAX_STORES = 8,
  MAX_CHANGES = 16,
  MAX_CHANGE_BYTES = 128,
  RSP = 4,
};

/* Offsets in an FXSAVE image, and of what Linux keeps in the reserved part of a signal frame's (asm/sigcontext.h). */
enum {
  FCW = 0,
  FSW = 2,
  FTW = 4,
  MXCSR = 24,
  ST0 = 32,
  XMM0 = 160,
  FXSAVE_BYTES = 416,
  MAGIC1 = 464,
  FEATURES = 472,
  XSTATE_BV = 512,
  YMM0 = 576
};
enum { INT3 = 0xcc, MAGIC1_VALUE = 0x46505853, XSTATE_X87 = 1, XSTATE_SSE = 2, XSTATE_AVX = 4 };

/* Outcomes beyond the exception vectors. */
enum { OUTCOME_OK = 100, OUTCOME_TIMEOUT = 101, OUTCOME_SYSTEM_CALL = 102, OUTCOME_DIED = 103 };

enum { COMMAND_EXIT = 0xffffffff };
enum { INPUT_FLAGS = 0xcd5, ALIGNMENT_CHECK = 0x40000, TRAP = 0x100, ALWAYS_SET = 0x202 };

struct state {
  u64 registers[16], rip, flags, fs_base, gs_base;
  u8 fxsave[512];
  u8 ymm_upper[256];
};

struct piece {
  u32 offset; /* from DATA */
  u16 length;
  u8 bytes[130];
};

struct instruction_case {
  u64 id, at;
  u8 code[MAX_CODE];
  int code_length, step, store_count;
  struct piece stores[MAX_STORES];
  struct state input;
  int outcome;
  u64 error_code, cr2;
  struct state output;
  int change_count, more_changes;
  struct piece changes[MAX_CHANGES];
};

/* What parent and child share. The child runs cases current..count-1 when `command` moves away from `done`. */
struct shared {
  volatile u32 command, done;
  volatile int current, count;
  struct instruction_case cases[BATCH];
};

static struct shared *shared;
static u8 *pattern;  /* initial data and read-only bytes */
static u8 *expected; /* pattern with the stores of the case */
static u8 *signal_stack;

static const u8 context_index[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* ---------- the child: everything here runs with whatever FS and GS a case left, so it calls nothing of libc
 * ---------- */

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static long futex(volatile u32 *word, int operation, u32 value, const struct timespec *timeout) {
  return system_call(SYS_futex, (long)word, operation, value, (long)timeout, 0, 0);
}

static u64 read_fs_base(void) {
  u64 base;
  __asm__ volatile("rdfsbase %0" : "=r"(base));
  return base;
}

static u64 read_gs_base(void) {
  u64 base;
  __asm__ volatile("rdgsbase %0" : "=r"(base));
  return base;
}

/* Null data selectors, whatever earlier cases loaded; then the bases, which that may have cleared. */
static void set_segments(u64 fs_base, u64 gs_base) {
  __asm__ volatile("mov %0, %%ds\n mov %0, %%es\n mov %0, %%fs\n mov %0, %%gs" ::"r"(0));
  __asm__ volatile("wrfsbase %0" ::"r"(fs_base));
  __asm__ volatile("wrgsbase %0" ::"r"(gs_base));
}

static void copy(void *to, const void *from, size_t bytes) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes)::"memory");
}

static void fill(void *to, u8 value, size_t bytes) {
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
}

static u32 read32(const u8 *from) {
  u32 value;
  copy(&value, from, sizeof value);
  return value;
}

static u64 read64(const u8 *from) {
  u64 value;
  copy(&value, from, sizeof value);
  return value;
}

static int has_avx_state(const u8 *frame) {
  return read32(frame + MAGIC1) == MAGIC1_VALUE && (read64(frame + FEATURES) & XSTATE_AVX);
}

static void load_vectors(u8 *frame, const struct state *input) {
  copy(frame, input->fxsave, FXSAVE_BYTES);
  if (read32(frame + MAGIC1) != MAGIC1_VALUE) return;
  u64 avx = read64(frame + FEATURES) & XSTATE_AVX;
  u64 present = (read64(frame + XSTATE_BV) & ~7UL) | XSTATE_X87 | XSTATE_SSE | avx;
  copy(frame + XSTATE_BV, &present, sizeof present);
  if (avx) copy(frame + YMM0, input->ymm_upper, 256);
}

/* Components that the frame says are in their initial state are not in it. */
static void save_vectors(const u8 *frame, struct instruction_case *c) {
  struct state *output = &c->output;
  copy(output->fxsave, frame, FXSAVE_BYTES);
  copy(output->ymm_upper, c->input.ymm_upper, 256);
  if (!has_avx_state(frame)) return;
  u64 present = read64(frame + XSTATE_BV);
  if (present & XSTATE_AVX) copy(output->ymm_upper, frame + YMM0, 256);
  else fill(output->ymm_upper, 0, 256);
  if (!(present & XSTATE_X87)) {
    fill(output->fxsave, 0, MXCSR);
    output->fxsave[FCW] = 0x7f;
    output->fxsave[FCW + 1] = 3;
    fill(output->fxsave + ST0, 0, 128);
  }
  if (!(present & XSTATE_SSE)) fill(output->fxsave + XMM0, 0, 256);
}

static void load_case(ucontext_t *context, struct instruction_case *c) {
  greg_t *registers = context->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) registers[context_index[i]] = (greg_t)c->input.registers[i];
  registers[REG_RIP] = (greg_t)c->at;
  registers[REG_EFL] = (greg_t)((c->input.flags & (INPUT_FLAGS | ALIGNMENT_CHECK)) | ALWAYS_SET | (c->step ? TRAP : 0));
  u16 selectors[4];
  copy(selectors, &registers[REG_CSGSFS], sizeof selectors);
  selectors[0] = 0x33;
  selectors[3] = 0x2b;
  copy(&registers[REG_CSGSFS], selectors, sizeof selectors);
  if (context->uc_mcontext.fpregs) load_vectors((u8 *)context->uc_mcontext.fpregs, &c->input);
  for (int i = 0; i < c->store_count; i++) {
    copy((u8 *)(u64)DATA + c->stores[i].offset, c->stores[i].bytes, c->stores[i].length);
    copy(expected + c->stores[i].offset, c->stores[i].bytes, c->stores[i].length);
  }
  u64 room = CODE + PAGE - c->at;
  copy((u8 *)c->at, c->code, (u64)c->code_length < room ? (u64)c->code_length : room);
  set_segments(c->input.fs_base, c->input.gs_base);
}

static void add_change(struct instruction_case *c, u32 offset, u8 byte) {
  struct piece *last = c->change_count ? &c->changes[c->change_count - 1] : 0;
  if (last && last->offset + last->length == offset && last->length < MAX_CHANGE_BYTES) {
    last->bytes[last->length++] = byte;
  } else if (c->change_count < MAX_CHANGES) {
    last = &c->changes[c->change_count++];
    last->offset = offset;
    last->length = 1;
    last->bytes[0] = byte;
  } else {
    c->more_changes = 1;
  }
}

/* Notes which data bytes changed and gives all of them, and the code page, their initial contents back. */
static void restore_memory(struct instruction_case *c) {
  enum { BLOCK = 128 };
  u8 *data = (u8 *)(u64)DATA;
  c->change_count = c->more_changes = 0;
  for (u32 block = 0; block < DATA_BYTES; block += BLOCK) {
    u64 difference = 0;
    for (u32 at = block; at < block + BLOCK; at += 8) difference |= *(u64 *)(data + at) ^ *(u64 *)(expected + at);
    if (!difference) continue;
    for (u32 at = block; at < block + BLOCK; at++)
      if (data[at] != expected[at]) add_change(c, at, data[at]);
    copy(data + block, pattern + block, BLOCK);
    copy(expected + block, pattern + block, BLOCK);
  }
  for (int i = 0; i < c->store_count; i++) {
    u32 offset = c->stores[i].offset;
    copy(data + offset, pattern + offset, c->stores[i].length);
    copy(expected + offset, pattern + offset, c->stores[i].length);
  }
  fill((u8 *)(u64)CODE, INT3, PAGE);
}

static void save_case(ucontext_t *context, struct instruction_case *c, int outcome) {
  greg_t *registers = context->uc_mcontext.gregs;
  struct state *output = &c->output;
  output->fs_base = read_fs_base();
  output->gs_base = read_gs_base();
  for (int i = 0; i < 16; i++) output->registers[i] = (u64)registers[context_index[i]];
  output->rip = (u64)registers[REG_RIP];
  output->flags = (u64)registers[REG_EFL];
  c->outcome = outcome;
  c->error_code = outcome == 1 || outcome == 3 ? 0 : (u64)registers[REG_ERR];
  c->cr2 = (u64)registers[REG_CR2];
  if (outcome == 3 && output->rip - 1 - c->at >= (u64)c->code_length) {
    c->outcome = OUTCOME_OK;
    output->rip--;
  }
  if (outcome == 1 && c->step) c->outcome = OUTCOME_OK;
  if (context->uc_mcontext.fpregs) save_vectors((u8 *)context->uc_mcontext.fpregs, c);
  restore_memory(c);
}

/* Makes the handler return into the next case; waits for the parent when there is none. */
static void next_case(ucontext_t *context) {
  while (shared->current >= shared->count) {
    shared->done = shared->command;
    futex(&shared->done, FUTEX_WAKE, 1, 0);
    while (shared->command == shared->done) {
      u32 seen = shared->done;
      for (int i = 0; i < 2000 && shared->command == seen; i++) __asm__ volatile("pause");
      if (shared->command == seen) futex(&shared->command, FUTEX_WAIT, seen, 0);
      if (shared->command == COMMAND_EXIT) system_call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    }
  }
  load_case(context, &shared->cases[shared->current]);
}

/* The timer has to meet the same case twice before the case has had its time. */
static int timed_out(void) {
  static u64 last;
  u64 now = (u64)shared->command << 32 | (u32)shared->current;
  int again = now == last;
  last = now;
  return again;
}

__attribute__((used)) static void handle_signal(int signal, siginfo_t *info, void *raw_context) {
  static int started;
  (void)info;
  ucontext_t *context = raw_context;
  if (signal == SIGPROF && (!started || !timed_out())) return;
  if (started) {
    int outcome = (int)context->uc_mcontext.gregs[REG_TRAPNO];
    if (signal == SIGSYS) outcome = OUTCOME_SYSTEM_CALL;
    if (signal == SIGPROF) outcome = OUTCOME_TIMEOUT;
    save_case(context, &shared->cases[shared->current], outcome);
    __asm__ volatile("" ::: "memory");
    shared->current++;
  }
  started = 1;
  next_case(context);
}

/* A case may leave AC, NT or DF set: the handler itself runs with clean flags and an aligned stack. */
__asm__(".globl signal_entry\n"
        "signal_entry: pushq $0x202\n popfq\n mov %rsp, %rbp\n and $-64, %rsp\n call handle_signal\n mov %rbp, %rsp\n "
        "ret\n");
extern void signal_entry(int, siginfo_t *, void *);

/* System calls are allowed from our own text only, so that a case cannot make one. */
static void forbid_system_calls(void) {
  extern char __executable_start, etext;
  u32 low = (u32)(u64)&__executable_start, high = (u32)(u64)&etext;
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, low, 0, 1),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, high, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) _exit(7);
}

static void map_at(u64 address, size_t bytes, int protection) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  if (mmap((void *)address, bytes, protection, flags, -1, 0) == MAP_FAILED) _exit(9);
}

/* The LDT, from selector 0fh on, as src/debugger/cases/local-segments.ts has it. Without modify_ldt it stays empty. */
static void install_segments(void) {
  enum { DATA_SEGMENT = 0, EXPAND_DOWN = 1, CODE_SEGMENT = 2 };
  static const struct {
    u32 base, limit;
    u8 contents, restricted, big, pages;
  } segments[] = {
      {DATA, 0x3fff, DATA_SEGMENT, 0, 1, 0}, {DATA, 0x4fff, DATA_SEGMENT, 1, 1, 0},
      {DATA, 0x1fff, EXPAND_DOWN, 0, 1, 0},  {DATA, 0x1fff, EXPAND_DOWN, 0, 0, 0},
      {DATA, 0x0fff, EXPAND_DOWN, 1, 1, 0},  {DATA, 0x2fff, CODE_SEGMENT, 0, 1, 0},
      {DATA, 0x3fff, DATA_SEGMENT, 0, 0, 0}, {DATA, 2, DATA_SEGMENT, 0, 1, 1},
      {0, 0xfffff, CODE_SEGMENT, 1, 1, 1},   {0, 0x10000, CODE_SEGMENT, 0, 1, 1},
      {CODE, 0x828, CODE_SEGMENT, 0, 1, 0},  {CODE, 0xfff, CODE_SEGMENT, 0, 0, 0},
  };
  for (u32 i = 0; i < sizeof segments / sizeof *segments; i++) {
    struct user_desc descriptor = {
        .entry_number = i + 1,
        .base_addr = segments[i].base,
        .limit = segments[i].limit,
        .seg_32bit = segments[i].big,
        .contents = segments[i].contents,
        .read_exec_only = segments[i].restricted,
        .limit_in_pages = segments[i].pages,
    };
    if (system_call(SYS_modify_ldt, 1, (long)&descriptor, sizeof descriptor, 0, 0, 0)) return;
  }
}

static void run_child(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  stack_t stack = {.ss_sp = signal_stack, .ss_size = SIGNAL_STACK_BYTES};
  sigaltstack(&stack, 0);
  struct sigaction action = {.sa_sigaction = signal_entry, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigfillset(&action.sa_mask);
  int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGPROF};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  map_at(CODE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
  fill((u8 *)(u64)CODE, INT3, PAGE);
  map_at(DATA, DATA_BYTES + READ_ONLY_BYTES, PROT_READ | PROT_WRITE);
  copy((u8 *)(u64)DATA, pattern, DATA_BYTES + READ_ONLY_BYTES);
  copy(expected, pattern, DATA_BYTES);
  mprotect((u8 *)(u64)DATA + DATA_BYTES, READ_ONLY_BYTES, PROT_READ);
  struct itimerval timer = {{0, 25000}, {0, 25000}};
  setitimer(ITIMER_PROF, &timer, 0);
  install_segments();
  forbid_system_calls();
  __asm__ volatile("int3");
  _exit(8);
}

/* ---------- the parent: reads cases, has them run, prints answers ---------- */

static const char *const register_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                               "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* @returns 0 to 15, or -1 for a character that is no hexadecimal digit */
static int digit(char character) {
  if (character >= '0' && character <= '9') return character - '0';
  character |= 0x20;
  return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

static u64 parse_number(const char **at) {
  u64 value = 0;
  for (int d; (d = digit(**at)) >= 0; (*at)++) value = value << 4 | (u64)d;
  return value;
}

static int parse_bytes(const char **at, u8 *bytes, int room) {
  int count = 0;
  for (; count < room && digit((*at)[0]) >= 0 && digit((*at)[1]) >= 0; *at += 2) {
    bytes[count++] = (u8)(digit((*at)[0]) << 4 | digit((*at)[1]));
  }
  return count;
}

static void parse_store(const char **at, struct instruction_case *c) {
  u64 address = parse_number(at);
  if (**at != ':' || c->store_count == MAX_STORES) return;
  (*at)++;
  struct piece *store = &c->stores[c->store_count];
  int length = parse_bytes(at, store->bytes, 128);
  store->offset = (u32)(address - DATA);
  store->length = (u16)length;
  if (address >= DATA && address + (u64)length <= DATA + DATA_BYTES) c->store_count++;
}

static void put_number(u8 *to, const char **at, size_t bytes) {
  u64 value = parse_number(at);
  memcpy(to, &value, bytes);
}

static void parse_field(const char *name, const char **at, struct instruction_case *c) {
  struct state *input = &c->input;
  int number;
  char rest;
  for (int i = 0; i < 16; i++) {
    if (strcmp(name, register_names[i]) == 0) {
      input->registers[i] = parse_number(at);
      return;
    }
  }
  if (strcmp(name, "id") == 0) c->id = strtoull(*at, (char **)at, 10);
  else if (strcmp(name, "code") == 0) c->code_length = parse_bytes(at, c->code, MAX_CODE);
  else if (strcmp(name, "at") == 0) c->at = parse_number(at);
  else if (strcmp(name, "m") == 0) parse_store(at, c);
  else if (strcmp(name, "fl") == 0) input->flags = parse_number(at);
  else if (strcmp(name, "fs") == 0) input->fs_base = parse_number(at);
  else if (strcmp(name, "gs") == 0) input->gs_base = parse_number(at);
  else if (strcmp(name, "fcw") == 0) put_number(input->fxsave + FCW, at, 2);
  else if (strcmp(name, "fsw") == 0) put_number(input->fxsave + FSW, at, 2);
  else if (strcmp(name, "ftw") == 0) put_number(input->fxsave + FTW, at, 1);
  else if (strcmp(name, "mxcsr") == 0) put_number(input->fxsave + MXCSR, at, 4);
  else if (strcmp(name, "step") == 0) c->step = (int)parse_number(at);
  else if (sscanf(name, "st%d%c", &number, &rest) == 1) parse_bytes(at, input->fxsave + ST0 + 16 * (number & 7), 10);
  else if (sscanf(name, "x%d%c", &number, &rest) == 1) parse_bytes(at, input->fxsave + XMM0 + 16 * (number & 15), 16);
  else if (sscanf(name, "y%d%c", &number, &rest) == 1) parse_bytes(at, input->ymm_upper + 16 * (number & 15), 16);
}

static void parse_case(const char *at, struct instruction_case *c) {
  memset(c, 0, offsetof(struct instruction_case, outcome));
  c->at = CODE + 0x800;
  c->input.flags = ALWAYS_SET;
  c->input.registers[RSP] = DATA + 0x1000;
  memcpy(c->input.fxsave + FCW, "\x7f\x03", 2);
  memcpy(c->input.fxsave + MXCSR, "\x80\x1f", 2);
  while (*at) {
    char name[8] = "";
    size_t length = strcspn(at, "= ");
    if (at[length] == '=' && length < sizeof name) {
      memcpy(name, at, length);
      at += length + 1;
      parse_field(name, &at, c);
    }
    at += strcspn(at, " ");
    at += strspn(at, " ");
  }
  if (c->at < CODE || c->at >= CODE + PAGE) c->at = CODE + 0x800;
}

static char *print_text(char *out, const char *text) {
  return stpcpy(out, text);
}

static char *print_field(char *out, const char *name, u64 value) {
  return out + sprintf(out, " %s=%lx", name, (unsigned long)value);
}

static char *print_bytes(char *out, const u8 *bytes, int count) {
  static const char digits[] = "0123456789abcdef";
  for (int i = 0; i < count; i++) {
    *out++ = digits[bytes[i] >> 4];
    *out++ = digits[bytes[i] & 15];
  }
  return out;
}

static char *print_if_changed(char *out, const char *name, u64 before, u64 after) {
  return before == after ? out : print_field(out, name, after);
}

static char *print_vector_if_changed(char *out, const char *name, int number, const u8 *before, const u8 *after,
                                     int bytes) {
  if (memcmp(before, after, (size_t)bytes) == 0) return out;
  return print_bytes(out + sprintf(out, " %s%d=", name, number), after, bytes);
}

static u64 number_at(const u8 *from, size_t bytes) {
  u64 value = 0;
  memcpy(&value, from, bytes);
  return value;
}

static char *print_outcome(char *out, const struct instruction_case *c) {
  out += sprintf(out, "id=%lu v=", (unsigned long)c->id);
  switch (c->outcome) {
  case OUTCOME_OK: return print_text(out, "ok");
  case OUTCOME_TIMEOUT: return print_text(out, "to");
  case OUTCOME_SYSTEM_CALL: return print_text(out, "sys");
  case OUTCOME_DIED: return print_text(out, "die");
  }
  out += sprintf(out, "%d", c->outcome);
  out = print_field(out, "err", c->error_code);
  return c->outcome == 14 ? print_field(out, "cr2", c->cr2) : out;
}

static char *print_answer(char *out, const struct instruction_case *c) {
  const struct state *before = &c->input, *after = &c->output;
  const u8 *fx_before = before->fxsave, *fx_after = after->fxsave;
  out = print_outcome(out, c);
  if (c->outcome == OUTCOME_DIED) return print_text(out, "\n");
  out = print_field(out, "rip", after->rip);
  for (int i = 0; i < 16; i++)
    out = print_if_changed(out, register_names[i], before->registers[i], after->registers[i]);
  out = print_field(out, "fl", after->flags & (INPUT_FLAGS | ALIGNMENT_CHECK));
  out = print_if_changed(out, "fs", before->fs_base, after->fs_base);
  out = print_if_changed(out, "gs", before->gs_base, after->gs_base);
  out = print_if_changed(out, "fcw", number_at(fx_before + FCW, 2), number_at(fx_after + FCW, 2));
  out = print_if_changed(out, "fsw", number_at(fx_before + FSW, 2), number_at(fx_after + FSW, 2));
  out = print_if_changed(out, "ftw", fx_before[FTW], fx_after[FTW]);
  out = print_if_changed(out, "mxcsr", number_at(fx_before + MXCSR, 4), number_at(fx_after + MXCSR, 4));
  for (int i = 0; i < 8; i++)
    out = print_vector_if_changed(out, "st", i, fx_before + ST0 + 16 * i, fx_after + ST0 + 16 * i, 10);
  for (int i = 0; i < 16; i++) {
    out = print_vector_if_changed(out, "x", i, fx_before + XMM0 + 16 * i, fx_after + XMM0 + 16 * i, 16);
    out = print_vector_if_changed(out, "y", i, before->ymm_upper + 16 * i, after->ymm_upper + 16 * i, 16);
  }
  for (int i = 0; i < c->change_count; i++) {
    out += sprintf(out, " m=%x:", DATA + c->changes[i].offset);
    out = print_bytes(out, c->changes[i].bytes, c->changes[i].length);
  }
  if (c->more_changes) out = print_text(out, " m=more");
  return print_text(out, "\n");
}

static pid_t child;

static void start_child(void) {
  child = fork();
  if (child == 0) run_child();
  if (child < 0) {
    perror("fork");
    exit(1);
  }
}

/* Waits for the batch. A child that dies, or is stuck for two seconds, is replaced behind the case that did it. */
static void run_batch(void) {
  u32 wanted = shared->command;
  int idle = 0, last = -1;
  futex(&shared->command, FUTEX_WAKE, 1, 0);
  while (shared->done != wanted) {
    struct timespec timeout = {0, 100000000};
    u32 seen = shared->done;
    for (int i = 0; i < 2000 && shared->done != wanted; i++) __asm__ volatile("pause");
    if (shared->done == wanted) return;
    futex(&shared->done, FUTEX_WAIT, seen, &timeout);
    pid_t ended = waitpid(child, 0, WNOHANG);
    idle = shared->current == last ? idle + 1 : 0;
    last = shared->current;
    if (idle > 20 && ended == 0) {
      kill(child, SIGKILL);
      ended = waitpid(child, 0, 0);
    }
    if (ended != child) continue;
    if (shared->done != wanted && shared->current < shared->count)
      shared->cases[shared->current++].outcome = OUTCOME_DIED;
    if (shared->done != wanted) shared->done = wanted - 1;
    start_child();
  }
}

static void write_all(const char *text, size_t length) {
  while (length > 0) {
    ssize_t written = write(STDOUT_FILENO, text, length);
    if (written <= 0) exit(1);
    text += written;
    length -= (size_t)written;
  }
}

static void answer_batch(int count) {
  static char answers[BATCH * 6000];
  shared->count = count;
  shared->current = 0;
  __sync_synchronize();
  shared->command = shared->command + 1;
  run_batch();
  char *out = answers;
  for (int i = 0; i < count; i++) out = print_answer(out, &shared->cases[i]);
  write_all(answers, (size_t)(out - answers));
}

static void *map_anywhere(size_t bytes, int sharing) {
  void *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
  if (memory != MAP_FAILED) return memory;
  perror("mmap");
  exit(1);
}

/* The next line without its end, or 0. Reads into a buffer of its own: a heap would lie somewhere among the addresses
 * of cases. */
static char *read_line(void) {
  static char buffer[1 << 20];
  static size_t start, end;
  for (;;) {
    char *line = buffer + start, *newline = memchr(line, '\n', end - start);
    if (newline) {
      *newline = 0;
      start = (size_t)(newline + 1 - buffer);
      return line;
    }
    memmove(buffer, line, end - start);
    end -= start;
    start = 0;
    ssize_t got = end < sizeof buffer - 1 ? read(STDIN_FILENO, buffer + end, sizeof buffer - 1 - end) : 0;
    if (got > 0) {
      end += (size_t)got;
    } else if (end > 0) {
      buffer[end++] = '\n';
    } else {
      return 0;
    }
  }
}

/* The same addresses in every run, so that what a stray access meets does not vary. Where it is not allowed, they do.
 */
static void fix_addresses(char **arguments) {
  int current = personality(0xffffffff);
  if (current & ADDR_NO_RANDOMIZE || personality((unsigned long)current | ADDR_NO_RANDOMIZE) < 0) return;
  execv("/proc/self/exe", arguments);
}

int main(int argument_count, char **arguments) {
  (void)argument_count;
  fix_addresses(arguments);
  shared = map_anywhere(sizeof *shared, MAP_SHARED);
  pattern = map_anywhere(DATA_BYTES + READ_ONLY_BYTES, MAP_PRIVATE);
  expected = map_anywhere(DATA_BYTES, MAP_PRIVATE);
  signal_stack = map_anywhere(SIGNAL_STACK_BYTES, MAP_PRIVATE);
  for (u32 i = 0; i < DATA_BYTES + READ_ONLY_BYTES; i++) pattern[i] = (u8)(i * 157 + (i >> 8) * 59 + 7);
  shared->command = shared->done = 1;
  start_child();
  int count = 0;
  for (char *line; (line = read_line());) {
    if (*line == 0 || *line == '#') continue;
    parse_case(line, &shared->cases[count++]);
    if (count < BATCH) continue;
    answer_batch(count);
    count = 0;
  }
  if (count > 0) answer_batch(count);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  return 0;
}
