/* Real-time queues, sigtimedwait, interval timers and broken pipes. What needs neither is in signal-handlers.c. */
#include "check.h"
#include <signal.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t seen;
static volatile int value;
static void count(int number) { seen = seen * 100 + number; }
static void with_info(int number, siginfo_t *info, void *context) {
  (void)context;
  value = info->si_value.sival_int;
  printf("signal %d code %d value %d mine %d\n", number, info->si_code, value, info->si_pid == getpid());
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

  return 0;
}
