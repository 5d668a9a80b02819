/* sigaction in its forms, masks, alternate stacks, faults, interrupted calls and default actions. */
#include "check.h"
#include <setjmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t seen, depth, deepest, raises;
static void count(int number) { seen = seen * 100 + number; }
static void nested(int number) {
  depth++;
  if (depth > deepest) deepest = depth;
  if (++raises < 3) raise(number);
  depth--;
}
static void sender(int number, siginfo_t *info, void *context) {
  (void)context;
  printf("signal %d, code %d, from %s\n", number, info->si_code, info->si_pid == getpid() ? "myself" : "another");
}
static void child_ended(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  printf("child: code %d status %d\n", info->si_code, info->si_status);
}
static sigjmp_buf escape;
static char *page;
static void on_fault(int number, siginfo_t *info, void *context) {
  ucontext_t *user = context;
  printf("fault %d code %d at page%+ld, mask in context %d\n", number, info->si_code,
         number == SIGSEGV ? (long)((char *)info->si_addr - page) : 0L, sigismember(&user->uc_sigmask, SIGUSR2));
  siglongjmp(escape, 1);
}
static void skip_instruction(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ucontext_t *user = context;
  user->uc_mcontext.gregs[REG_RIP] += 2;
  user->uc_mcontext.gregs[REG_RAX] = 77;
}
static char *stack_bottom;
static int on_alternate;
static void where(int number) {
  char here;
  (void)number;
  on_alternate = &here >= stack_bottom && &here < stack_bottom + SIGSTKSZ;
}

static void install(int number, void (*handler)(int), int flags) {
  struct sigaction action = { .sa_flags = flags };
  action.sa_handler = handler;
  sigaction(number, &action, NULL);
}
static void install_info(int number, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = { .sa_flags = flags | SA_SIGINFO };
  action.sa_sigaction = handler;
  sigaction(number, &action, NULL);
}


/* The stack pointer at a handler's first instruction is 8 below a 16-byte boundary. */
static volatile unsigned long entry_stack;
__asm__(".globl look_at_stack\nlook_at_stack:\n\tmov %rsp, entry_stack(%rip)\n\tret\n");
extern void look_at_stack(int);

static void clobber(int number) {
  (void)number;
  __asm__ volatile("xorps %%xmm7, %%xmm7\n\tstd\n\tcld\n\txor %%r12d, %%r12d\n\tfldz\n\tfstp %%st(0)" : : : "xmm7", "r12", "cc");
}
static int registers_survive(void) {
  double before = 2.5, after;
  long kept, zone;
  __asm__ volatile(
    "movsd %3, %%xmm7\n\tmov $1234, %%r12\n\tmovq $77, -64(%%rsp)\n\t"
    "mov $39, %%eax\n\tsyscall\n\tmov %%eax, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tsyscall\n\t"
    "movsd %%xmm7, %0\n\tmov %%r12, %1\n\tmov -64(%%rsp), %2"
    : "=m"(after), "=&r"(kept), "=&r"(zone) : "m"(before)
    : "rax", "rcx", "r11", "rdi", "rsi", "r12", "xmm7", "memory", "cc");
  return after == before && kept == 1234 && zone == 77;
}
static void to_nowhere(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = 1L << 62;
}
static void privileged_flags(int number, siginfo_t *info, void *context) {
  (void)number, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= 0x3000 | 0x800;
}
static int flags_after(void) {
  long flags;
  raise(SIGUSR1);
  __asm__ volatile("pushfq\n\tpop %0" : "=r"(flags));
  return (flags & 0x3000) != 0;
}

/* Divides by zero, and overflows, with the exception unmasked. */
static void simd_division(void) {
  unsigned control = 0x1f80 & ~0x200;
  double one = 1, zero = 0;
  __asm__ volatile("ldmxcsr %0\n\tmovsd %1, %%xmm0\n\tdivsd %2, %%xmm0" : : "m"(control), "m"(one), "m"(zero) : "xmm0");
}
static void x87_overflow(void) {
  unsigned short control = 0x37f & ~8;
  float huge = 1e38f, result;
  __asm__ volatile("fldcw %1\n\tflds %2\n\tfmuls %2\n\tfstps %0\n\tfwait" : "=m"(result) : "m"(control), "m"(huge));
}

/* The signal comes from the other thread while this one only counts. */
static volatile pthread_t receiver;
static void note_thread(int number) { seen = number + 100 * (pthread_self() == receiver); }
static void *send_to_receiver(void *unused) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  pthread_kill(receiver, SIGUSR2);
  while (seen == 0) sched_yield();
  seen = 0;
  kill(getpid(), SIGUSR2);
  while (seen == 0) sched_yield();
  return unused;
}

/* A child that signals its parent after a while, and ends a while later. */
static pid_t signal_later(int number) {
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) return child;
  struct timespec while_ = { 0, 50000000 };
  nanosleep(&while_, NULL);
  kill(getppid(), number);
  nanosleep(&while_, NULL);
  _exit(3);
}

int main(void) {
  sigset_t set, old;
  install(SIGUSR1, count, 0);
  raise(SIGUSR1);
  printf("seen %d\n", seen);
  seen = 0;

  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  install(SIGUSR2, count, 0);
  sigprocmask(SIG_BLOCK, &set, &old);
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&set);
  printf("pending %d %d, seen %d\n", sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), seen);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("after unblocking %d\n", seen);

  install(SIGUSR1, nested, 0);
  raise(SIGUSR1);
  printf("deferred depth %d\n", deepest);
  deepest = raises = 0;
  install(SIGUSR1, nested, SA_NODEFER);
  raise(SIGUSR1);
  printf("nodefer depth %d\n", deepest);

  install(SIGUSR1, count, SA_RESETHAND);
  seen = 0;
  raise(SIGUSR1);
  struct sigaction now;
  sigaction(SIGUSR1, NULL, &now);
  printf("reset to default: %d\n", now.sa_handler == SIG_DFL);


  install_info(SIGUSR1, sender, 0);
  raise(SIGUSR1);
  kill(getpid(), SIGUSR1);
  install(SIGUSR1, look_at_stack, 0);
  raise(SIGUSR1);
  printf("stack at entry: %lu\n", entry_stack % 16);
  install(SIGUSR1, clobber, 0);
  printf("registers and red zone survive: %d\n", registers_survive());
  install_info(SIGUSR1, privileged_flags, 0);
  printf("privileged flags stay: %d\n", flags_after());
  IN_CHILD("return to nowhere", install_info(SIGUSR1, to_nowhere, 0); raise(SIGUSR1));
  IN_CHILD("return from no handler", syscall(SYS_rt_sigreturn));

  page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  install_info(SIGSEGV, on_fault, 0);
  install_info(SIGFPE, on_fault, 0);
  install_info(SIGILL, on_fault, 0);
  install_info(SIGTRAP, on_fault, 0);
  if (!sigsetjmp(escape, 1)) page[17] = 1;
  munmap(page, 4096);
  if (!sigsetjmp(escape, 1)) page[18] = 1;
  if (!sigsetjmp(escape, 1)) divide_by_zero();
  if (!sigsetjmp(escape, 1)) __asm__ volatile("ud2");
  if (!sigsetjmp(escape, 1)) __asm__ volatile("int3");
  if (!sigsetjmp(escape, 1)) simd_division();
  if (!sigsetjmp(escape, 1)) x87_overflow();
  install_info(SIGILL, skip_instruction, 0);
  long result;
  __asm__ volatile("ud2" : "=a"(result) : "a"(1));
  printf("handler set rax to %ld\n", result);

  stack_bottom = malloc(SIGSTKSZ);
  stack_t alternate = { .ss_sp = stack_bottom, .ss_size = SIGSTKSZ };
  REPORT(sigaltstack(&alternate, NULL));
  install(SIGUSR1, where, SA_ONSTACK);
  raise(SIGUSR1);
  printf("on the alternate stack: %d\n", on_alternate);
  install(SIGUSR1, where, 0);
  raise(SIGUSR1);
  printf("on the normal stack: %d\n", !on_alternate);
  alternate.ss_size = 100;
  REPORT(sigaltstack(&alternate, NULL));

  IN_CHILD("handler without a stack", {
    install(SIGUSR1, count, 0);
    __asm__ volatile("mov $39, %%eax\n\tsyscall\n\tmov %%eax, %%edi\n\tmov $10, %%esi\n\tmov $62, %%eax\n\tmov $64, %%esp\n\tsyscall"
                     : : : "rax", "rcx", "r11", "rdi", "rsi", "memory");
  });

  install(SIGUSR2, note_thread, 0);
  receiver = pthread_self();
  seen = 0;
  pthread_t helper;
  pthread_create(&helper, NULL, send_to_receiver, NULL);
  pthread_join(helper, NULL);
  printf("taken in the right thread: %d\n", seen);

  install(SIGUSR1, count, 0);
  seen = 0;
  int status;
  pid_t child = signal_later(SIGUSR1);
  while (seen == 0) continue;
  printf("interrupted computation: %d\n", seen);
  waitpid(child, &status, 0);
  seen = 0;
  child = signal_later(SIGUSR1);
  REPORT(waitpid(child, &status, 0));
  printf("seen %d\n", seen);
  waitpid(child, &status, 0);
  report_status("then", status);
  install(SIGUSR1, count, SA_RESTART);
  seen = 0;
  child = signal_later(SIGUSR1);
  printf("wait goes on: %d\n", waitpid(child, &status, 0) == child);
  printf("seen %d\n", seen);

  child = signal_later(SIGUSR1);
  struct timespec longer = { 5, 0 }, rest = { 0, 0 };
  int slept = nanosleep(&longer, &rest);
  printf("sleep interrupted: %d %s, rest %d s\n", slept, errno_name(errno), rest.tv_sec >= 4);
  waitpid(child, &status, 0);

  seen = 0;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, &old);
  child = signal_later(SIGUSR1);
  REPORT(sigsuspend(&old));
  sigprocmask(SIG_SETMASK, &old, &set);
  printf("suspended until %d, blocked again %d\n", seen, sigismember(&set, SIGUSR1));
  waitpid(child, &status, 0);

  install_info(SIGCHLD, child_ended, SA_RESTART);
  IN_CHILD("child with an end", _exit(6));
  IN_CHILD("child with a killer", kill(getpid(), SIGKILL));
  signal(SIGCHLD, SIG_DFL);

  IN_CHILD("default of SIGUSR1", signal(SIGUSR1, SIG_DFL); raise(SIGUSR1));
  IN_CHILD("default of SIGCHLD", raise(SIGCHLD));
  IN_CHILD("default of a real-time signal", signal(SIGRTMIN + 3, SIG_DFL); raise(SIGRTMIN + 3));
  IN_CHILD("ignored SIGTERM", signal(SIGTERM, SIG_IGN); raise(SIGTERM); _exit(5));
  IN_CHILD("blocked fault", {
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *(volatile char *)8 = 1;
  });

  fflush(stdout);
  child = fork();
  if (child == 0) {
    raise(SIGSTOP);
    struct timespec while_ = { 0, 50000000 };
    nanosleep(&while_, NULL);
    _exit(4);
  }
  waitpid(child, &status, WUNTRACED);
  report_status("stopping child", status);
  kill(child, SIGCONT);
  waitpid(child, &status, WCONTINUED);
  report_status("continuing child", status);
  waitpid(child, &status, 0);
  report_status("ending child", status);

  REPORT(kill(getpid(), 65));
  REPORT(kill(getpid(), -1));
  REPORT(kill(getpid(), 0));
  REPORT(kill(1000000, SIGTERM));
  struct sigaction action = { 0 };
  REPORT(sigaction(SIGKILL, &action, NULL));
  REPORT(sigaction(SIGKILL, NULL, &action));
  return 0;
}
