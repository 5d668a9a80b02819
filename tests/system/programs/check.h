/* Each program prints one line a fact, the same on Linux and on Verdigris: no pids, addresses or times. */
#ifndef CHECK_H
#define CHECK_H
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static inline const char *errno_name(int number) {
  switch (number) {
#define NAME(e) case e: return #e;
    NAME(EPERM) NAME(ENOENT) NAME(ESRCH) NAME(EINTR) NAME(EIO) NAME(E2BIG) NAME(ENOEXEC) NAME(EBADF) NAME(ECHILD)
    NAME(EAGAIN) NAME(ENOMEM) NAME(EACCES) NAME(EFAULT) NAME(EBUSY) NAME(EEXIST) NAME(ENOTDIR) NAME(EISDIR) NAME(EINVAL)
    NAME(EMFILE) NAME(ENOTTY) NAME(ENOSPC) NAME(ESPIPE) NAME(EROFS) NAME(EPIPE) NAME(ERANGE) NAME(EDEADLK)
    NAME(ENAMETOOLONG) NAME(ENOSYS) NAME(ENOTEMPTY) NAME(ENODEV) NAME(ELOOP) NAME(EOVERFLOW) NAME(ETIMEDOUT) NAME(EOPNOTSUPP)
#undef NAME
    case 0: return "0";
    default: return "other";
  }
}

/* Prints what a call returned, with the name of its error when it failed. */
static inline void report(const char *what, long result) {
  if (result == -1) printf("%s: -1 %s\n", what, errno_name(errno));
  else printf("%s: %ld\n", what, result);
  fflush(stdout);
}
#define REPORT(call) (errno = 0, report(#call, (long)(call)))

/* Prints a wait status in words. */
static inline void report_status(const char *what, int status) {
  if (WIFEXITED(status)) printf("%s: exited %d\n", what, WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) printf("%s: killed by signal %d\n", what, WTERMSIG(status));
  else if (WIFSTOPPED(status)) printf("%s: stopped by signal %d\n", what, WSTOPSIG(status));
  else if (WIFCONTINUED(status)) printf("%s: continued\n", what);
  fflush(stdout);
}

/* Runs the statements in a child and prints how the child ended. */
#define IN_CHILD(what, ...) do { \
    fflush(stdout); \
    pid_t child_ = fork(); \
    if (child_ == 0) { __VA_ARGS__; _exit(0); } \
    int status_ = 0; \
    waitpid(child_, &status_, 0); \
    report_status(what, status_); \
  } while (0)

/* The compiler may turn a division in C into comparisons; this one faults. */
static inline void divide_by_zero(void) {
  __asm__ volatile("xor %%ecx, %%ecx\n\tmov $1, %%eax\n\tcltd\n\tidiv %%ecx" : : : "eax", "ecx", "edx", "cc");
}

/* linux/futex.h, which musl-gcc does not see. */
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1, FUTEX_WAIT_PRIVATE = 128, FUTEX_WAKE_PRIVATE = 129, FUTEX_WAIT_BITSET_PRIVATE = 137 };
#endif
