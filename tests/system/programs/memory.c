/* mmap, munmap, mprotect, brk, demand zero, copy on write, stack growth. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static sigjmp_buf escape;
static volatile int faults;
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  faults++;
  printf("signal %d, code %d\n", number, info->si_code);
  siglongjmp(escape, 1);
}
#define TOUCH(what, statement) do { \
    if (sigsetjmp(escape, 1) == 0) { statement; printf("%s: done\n", what); } else printf("%s: faulted\n", what); \
  } while (0)

static long recurse(int depth) {
  volatile char frame[4096];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : recurse(depth - 1) + frame[0] - (char)depth + 1;
}

int main(void) {
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER };
  action.sa_sigaction = on_fault;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);

  char *area = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int zeros = 1;
  for (int i = 0; i < 16 * 4096; i++) zeros &= area[i] == 0;
  printf("fresh memory is zero: %d\n", zeros);
  memset(area, 7, 16 * 4096);

  REPORT(munmap(area + 4 * 4096, 4096));
  TOUCH("hole", *(volatile char *)(area + 4 * 4096) = 1);
  TOUCH("before the hole", *(volatile char *)(area + 4 * 4096 - 1) = 1);
  TOUCH("after the hole", *(volatile char *)(area + 5 * 4096) = 1);
  REPORT(munmap(area + 4 * 4096, 4096));

  REPORT(mprotect(area, 4096, PROT_READ));
  TOUCH("read of a read-only page", printf("%d ", *(volatile char *)area));
  TOUCH("write to a read-only page", *(volatile char *)area = 1);
  REPORT(mprotect(area, 4096, PROT_NONE));
  TOUCH("read of an inaccessible page", (void)*(volatile char *)area);
  REPORT(mprotect(area, 4096, PROT_READ | PROT_WRITE));
  TOUCH("write after all", *(volatile char *)area = 9);
  printf("contents survived: %d %d\n", area[0], area[1]);
  TOUCH("execution of data", ((void (*)(void))area)());
  REPORT(mprotect(area + 4 * 4096, 4096, PROT_READ));
  REPORT(syscall(SYS_mprotect, area + 1, 4096, PROT_READ));

  REPORT(syscall(SYS_munmap, area + 1, 4096));
  REPORT(munmap(area, 0));
  REPORT((long)mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REPORT((long)mmap(NULL, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0));
  REPORT((long)mmap((void *)4097, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  REPORT((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0));
  REPORT((long)mmap(NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

  char *fixed = mmap(area + 8 * 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  printf("fixed mapping replaced: %d %d %d\n", fixed == area + 8 * 4096, fixed[0], area[9 * 4096]);

  char *start = (char *)syscall(SYS_brk, 0);
  printf("break moved by %ld\n", (long)((char *)syscall(SYS_brk, start + 3 * 4096) - start));
  memset(start, 5, 3 * 4096);
  printf("heap holds %d\n", start[3 * 4096 - 1]);
  printf("break is back: %d\n", (char *)syscall(SYS_brk, start) == start);
  TOUCH("page past the break", *(volatile char *)(start + 2 * 4096 + 4095) = 1);
  printf("break refused: %d\n", (char *)syscall(SYS_brk, 1L << 60) == start);

  area[100] = 1;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int before = area[100];
    area[100] = 2;
    _exit(before * 10 + area[100]);
  }
  int status;
  waitpid(child, &status, 0);
  report_status("child of a copy-on-write page", status);
  printf("parent's page holds %d\n", area[100]);

  int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  IN_CHILD("writer of a shared page", *shared = 1234);
  printf("shared page holds %d\n", *shared);

  printf("recursion over 4 MiB of stack: %ld\n", recurse(1000));
  printf("faults taken: %d\n", faults);
  IN_CHILD("stack overflow", signal(SIGSEGV, SIG_DFL); recurse(1 << 20));
  return 0;
}
