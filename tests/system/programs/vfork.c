/* vfork, and clone with CLONE_VM and CLONE_VFORK: one memory, the parent asleep until the child has gone or become another. */
#include "check.h"
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static volatile int shared;
static volatile int order;
static char *self;

static void rest(long milliseconds) {
  struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
  nanosleep(&time, NULL);
}

static int in_clone(void *argument) {
  shared = *(int *)argument;
  rest(20);
  order = 1;
  _exit(5);
}

static int exec_late(void *unused) {
  (void)unused;
  rest(20);
  order = 2;
  char *arguments[] = { self, "late", NULL };
  execve(self, arguments, NULL);
  _exit(99);
}

static int exec_badly(void *unused) {
  (void)unused;
  char *arguments[] = { "x", NULL };
  execve("/no/such/program", arguments, NULL);
  order = 3;
  _exit(errno == ENOENT ? 0 : 1);
}

static int killed(void *unused) {
  (void)unused;
  syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
  return 0;
}

static int handled;
static void handler(int number) { handled = number; }

static int signals_parent(void *unused) {
  (void)unused;
  syscall(SYS_kill, syscall(SYS_getppid), SIGUSR1);
  rest(20);
  order = handled == 0 ? 4 : 5;
  _exit(0);
}

static void clone_and_wait(const char *what, int (*body)(void *), void *argument, int flags) {
  static char stack[65536] __attribute__((aligned(16)));
  order = 0;
  pid_t child = clone(body, stack + sizeof stack, flags | SIGCHLD, argument);
  printf("%s: order %d when clone returns\n", what, order);
  int status = 0;
  waitpid(child, &status, 0);
  report_status(what, status);
}

int main(int argc, char **argv) {
  self = argv[0];
  if (argc > 1 && strcmp(argv[1], "late") == 0) return 7;
  setvbuf(stdout, NULL, _IONBF, 0);
  int value = 42;
  clone_and_wait("clone that exits", in_clone, &value, CLONE_VM | CLONE_VFORK);
  printf("the child's write is here: %d\n", shared);
  clone_and_wait("clone that execs", exec_late, NULL, CLONE_VM | CLONE_VFORK);
  clone_and_wait("clone whose exec fails", exec_badly, NULL, CLONE_VM | CLONE_VFORK);
  clone_and_wait("clone that is killed", killed, NULL, CLONE_VM | CLONE_VFORK);
  value = 43;
  clone_and_wait("clone with memory of its own", in_clone, &value, CLONE_VFORK);
  printf("the child's write is not here: %d\n", shared);

  signal(SIGUSR1, handler);
  clone_and_wait("a signal to the parent", signals_parent, NULL, CLONE_VM | CLONE_VFORK);
  printf("is handled afterwards: %d\n", handled == SIGUSR1);

  int *shared_pid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t parent = fork();
  if (parent == 0) {
    pid_t child = vfork();
    if (child == 0) {
      *shared_pid = getpid();
      rest(200);
      shared_pid[1] = getppid() == 1 ? 1 : 2;
      _exit(0);
    }
    _exit(9);
  }
  while (*(volatile int *)shared_pid == 0) rest(5);
  kill(parent, SIGKILL);
  int status;
  waitpid(parent, &status, 0);
  report_status("a parent killed while it waits", status);
  printf("the child lives: %d\n", kill(*shared_pid, 0));
  while (*(volatile int *)(shared_pid + 1) == 0) rest(5);
  printf("and ends by itself\n");
  return 0;
}
