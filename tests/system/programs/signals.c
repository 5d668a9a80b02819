/* sigaction in its forms, masks, queues, alternate stacks, faults, timers, and default actions. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t seen, depth, deepest, raises;
static volatile int value;
static void count(int number) { seen = seen * 100 + number; }
static void nested(int number) {
  depth++;
  if (depth > deepest) deepest = depth;
  if (++raises < 3) raise(number);
  depth--;
}
static void with_info(int number, siginfo_t *info, void *context) {
  (void)context;
  value = info->si_value.sival_int;
  printf("signal %d code %d value %d mine %d\n", number, info->si_code, value, info->si_pid == getpid());
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

  install_info(SIGRTMIN + 1, with_info, 0);
  install_info(SIGRTMIN + 2, with_info, 0);
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  sigaddset(&set, SIGRTMIN + 2);
  sigprocmask(SIG_BLOCK, &set, NULL);
  for (int i = 1; i <= 3; i++) {
    union sigval payload = { .sival_int = i };
    sigqueue(getpid(), SIGRTMIN + 2, payload);
    payload.sival_int = i * 10;
    sigqueue(getpid(), SIGRTMIN + 1, payload);
  }
  siginfo_t info;
  struct timespec none = { 0, 0 };
  printf("waited for %d\n", sigtimedwait(&set, &info, &none) - SIGRTMIN);
  printf("its value %d\n", info.si_value.sival_int);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  sigprocmask(SIG_BLOCK, &set, NULL);
  REPORT(sigtimedwait(&set, &info, &none));
  sigprocmask(SIG_UNBLOCK, &set, NULL);

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

  install(SIGALRM, count, 0);
  seen = 0;
  struct itimerval timer = { .it_value = { 0, 2000 } };
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGALRM);
  sigprocmask(SIG_BLOCK, &blocked, &old);
  setitimer(ITIMER_REAL, &timer, NULL);
  sigsuspend(&old);
  sigprocmask(SIG_SETMASK, &old, NULL);
  printf("alarm seen %d\n", seen);
  timer.it_value.tv_usec = 2000;
  setitimer(ITIMER_REAL, &timer, NULL);
  struct timespec longer = { 5, 0 }, rest = { 0, 0 };
  int slept = nanosleep(&longer, &rest);
  printf("sleep interrupted: %d %s, rest %d s\n", slept, errno_name(errno), rest.tv_sec >= 4);

  int ends[2];
  if (pipe(ends)) return 1;
  install(SIGALRM, count, 0);
  setitimer(ITIMER_REAL, &timer, NULL);
  char byte;
  REPORT(read(ends[0], &byte, 1));
  close(ends[0]);
  IN_CHILD("write to a closed pipe", if (write(ends[1], "x", 1) < 0) _exit(9));
  signal(SIGPIPE, SIG_IGN);
  REPORT(write(ends[1], "x", 1));

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
  pid_t child = fork();
  int status;
  if (child == 0) {
    raise(SIGSTOP);
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
