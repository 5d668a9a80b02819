/* Descriptor tables: the lowest free number, sharing of offsets and flags, close-on-exec, limits, inheritance. */
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>

static char stack[65536];

static int close_in_sibling(void *descriptor) {
  close((int)(long)descriptor);
  return 0;
}

static void inherit(void) {
  int ends[2];
  if (pipe(ends)) return;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  IN_CHILD("child closes its copy", close(ends[1]));
  REPORT(write(ends[1], "a", 1));
  int descriptor = dup(ends[1]);
  pid_t sibling = clone(close_in_sibling, stack + sizeof stack, CLONE_FILES | CLONE_VM | SIGCHLD, (void *)(long)descriptor);
  waitpid(sibling, NULL, 0);
  REPORT(close(descriptor));
  descriptor = dup(ends[1]);
  sibling = clone(close_in_sibling, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)(long)descriptor);
  waitpid(sibling, NULL, 0);
  REPORT(close(descriptor));
  REPORT(close(ends[0]));
  REPORT(close(ends[1]));
}

static void limits(void) {
  struct rlimit limit;
  REPORT(getrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = 20;
  REPORT(setrlimit(RLIMIT_NOFILE, &limit));
  int opened = 0;
  while (dup(1) >= 0) opened++;
  printf("%d more, %s\n", opened, errno_name(errno));
  int ends[2];
  REPORT(pipe(ends));
  REPORT(fcntl(0, F_DUPFD, 20));
  REPORT(dup2(0, 20));
  REPORT(dup2(0, 19));
  close(19);
  close(18);
  REPORT(open("/dev/null", O_RDONLY));
  REPORT(pipe(ends));
  for (int descriptor = 3; descriptor < 20; descriptor++) close(descriptor);
  limit.rlim_cur = 1024;
  REPORT(setrlimit(RLIMIT_NOFILE, &limit));
  while (dup(1) >= 0) opened = 0;
  REPORT(fcntl(1, F_GETFD));
  REPORT(dup2(1, 1023));
  REPORT(dup2(1, 1024));
  REPORT(close(1023));
  REPORT(dup(1));
  for (int descriptor = 3; descriptor < 1024; descriptor++) close(descriptor);
}

static void vectors(void) {
  int ends[2];
  char a[4] = "", b[8] = "";
  if (pipe(ends)) return;
  struct iovec parts[3] = { { "one", 3 }, { NULL, 0 }, { "two and", 7 } };
  REPORT(writev(ends[1], parts, 3));
  struct iovec into[2] = { { a, 3 }, { b, 7 } };
  REPORT(readv(ends[0], into, 2));
  printf("%s|%s\n", a, b);
  int negative = -1;
  REPORT(writev(ends[1], parts, negative));
  REPORT(writev(ends[1], parts, 1025));
  REPORT(writev(ends[1], (struct iovec *)8, 1));
  parts[1].iov_base = (void *)8;
  parts[1].iov_len = 4;
  REPORT(writev(ends[1], parts, 0));
  REPORT(readv(ends[1], into, 2));
  REPORT(writev(ends[0], parts, 1));
  REPORT(write(ends[1], "xyz", 3));
  int available = -1;
  REPORT(ioctl(ends[0], FIONREAD, &available));
  printf("available %d\n", available);
  REPORT(pread(ends[0], a, 1, 0));
  REPORT(ioctl(ends[0], 0x1234, 0));
  struct stat about;
  REPORT(fstat(ends[0], &about));
  printf("fifo %d\n", S_ISFIFO(about.st_mode));
  int on = 1;
  REPORT(ioctl(ends[0], FIONBIO, &on));
  REPORT(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
  REPORT(read(ends[0], b, 8));
  REPORT(read(ends[0], b, 8));
  close(ends[0]);
  close(ends[1]);
}

int main(int count, char **arguments) {
  if (count > 1 && !strcmp(arguments[1], "again")) {
    for (int descriptor = 3; descriptor < 8; descriptor++) printf("%d: %d\n", descriptor, fcntl(descriptor, F_GETFD));
    return 0;
  }
  for (int descriptor = 3; descriptor < 100; descriptor++) close(descriptor);
  REPORT(dup(0));
  REPORT(dup(1));
  REPORT(dup2(1, 6));
  REPORT(close(3));
  REPORT(dup(2));
  REPORT(dup(2));
  REPORT(fcntl(1, F_DUPFD_CLOEXEC, 5));
  REPORT(fcntl(7, F_GETFD));
  REPORT(fcntl(6, F_GETFD));
  REPORT(dup3(1, 4, O_CLOEXEC));
  REPORT(dup3(4, 4, 0));
  REPORT(dup3(4, 8, 1));
  REPORT(fcntl(4, F_SETFD, 0));
  REPORT(fcntl(99, F_GETFL));
  REPORT(fcntl(1, 9999));
  REPORT(close(-1));
  REPORT(close(5));
  REPORT(dup3(1, 5, O_CLOEXEC));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", arguments[0], "again", (char *)NULL);
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);
  report_status("exec", status);
  for (int descriptor = 3; descriptor < 10; descriptor++) close(descriptor);
  inherit();
  vectors();
  limits();
  return 0;
}
