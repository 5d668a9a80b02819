/* waitid and wait4 with their options, and what SIGCHLD says. */
#include "check.h"
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static void settle(void) { nanosleep(&(struct timespec){ 0, 20000000 }, NULL); }

static pid_t start(int code) {
  fflush(stdout);
  pid_t child = fork();
  if (child != 0) return child;
  if (code < 0) for (;;) pause();
  _exit(code);
}

static void show(const char *what, int result, const siginfo_t *info, pid_t child) {
  if (result != 0) { printf("%s: %s\n", what, errno_name(errno)); return; }
  printf("%s: signal %d code %d status %d mine %d uid %d errno %d\n", what, info->si_signo, info->si_code, info->si_status,
         info->si_pid == child, (int)info->si_uid, info->si_errno);
}

static void wait_id(const char *what, idtype_t kind, id_t id, int options, pid_t child) {
  siginfo_t info;
  memset(&info, 0x55, sizeof info);
  show(what, waitid(kind, id, &info, options), &info, child);
}

static void on_child(int number, siginfo_t *info, void *context) {
  (void)context;
  printf("SIGCHLD %d code %d status %d\n", number, info->si_code, info->si_status);
  fflush(stdout);
}

static void watch(int flags) {
  struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | flags };
  sigaction(SIGCHLD, &action, NULL);
}

static int leave(void *code) { _exit((int)(long)code); }

int main(void) {
  wait_id("no children", P_ALL, 0, WEXITED, 0);
  wait_id("no event asked for", P_ALL, 0, WNOHANG, 0);
  wait_id("unknown option", P_ALL, 0, WEXITED | 0x100, 0);
  wait_id("unknown kind", 9, 0, WEXITED, 0);
  wait_id("pid 0", P_PID, 0, WEXITED, 0);
  wait_id("negative group", P_PGID, -5, WEXITED, 0);
  REPORT(waitpid(-1, NULL, 0x100));
  REPORT(waitpid(-1, NULL, WEXITED));
  REPORT(syscall(SYS_wait4, 0x80000000, NULL, 0, NULL));

  pid_t child = start(7);
  settle();
  wait_id("look at an exit", P_PID, child, WEXITED | WNOWAIT, child);
  wait_id("only stops", P_PID, child, WSTOPPED | WNOHANG, child);
  wait_id("take an exit", P_ALL, 0, WEXITED, child);
  wait_id("gone", P_PID, child, WEXITED, child);

  child = start(-1);
  wait_id("nothing yet", P_PID, child, WEXITED | WNOHANG, child);
  kill(child, SIGSTOP);
  wait_id("look at a stop", P_PID, child, WSTOPPED | WNOWAIT, child);
  wait_id("stop", P_PGID, 0, WSTOPPED, child);
  wait_id("stop is over", P_PID, child, WSTOPPED | WNOHANG, child);
  kill(child, SIGCONT);
  wait_id("continue", P_PGID, getpgrp(), WCONTINUED, child);
  int status = 0;
  setpgid(child, child); /* A group of its own, with a parent outside: SIGTSTP stops no orphaned one. */
  kill(child, SIGTSTP);
  printf("wait4: %d\n", waitpid(child, &status, WUNTRACED) == child);
  report_status("wait4", status);
  kill(child, SIGCONT);
  printf("wait4: %d\n", waitpid(child, &status, WCONTINUED) == child);
  report_status("wait4", status);
  kill(child, SIGSTOP);
  settle();
  kill(child, SIGKILL);
  wait_id("killed while stopped", P_PID, child, WEXITED | WSTOPPED, child);

  child = start(-1);
  kill(child, SIGSTOP);
  wait_id("stop", P_PID, child, WSTOPPED, child);
  kill(child, SIGSTOP);
  kill(child, SIGTERM);
  settle();
  wait_id("a second stop and a signal while stopped", P_PID, child, WSTOPPED | WEXITED | WNOHANG, child);
  kill(child, SIGCONT);
  settle();
  wait_id("continued, and ended by what was pending", P_PID, child, WEXITED, child);

  static char stack[65536] __attribute__((aligned(16)));
  child = clone(leave, stack + sizeof stack, 0, (void *)5L);
  settle();
  REPORT(waitpid(-1, NULL, 0));
  wait_id("clone child without its option", P_ALL, 0, WEXITED | WNOHANG, child);
  printf("__WCLONE: %d\n", waitpid(-1, &status, __WCLONE) == child);
  report_status("clone child", status);
  signal(SIGUSR2, SIG_IGN);
  child = clone(leave, stack + sizeof stack, SIGUSR2, (void *)6L);
  printf("__WALL: %d\n", waitpid(child, &status, __WALL) == child);
  report_status("clone child", status);

  watch(0);
  child = start(-1);
  settle();
  kill(child, SIGSTOP);
  settle();
  kill(child, SIGCONT);
  settle();
  watch(SA_NOCLDSTOP);
  kill(child, SIGSTOP);
  settle();
  kill(child, SIGCONT);
  settle();
  kill(child, SIGTERM);
  settle();
  wait_id("killed", P_ALL, 0, WEXITED, child);

  watch(SA_NOCLDWAIT);
  child = start(3);
  settle();
  REPORT(waitpid(child, &status, 0));
  signal(SIGCHLD, SIG_IGN);
  start(0);
  start(0);
  REPORT(waitpid(-1, &status, 0));
  signal(SIGCHLD, SIG_DFL);
  return 0;
}
