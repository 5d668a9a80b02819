/* Every pointer argument, bad in four ways: near null, unmapped, kernel half, read-only where the kernel writes. */
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

static const char read_only[4096] __attribute__((aligned(4096))) = { 1 };

static void *bad[] = { (void *)1, (void *)0x123456789000, (void *)0xffffffff80100000, (void *)0x800000000000, (void *)-8L };
static const char *names[] = { "near null", "unmapped", "kernel", "non-canonical", "end of address space" };
enum { BAD = sizeof bad / sizeof *bad };

#define EACH(call) for (int i = 0; i < BAD; i++) { \
    void *p = bad[i]; \
    errno = 0; \
    long result = (call); \
    printf("%s, %s: %ld %s\n", #call, names[i], result, errno_name(errno)); \
    fflush(stdout); \
  }

int main(void) {
  EACH(syscall(SYS_write, 1, p, 8));
  struct iovec vector = { 0, 8 };
  EACH(syscall(SYS_writev, 1, p, 1));
  EACH((vector.iov_base = p, syscall(SYS_writev, 1, &vector, 1)));
  EACH(syscall(SYS_execve, p, NULL, NULL));
  EACH(syscall(SYS_nanosleep, p, NULL));
  EACH(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, p));
  REPORT(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, read_only));
  REPORT(syscall(SYS_clock_gettime, 999, NULL));
  EACH(syscall(SYS_futex, p, FUTEX_WAIT, 1, NULL, NULL, 0));
  EACH(syscall(SYS_futex, p, FUTEX_WAKE, 1, NULL, NULL, 0));
  EACH(syscall(SYS_sched_getaffinity, 0, 128, p));
  EACH(syscall(SYS_sched_setaffinity, 0, 8, p));
  EACH(syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8));
  EACH(syscall(SYS_rt_sigaction, SIGUSR1, NULL, p, 8));
  EACH(syscall(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, 8));
  EACH(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, p, 8));
  pid_t child = fork();
  if (child == 0) _exit(0);
  EACH((syscall(SYS_wait4, -1, NULL, WNOHANG | 0x1000000, p)));
  for (int i = 0; i < BAD; i++) {
    pid_t another = fork();
    if (another == 0) _exit(0);
    errno = 0;
    long result = syscall(SYS_wait4, another, bad[i], 0, NULL);
    printf("wait4 status, %s: %ld %s\n", names[i], result, errno_name(errno));
  }
  return 0;
}
