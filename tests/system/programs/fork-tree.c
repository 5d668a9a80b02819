/* fork, wait, exit status, deep and wide trees. */
#include "check.h"
#include <signal.h>

static int descend(int depth) {
  if (depth == 0) return 1;
  int total = 1;
  for (int i = 0; i < 2; i++) {
    pid_t child = fork();
    if (child == 0) _exit(descend(depth - 1));
    int status;
    waitpid(child, &status, 0);
    total += WEXITSTATUS(status);
  }
  return total;
}

static int shared_value = 1;

int main(void) {
  int status;
  printf("tree of depth 5 has %d nodes\n", descend(5));

  IN_CHILD("exit 42", _exit(42));
  IN_CHILD("exit 300 is cut to eight bits", _exit(300));
  IN_CHILD("abort", abort());
  IN_CHILD("SIGKILL", kill(getpid(), SIGKILL));
  IN_CHILD("SIGTERM", kill(getpid(), SIGTERM));
  IN_CHILD("null pointer", *(volatile int *)0 = 1);
  IN_CHILD("division by zero", divide_by_zero());
  IN_CHILD("undefined instruction", __asm__ volatile("ud2"));
  IN_CHILD("privileged instruction", __asm__ volatile("hlt"));

  IN_CHILD("a child's write stays in the child", shared_value = 2; _exit(shared_value));
  printf("the parent still sees %d\n", shared_value);

  REPORT(wait(&status));
  REPORT(waitpid(-1, &status, WNOHANG));
  REPORT(waitpid(getpid(), &status, 0));
  REPORT(waitpid(1000000, &status, 0));
  REPORT(waitpid(-1, &status, 0x40000000 | 0x800));

  pid_t sleeper = fork();
  if (sleeper == 0) {
    for (;;) pause();
  }
  printf("no change yet: %d\n", waitpid(sleeper, &status, WNOHANG));
  kill(sleeper, SIGKILL);
  printf("reaped the right child: %d\n", waitpid(sleeper, &status, 0) == sleeper);
  report_status("sleeper", status);
  REPORT(kill(sleeper, 0));

  pid_t children[20];
  for (int i = 0; i < 20; i++) {
    children[i] = fork();
    if (children[i] == 0) _exit(i);
  }
  int sum = 0;
  for (int i = 19; i >= 0; i--) {
    waitpid(children[i], &status, 0);
    sum += WEXITSTATUS(status);
  }
  printf("20 children exited with a sum of %d\n", sum);

  for (int i = 0; i < 100; i++) {
    pid_t child = vfork();
    if (child == 0) _exit(i & 1);
    waitpid(child, &status, 0);
    if (WEXITSTATUS(status) != (i & 1)) printf("vfork child %d gave %d\n", i, status);
  }
  printf("100 vforks\n");
  return 0;
}
