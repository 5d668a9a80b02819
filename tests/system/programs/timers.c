/* alarm, interval timers, POSIX timers and the clocks behind them. */
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static volatile sig_atomic_t count, last_code, last_value, last_overrun, on_thread;
static pthread_t worker;

static void handler(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  count++;
  last_code = info->si_code;
  last_value = info->si_value.sival_int;
  if (info->si_code == SI_TIMER) last_overrun = info->si_overrun;
  on_thread = pthread_self() == worker;
}

static void catch(int number) {
  struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
  sigaction(number, &action, NULL);
  count = 0;
}

static void rest(long milliseconds) {
  struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
  while (nanosleep(&left, &left) != 0);
}

static volatile int spins;
static void burn(int milliseconds) {
  struct timespec start, now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {
    for (int i = 0; i < 10000; i++) spins++;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < milliseconds);
}

static void alarms(void) {
  catch(SIGALRM);
  REPORT(alarm(100));
  REPORT(alarm(1));
  REPORT(alarm(0));
  REPORT(alarm(0));
  struct itimerval once = { { 0, 0 }, { 0, 10000 } }, every = { { 0, 10000 }, { 0, 10000 } }, old, none = { { 0, 0 }, { 0, 0 } };
  REPORT(setitimer(ITIMER_REAL, &once, NULL));
  rest(40);
  printf("once: %d code %d\n", count, last_code);
  REPORT(getitimer(ITIMER_REAL, &old));
  printf("over: %d %d\n", (int)old.it_value.tv_sec, (int)old.it_value.tv_usec);
  count = 0;
  REPORT(setitimer(ITIMER_REAL, &every, NULL));
  rest(85);
  REPORT(setitimer(ITIMER_REAL, &none, &old));
  printf("every: %d, interval %d, left %d\n", count >= 2 && count <= 12, (int)old.it_interval.tv_usec,
         old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 10000);
  count = 0;
  rest(30);
  printf("stopped: %d\n", count);
  REPORT(alarm(100));
  IN_CHILD("not inherited", REPORT(alarm(0)));
  IN_CHILD("default action", signal(SIGALRM, SIG_DFL); setitimer(ITIMER_REAL, &once, NULL); rest(500));
  REPORT(alarm(0));
  struct itimerval wrong = { { 0, 0 }, { 0, 1000000 } };
  REPORT(setitimer(ITIMER_REAL, &wrong, NULL));
  REPORT(setitimer(7, &once, NULL));
  REPORT(getitimer(7, &old));
  REPORT(syscall(SYS_setitimer, ITIMER_REAL, 8, NULL));
  REPORT(syscall(SYS_getitimer, ITIMER_REAL, 8));
}

static void processor_time(void) {
  struct itimerval every = { { 0, 10000 }, { 0, 10000 } }, none = { { 0, 0 }, { 0, 0 } }, old;
  catch(SIGVTALRM);
  REPORT(setitimer(ITIMER_VIRTUAL, &every, NULL));
  burn(50);
  REPORT(setitimer(ITIMER_VIRTUAL, &none, &old));
  printf("virtual: %d, interval %d\n", count >= 1 && count <= 8, old.it_interval.tv_usec >= 10000);
  catch(SIGPROF);
  REPORT(setitimer(ITIMER_PROF, &every, NULL));
  burn(50);
  REPORT(setitimer(ITIMER_PROF, &none, NULL));
  printf("profiling: %d\n", count >= 1 && count <= 8);
}

static void *wait_for_end(void *end) {
  while (!__atomic_load_n((int *)end, __ATOMIC_SEQ_CST)) rest(5);
  return NULL;
}

static void posix_timers(void) {
  int timer, end = 0;
  struct sigevent event;
  struct itimerspec setting = { { 0, 0 }, { 0, 10000000 } }, old;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 77;
  catch(SIGUSR1);
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, &old));
  printf("old %d\n", (int)old.it_value.tv_nsec);
  rest(30);
  printf("once: %d code %d value %d overrun %d\n", count, last_code, last_value, last_overrun);
  REPORT(syscall(SYS_timer_gettime, timer, &old));
  printf("left %d %d\n", (int)old.it_value.tv_sec, (int)old.it_value.tv_nsec);

  setting.it_value = (struct timespec){ 100, 0 };
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, NULL));
  setting.it_value = (struct timespec){ 0, 0 };
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, &old));
  REPORT(syscall(SYS_timer_gettime, timer, &old));
  printf("disarmed: %d %d\n", (int)old.it_value.tv_sec, (int)old.it_value.tv_nsec);

  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  setting.it_value.tv_nsec = setting.it_interval.tv_nsec = 5000000;
  count = 0;
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, NULL));
  rest(52);
  sigprocmask(SIG_UNBLOCK, &blocked, NULL);
  printf("blocked: %d, overrun %d, same %d\n", count >= 1, last_overrun >= 0 && last_overrun <= 20,
         syscall(SYS_timer_getoverrun, timer) == last_overrun);
  REPORT(syscall(SYS_timer_gettime, timer, &old));
  printf("interval %d\n", (int)old.it_interval.tv_nsec);
  REPORT(syscall(SYS_timer_delete, timer));
  count = 0;
  rest(20);
  printf("deleted: %d\n", count);
  REPORT(syscall(SYS_timer_delete, timer));
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, NULL));
  REPORT(syscall(SYS_timer_gettime, timer, &old));
  REPORT(syscall(SYS_timer_getoverrun, timer));

  pthread_create(&worker, NULL, wait_for_end, &end);
  event.sigev_notify = SIGEV_SIGNAL;
  REPORT(syscall(SYS_timer_create, CLOCK_REALTIME, NULL, &timer));
  catch(SIGALRM);
  clock_gettime(CLOCK_REALTIME, &setting.it_value);
  setting.it_interval.tv_nsec = 0;
  setting.it_value.tv_nsec += 10000000;
  if (setting.it_value.tv_nsec >= 1000000000) setting.it_value.tv_sec++, setting.it_value.tv_nsec -= 1000000000;
  REPORT(syscall(SYS_timer_settime, timer, TIMER_ABSTIME, &setting, NULL));
  rest(30);
  printf("absolute: %d, value is the id %d\n", count, last_value == timer);
  setting.it_value.tv_sec = 1;
  count = 0;
  REPORT(syscall(SYS_timer_settime, timer, TIMER_ABSTIME, &setting, NULL));
  rest(20);
  printf("past: %d\n", count);
  REPORT(syscall(SYS_timer_delete, timer));

  event.sigev_notify = SIGEV_NONE;
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  setting.it_value = (struct timespec){ 100, 0 };
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, NULL));
  REPORT(syscall(SYS_timer_gettime, timer, &old));
  printf("silent: %d\n", old.it_value.tv_sec == 99 || old.it_value.tv_sec == 100);
  setting.it_value.tv_nsec = 1000000000;
  REPORT(syscall(SYS_timer_settime, timer, 0, &setting, NULL));
  REPORT(syscall(SYS_timer_settime, timer, 0, NULL, NULL));
  REPORT(syscall(SYS_timer_settime, timer, 0, (void *)8, NULL));
  event.sigev_notify = 9;
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = 65;
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  event.sigev_notify = 4;
  event.sigev_signo = SIGUSR2;
  ((int *)&event)[4] = 999999;
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer));
  REPORT(syscall(SYS_timer_create, 99, NULL, &timer));
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, NULL, &timer));
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8));
  REPORT(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &timer));
  __atomic_store_n(&end, 1, __ATOMIC_SEQ_CST);
  pthread_join(worker, NULL);
}

/* A timer that signals one thread. */
static void *own_timer(void *unused) {
  int timer;
  struct sigevent event;
  struct itimerspec setting = { { 0, 0 }, { 0, 5000000 } };
  memset(&event, 0, sizeof event);
  event.sigev_notify = 4;
  event.sigev_signo = SIGUSR2;
  ((int *)&event)[4] = syscall(SYS_gettid);
  worker = pthread_self();
  on_thread = 0;
  catch(SIGUSR2);
  syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer);
  syscall(SYS_timer_settime, timer, 0, &setting, NULL);
  rest(30);
  printf("thread timer: %d, on its thread %d\n", count, on_thread);
  return unused;
}

static void clocks(void) {
  struct timespec time_, resolution;
  struct timeval day;
  clockid_t own;
  for (int clock = 0; clock < 13; clock++) {
    if (clock == 8 || clock == 9) continue;
    errno = 0;
    int read = syscall(SYS_clock_gettime, clock, &time_), asked = syscall(SYS_clock_getres, clock, &resolution);
    printf("clock %d: %d %d %s\n", clock, read, asked, errno_name(errno));
  }
  clock_getres(CLOCK_MONOTONIC, &resolution);
  printf("resolution %d\n", (int)resolution.tv_nsec);
  REPORT(syscall(SYS_clock_getres, CLOCK_MONOTONIC, NULL));
  clock_gettime(CLOCK_REALTIME, &time_);
  syscall(SYS_gettimeofday, &day, NULL);
  printf("the same day: %d\n", day.tv_sec - time_.tv_sec <= 1 && time(NULL) - time_.tv_sec <= 1);
  printf("this century: %d\n", time_.tv_sec > 1500000000 && time_.tv_sec < 4000000000);
  REPORT(syscall(SYS_gettimeofday, (void *)8, NULL));
  REPORT(syscall(SYS_time, (void *)8));
  REPORT(clock_getcpuclockid(getpid(), &own));
  REPORT(clock_gettime(own, &time_));
  REPORT(syscall(SYS_clock_gettime, -1, &time_));
  REPORT(clock_settime(CLOCK_MONOTONIC, &time_));
  REPORT(syscall(SYS_clock_settime, CLOCK_REALTIME, (void *)8));
  REPORT(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &time_, NULL));
  REPORT(syscall(SYS_clock_nanosleep, 99, 0, &time_, NULL));
  IN_CHILD("unprivileged", setuid(4325); clock_gettime(CLOCK_REALTIME, &time_); REPORT(clock_settime(CLOCK_REALTIME, &time_)));
  clock_gettime(CLOCK_REALTIME, &time_);
  time_.tv_nsec = 0;
  REPORT(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time_, NULL));
}

int main(void) {
  pthread_t thread;
  setvbuf(stdout, NULL, _IONBF, 0);
  alarms();
  processor_time();
  posix_timers();
  pthread_create(&thread, NULL, own_timer, NULL);
  pthread_join(thread, NULL);
  clocks();
  return 0;
}
