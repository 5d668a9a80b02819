/* Queued real-time signals, sigqueue, sigtimedwait, and their limit. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

static void show(const char *what, int number, const siginfo_t *info) {
  printf("%s: SIGRTMIN%+d code %d value %d mine %d errno %d\n", what, number - SIGRTMIN, info->si_code, info->si_value.sival_int,
         info->si_pid == getpid(), info->si_errno);
}
static void handler(int number, siginfo_t *info, void *context) {
  (void)context;
  show("handler", number, info);
}
static void plain(int number) { (void)number; }

static void queue(int number, int value) {
  union sigval given = { .sival_int = value };
  REPORT(sigqueue(getpid(), number, given));
}

static void block(int how, int first, int second) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, first);
  if (second != 0) sigaddset(&set, second);
  sigprocmask(how, &set, NULL);
}

static void wait_for(int number, long nanoseconds) {
  sigset_t set;
  siginfo_t info;
  struct timespec timeout = { 0, nanoseconds };
  sigemptyset(&set);
  sigaddset(&set, number);
  sigaddset(&set, SIGUSR1);
  int taken = sigtimedwait(&set, &info, &timeout);
  if (taken < 0) printf("sigtimedwait: %s\n", errno_name(errno));
  else if (taken < 32) printf("sigtimedwait: %d code %d mine %d\n", taken, info.si_code, info.si_pid == getpid());
  else show("sigtimedwait", taken, &info);
}

static void *send_later(void *thread) {
  nanosleep(&(struct timespec){ 0, 10000000 }, NULL);
  if (thread != NULL) pthread_kill(*(pthread_t *)thread, SIGUSR1);
  else kill(getpid(), SIGUSR1);
  return NULL;
}

static void order(void) {
  struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
  sigfillset(&action.sa_mask);
  sigaction(SIGRTMIN + 1, &action, NULL);
  sigaction(SIGRTMIN + 2, &action, NULL);
  sigaction(SIGRTMAX, &action, NULL);
  block(SIG_BLOCK, SIGRTMIN + 1, SIGRTMIN + 2);
  queue(SIGRTMIN + 2, 1);
  queue(SIGRTMIN + 2, 2);
  queue(SIGRTMIN + 1, 3);
  kill(getpid(), SIGRTMIN + 1);
  queue(SIGRTMIN + 1, 4);
  block(SIG_UNBLOCK, SIGRTMIN + 1, SIGRTMIN + 2);
  queue(SIGRTMAX, 5);
  REPORT(sigqueue(getpid(), 0, (union sigval){ 0 }));
  REPORT(sigqueue(getpid(), 65, (union sigval){ 0 }));
  REPORT(sigqueue(999999, SIGUSR1, (union sigval){ 0 }));
}

static void waiting(void) {
  pthread_t thread, self = pthread_self();
  block(SIG_BLOCK, SIGRTMIN + 3, SIGUSR1);
  wait_for(SIGRTMIN + 3, 0);
  wait_for(SIGRTMIN + 3, 2000000);
  queue(SIGRTMIN + 3, 6);
  kill(getpid(), SIGUSR1);
  wait_for(SIGRTMIN + 3, 0);
  wait_for(SIGRTMIN + 3, 0);
  pthread_create(&thread, NULL, send_later, NULL);
  wait_for(SIGRTMIN + 3, 900000000);
  pthread_join(thread, NULL);
  pthread_create(&thread, NULL, send_later, &self);
  wait_for(SIGRTMIN + 3, 900000000);
  pthread_join(thread, NULL);
  block(SIG_UNBLOCK, SIGUSR1, 0);
  signal(SIGUSR1, plain);
  pthread_create(&thread, NULL, send_later, &self);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  REPORT(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8));
  pthread_join(thread, NULL);
  REPORT(syscall(SYS_rt_sigtimedwait, &set, NULL, (void *)8, 8));
  REPORT(syscall(SYS_rt_sigtimedwait, (void *)8, NULL, NULL, 8));
  REPORT(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 4));
}

static void limits(void) {
  struct rlimit limit = { 3, 3 };
  sigset_t pending;
  block(SIG_BLOCK, SIGRTMIN + 4, SIGTERM);
  setrlimit(RLIMIT_SIGPENDING, &limit);
  REPORT(setuid(4321));
  for (int i = 0; i < 5; i++) queue(SIGRTMIN + 4, i);
  REPORT(kill(getpid(), SIGRTMIN + 4));
  REPORT(raise(SIGRTMIN + 4));
  REPORT(sigqueue(getpid(), SIGTERM, (union sigval){ 0 }));
  sigpending(&pending);
  printf("pending: %d %d\n", sigismember(&pending, SIGRTMIN + 4), sigismember(&pending, SIGTERM));
  for (int i = 0; i < 4; i++) wait_for(SIGRTMIN + 4, 0);
}

static void forging(void) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_code = SI_USER;
  block(SIG_BLOCK, SIGRTMIN + 5, 0);
  REPORT(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 5, &info));
  REPORT(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
  info.si_code = SI_TKILL;
  REPORT(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
  info.si_code = SI_QUEUE;
  REPORT(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info));
  REPORT(syscall(SYS_rt_sigqueueinfo, getpid(), 0, (void *)8));
  REPORT(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info));
  REPORT(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0, 0, &info));
  REPORT(syscall(SYS_rt_tgsigqueueinfo, getppid(), getpid(), 0, &info));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  order();
  waiting();
  IN_CHILD("forging", forging());
  IN_CHILD("limits", limits());
  return 0;
}
