/* execve: arguments, environment, errors, and what survives it. */
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

extern char **environ;

static int show(int argc, char **argv) {
  for (int i = 0; i < argc; i++) printf("argv[%d] = %s\n", i, argv[i]);
  for (char **each = environ; *each; each++) printf("environment %s\n", *each);
  struct sigaction action;
  sigaction(SIGUSR1, NULL, &action);
  printf("SIGUSR1 is %s\n", action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "caught");
  sigaction(SIGUSR2, NULL, &action);
  printf("SIGUSR2 is %s\n", action.sa_handler == SIG_DFL ? "default" : action.sa_handler == SIG_IGN ? "ignored" : "caught");
  sigset_t mask;
  sigprocmask(SIG_BLOCK, NULL, &mask);
  printf("SIGHUP is %s\n", sigismember(&mask, SIGHUP) ? "blocked" : "not blocked");
  return 3;
}

static void handler(int number) { (void)number; }

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "show") == 0) return show(argc, argv);
  char *self = argv[0];
  IN_CHILD("exec of itself", {
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    char *arguments[] = { "another name", "show", "", "with spaces", NULL };
    char *environment[] = { "A=1", "EMPTY=", "PATH=/bin", NULL };
    execve(self, arguments, environment);
  });
  char *none[] = { NULL };
  char *one[] = { "x", NULL };
  REPORT(execve("/no/such/file", one, none));
  REPORT(execve("", one, none));
  REPORT(execve("/", one, none));
  REPORT(syscall(59, 8, one, none));
  REPORT(syscall(59, self, 8, none));
  char *bad[] = { "x", (char *)8, NULL };
  REPORT(execve(self, bad, none));
  static char long_path[5000];
  memset(long_path, 'a', sizeof long_path - 1);
  REPORT(execve(long_path, one, none));
  return 0;
}
