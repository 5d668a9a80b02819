/* Resource limits and what enforces them, resource use, scheduling parameters, prctl, getrandom, getcpu. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/times.h>
#include <time.h>

static long prlimit_raw(int pid, int resource, void *new, void *old) {
  return syscall(SYS_prlimit64, pid, resource, new, old);
}

static void limits(void) {
  struct rlimit limit = { 100, 200 }, old;
  struct rlimit wrong = { 5, 4 };
  REPORT(setrlimit(RLIMIT_CORE, &limit));
  REPORT(getrlimit(RLIMIT_CORE, &old));
  printf("core %d %d\n", (int)old.rlim_cur, (int)old.rlim_max);
  REPORT(setrlimit(RLIMIT_CORE, &wrong));
  REPORT(setrlimit(99, &limit));
  REPORT(getrlimit(99, &old));
  REPORT(prlimit_raw(0, RLIMIT_CORE, NULL, (void *)8));
  REPORT(prlimit_raw(0, RLIMIT_CORE, (void *)8, NULL));
  REPORT(prlimit_raw(999999, RLIMIT_CORE, NULL, &old));
  REPORT(prlimit_raw(getpid(), 16, NULL, &old));
  IN_CHILD("inherited", getrlimit(RLIMIT_CORE, &old); _exit(old.rlim_cur == 100 && old.rlim_max == 200 ? 1 : 2));
  IN_CHILD("unprivileged", setuid(4322); limit.rlim_max = 150; REPORT(setrlimit(RLIMIT_CORE, &limit));
           limit.rlim_max = 160; REPORT(setrlimit(RLIMIT_CORE, &limit)); REPORT(prlimit_raw(getppid(), RLIMIT_CORE, NULL, &old)));
  IN_CHILD("too many processes", setuid(4323); limit.rlim_cur = limit.rlim_max = 1; setrlimit(RLIMIT_NPROC, &limit); REPORT(fork()));
  getrlimit(RLIMIT_STACK, &old);
  printf("stack %d\n", (int)(old.rlim_cur >> 10));
}

static volatile int spins;
/* Uses the processor for so long. */
static void spin(int milliseconds) {
  struct timespec start, now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
  do {
    for (int i = 0; i < 10000; i++) spins++;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < milliseconds);
}

static long used(int who) {
  struct rusage usage;
  getrusage(who, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void use(void) {
  long before = used(RUSAGE_SELF);
  spin(30);
  long own = used(RUSAGE_SELF) - before;
  printf("own time grew: %d\n", own >= 20 && own < 100);
  printf("thread's too: %d\n", used(RUSAGE_THREAD) >= 20);
  printf("no child yet: %d\n", used(RUSAGE_CHILDREN) < 20);
  struct rusage usage;
  int status;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) { spin(30); _exit(0); }
  printf("wait4: %d\n", (int)wait4(child, &status, 0, &usage) == child);
  printf("child's time: %d\n", usage.ru_utime.tv_usec + usage.ru_stime.tv_usec >= 20000);
  printf("children's time: %d\n", used(RUSAGE_CHILDREN) >= 20);
  struct tms times_;
  clock_t now = times(&times_);
  printf("times: %d %d %d\n", times_.tms_utime + times_.tms_stime >= 2, times_.tms_cutime + times_.tms_cstime >= 2, now != (clock_t)-1);
  REPORT(syscall(SYS_getrusage, 7, &usage));
  REPORT(syscall(SYS_getrusage, 0, (void *)8));
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  printf("processor clock: %d\n", cpu.tv_sec > 0 || cpu.tv_nsec >= 20000000);
  struct sysinfo info;
  REPORT(sysinfo(&info));
  printf("memory: %d %d\n", info.totalram > info.freeram, info.freeram > 0);
  printf("procs %d swap %d\n", info.procs > 0, info.totalswap >= info.freeswap);
}

static void scheduling(void) {
  setpriority(PRIO_PROCESS, 0, 0);
  struct sched_param parameter = { 0 };
  struct timespec interval;
  REPORT(syscall(SYS_sched_getscheduler, 0));
  REPORT(syscall(SYS_sched_getparam, 0, &parameter));
  printf("priority %d\n", parameter.sched_priority);
  REPORT(sched_get_priority_max(SCHED_FIFO));
  REPORT(sched_get_priority_min(SCHED_RR));
  REPORT(sched_get_priority_max(SCHED_OTHER));
  REPORT(sched_get_priority_min(77));
  parameter.sched_priority = 10;
  REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &parameter));
  REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &parameter));
  REPORT(syscall(SYS_sched_getscheduler, 0));
  REPORT(syscall(SYS_sched_rr_get_interval, 0, &interval));
  printf("slice %d\n", (int)interval.tv_nsec);
  parameter.sched_priority = 20;
  REPORT(syscall(SYS_sched_setparam, 0, &parameter));
  parameter.sched_priority = 100;
  REPORT(syscall(SYS_sched_setparam, 0, &parameter));
  REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_RR, &parameter));
  REPORT(syscall(SYS_sched_setscheduler, 0, 99, &parameter));
  REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_RR, NULL));
  REPORT(syscall(SYS_sched_setscheduler, -1, SCHED_RR, &parameter));
  REPORT(syscall(SYS_sched_setscheduler, 999999, SCHED_RR, &parameter));
  parameter.sched_priority = 0;
  REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &parameter));
  REPORT(syscall(SYS_sched_getscheduler, 0));
  REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &parameter));
  REPORT(getpriority(PRIO_PROCESS, 0));
  REPORT(setpriority(PRIO_PROCESS, 0, 5));
  REPORT(getpriority(PRIO_PROCESS, 0));
  REPORT(setpriority(PRIO_PROCESS, getpid(), 99));
  REPORT(getpriority(PRIO_PROCESS, getpid()));
  IN_CHILD("inherits", REPORT(getpriority(PRIO_PROCESS, 0)));
  REPORT(setpriority(PRIO_PROCESS, 0, -5));
  REPORT(getpriority(PRIO_PROCESS, 0));
  REPORT(setpriority(PRIO_PROCESS, 0, 0));
  REPORT(getpriority(7, 0));
  REPORT(getpriority(PRIO_PROCESS, 999999));
  IN_CHILD("unprivileged", setuid(4324); REPORT(setpriority(PRIO_PROCESS, 0, 3)); REPORT(setpriority(PRIO_PROCESS, 0, -1));
           REPORT(setpriority(PRIO_PROCESS, getppid(), 1)); parameter.sched_priority = 1;
           REPORT(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &parameter)));
}

static void *name_itself(void *unused) {
  char name[16];
  prctl(PR_SET_NAME, "worker");
  prctl(PR_GET_NAME, name);
  printf("thread is %s\n", name);
  return unused;
}

static void on_signal(int number) { printf("parent died: %d\n", number); fflush(stdout); }

static void control(void) {
  char name[16];
  int value = 9;
  pthread_t thread;
  REPORT(prctl(PR_SET_NAME, "a name that is much too long"));
  REPORT(prctl(PR_GET_NAME, name));
  puts(name);
  pthread_create(&thread, NULL, name_itself, NULL);
  pthread_join(thread, NULL);
  REPORT(prctl(PR_GET_NAME, name));
  puts(name);
  IN_CHILD("named child", prctl(PR_GET_NAME, name); puts(name); fflush(stdout));
  REPORT(prctl(PR_SET_NAME, 8));
  REPORT(prctl(PR_GET_DUMPABLE));
  REPORT(prctl(PR_SET_DUMPABLE, 0));
  REPORT(prctl(PR_GET_DUMPABLE));
  REPORT(prctl(PR_SET_DUMPABLE, 5));
  REPORT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  REPORT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  REPORT(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  REPORT(prctl(PR_SET_PDEATHSIG, 65));
  REPORT(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  REPORT(prctl(PR_GET_PDEATHSIG, &value));
  printf("death signal %d\n", value);
  IN_CHILD("not inherited", prctl(PR_GET_PDEATHSIG, &value); printf("death signal %d\n", value); fflush(stdout));
  REPORT(prctl(PR_SET_PDEATHSIG, 0));
  REPORT(prctl(12345));
  REPORT(prctl(PR_SET_CHILD_SUBREAPER, 1));
  REPORT(prctl(PR_GET_CHILD_SUBREAPER, &value));
  printf("subreaper %d\n", value);
  fflush(stdout);
  if (fork() == 0) {
    if (fork() == 0) {
      signal(SIGUSR1, on_signal);
      prctl(PR_SET_PDEATHSIG, SIGUSR1);
      nanosleep(&(struct timespec){ 0, 60000000 }, NULL);
      _exit(11);
    }
    nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
    _exit(12);
  }
  int first, second;
  wait(&first);
  wait(&second);
  report_status("child", first);
  report_status("adopted grandchild", second);
}

static void odds(void) {
  unsigned char bytes[300] = { 0 };
  unsigned cpu = 9, node = 9;
  int different = 0;
  REPORT(syscall(SYS_getrandom, bytes, sizeof bytes, 0));
  for (int i = 1; i < 300; i++) different += bytes[i] != bytes[i - 1];
  printf("random: %d\n", different > 200);
  REPORT(syscall(SYS_getrandom, bytes, 5, 1));
  REPORT(syscall(SYS_getrandom, bytes, 5, 64));
  REPORT(syscall(SYS_getrandom, (void *)8, 5, 0));
  REPORT(syscall(SYS_getcpu, &cpu, &node, NULL));
  printf("node %d\n", node);
  REPORT(syscall(SYS_personality, 0xffffffff));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  limits();
  use();
  scheduling();
  control();
  odds();
  return 0;
}
