/* Moving waiters, waking by a condition, absolute deadlines, locks whose owner dies, waits that go on after a stop. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

enum { REQUEUE = 131, CMP_REQUEUE = 132, WAKE_OP = 133, REALTIME = 256 };
#define OP(change, operand, test, argument) \
  (((unsigned)(change) << 28) | ((test) << 24) | (((operand) & 0xfff) << 12) | ((argument) & 0xfff))

static int word, other;
static int sleeping;

static long futex(int *address, int operation, int value, const void *timeout, int *second, int value3) {
  return syscall(SYS_futex, address, operation, value, timeout, second, value3);
}

static void *waiter(void *argument) {
  __atomic_fetch_add(&sleeping, 1, __ATOMIC_SEQ_CST);
  return (void *)futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (int)(intptr_t)argument);
}

static void settle(void) { nanosleep(&(struct timespec){ 0, 20000000 }, NULL); }

static void start(pthread_t *threads, int count) {
  sleeping = 0;
  for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, waiter, (void *)(intptr_t)(1 << i));
  while (__atomic_load_n(&sleeping, __ATOMIC_SEQ_CST) < count) sched_yield();
  settle();
}

static void join(pthread_t *threads, int count) {
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static struct timespec ahead(clockid_t clock, long nanoseconds) {
  struct timespec time;
  clock_gettime(clock, &time);
  time.tv_nsec += nanoseconds;
  if (time.tv_nsec >= 1000000000) time.tv_sec++, time.tv_nsec -= 1000000000;
  return time;
}

static void moving(void) {
  pthread_t threads[5];
  start(threads, 5);
  REPORT(futex(&word, CMP_REQUEUE, 1, (void *)2, &other, 7));
  REPORT(futex(&word, CMP_REQUEUE, 1, (void *)2, &other, 0));
  REPORT(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  REPORT(futex(&word, REQUEUE, 0, (void *)1, &other, 0));
  REPORT(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  REPORT(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  REPORT(futex(&word, CMP_REQUEUE, -1, (void *)2, &other, 0));
  REPORT(futex(&word, CMP_REQUEUE, 1, (void *)-1L, &other, 0));
  REPORT(futex(&word, CMP_REQUEUE, 1, (void *)1, (int *)((char *)&other + 1), 0));
  REPORT(futex((int *)8, CMP_REQUEUE, 1, (void *)1, &other, 0));
  join(threads, 5);
}

static void masks(void) {
  pthread_t threads[3];
  start(threads, 3);
  REPORT(futex(&word, 138, 10, NULL, NULL, 8));
  REPORT(futex(&word, 138, 10, NULL, NULL, 5));
  REPORT(futex(&word, 138, 10, NULL, NULL, 0));
  REPORT(futex(&word, 10, 10, NULL, NULL, -1));
  REPORT(futex(&word, 138, 10, NULL, NULL, -1));
  join(threads, 3);
}

static void changing(void) {
  pthread_t threads[2];
  other = 5;
  start(threads, 2);
  REPORT(futex(&other, WAKE_OP, 1, (void *)1, &word, OP(0, 0, 1, 0)));
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, &other, OP(1, 3, 4, 4)));
  printf("other is %d\n", other);
  REPORT(futex(&other, WAKE_OP, 1, (void *)1, &word, OP(2, 0, 0, 0)));
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, &other, OP(9, 4, 2, -3)));
  printf("other is %d\n", other);
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, &other, OP(3, 8, 3, 24)));
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, &other, OP(4, -1, 5, 24)));
  printf("other is %d\n", other);
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, &other, OP(5, 0, 0, 0)));
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, &other, OP(0, 0, 6, 0)));
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, (int *)8, OP(0, 0, 0, 0)));
  REPORT(futex(&word, WAKE_OP, 1, (void *)1, (int *)((char *)&other + 2), OP(0, 0, 0, 0)));
  join(threads, 2);
}

static void deadlines(void) {
  struct timespec past = { 0, 0 }, soon = ahead(CLOCK_MONOTONIC, 5000000);
  REPORT(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &past, NULL, -1));
  REPORT(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, &soon, NULL, -1));
  soon = ahead(CLOCK_REALTIME, 5000000);
  REPORT(futex(&word, FUTEX_WAIT_BITSET_PRIVATE | REALTIME, 0, &soon, NULL, -1));
  REPORT(futex(&word, FUTEX_WAIT_PRIVATE | REALTIME, 0, &soon, NULL, -1));
  REPORT(futex(&word, FUTEX_WAKE_PRIVATE | REALTIME, 0, NULL, NULL, 0));
}

static void *die_with_lock(void *lock) {
  pthread_mutex_lock(lock);
  return NULL;
}

static void robust(void) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t *lock = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(lock, &attributes);
  pthread_t thread;
  pthread_create(&thread, NULL, die_with_lock, lock);
  pthread_join(thread, NULL);
  printf("owner thread dead: %d\n", pthread_mutex_lock(lock) == EOWNERDEAD);
  printf("consistent: %d\n", pthread_mutex_consistent(lock));
  printf("unlock: %d\n", pthread_mutex_unlock(lock));
  fflush(stdout);
  if (fork() == 0) {
    pthread_mutex_lock(lock);
    settle();
    kill(getpid(), SIGKILL);
  }
  nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
  printf("owner process dead: %d\n", pthread_mutex_lock(lock) == EOWNERDEAD);
  printf("unlock without repair: %d\n", pthread_mutex_unlock(lock));
  printf("for ever unusable: %d\n", pthread_mutex_lock(lock) == ENOTRECOVERABLE);
  wait(NULL);
  void *head = NULL;
  size_t length = 0;
  REPORT(syscall(SYS_get_robust_list, 0, &head, &length));
  printf("head %d length %d\n", head != NULL, (int)length);
  REPORT(syscall(SYS_get_robust_list, 999999, &head, &length));
}

static void handler(int signal) { (void)signal; }

static void shared(void) {
  int *common = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  fflush(stdout);
  if (fork() == 0) _exit(futex(common, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 3 : 4);
  settle();
  REPORT(futex(common, FUTEX_WAKE, 10, NULL, NULL, 0));
  int status;
  wait(&status);
  report_status("waiter in another process", status);
}

/* A stop and its end are not seen by a wait; a handler ends it. */
static void stops(void) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    struct timespec relative = { 0, 80000000 };
    signal(SIGUSR1, handler);
    REPORT(futex(&word, FUTEX_WAIT_PRIVATE, 0, &relative, NULL, 0));
    REPORT(nanosleep(&relative, NULL));
    relative.tv_sec = 5;
    struct timespec rest = { 0, 0 };
    REPORT(nanosleep(&relative, &rest));
    printf("rest %d\n", rest.tv_sec >= 4);
    REPORT(futex(&word, FUTEX_WAIT_PRIVATE, 0, &relative, NULL, 0));
    REPORT(syscall(SYS_restart_syscall));
    fflush(stdout);
    _exit(0);
  }
  settle();
  kill(child, SIGSTOP);
  settle();
  kill(child, SIGCONT);
  nanosleep(&(struct timespec){ 0, 85000000 }, NULL);
  kill(child, SIGSTOP);
  settle();
  kill(child, SIGCONT);
  nanosleep(&(struct timespec){ 0, 120000000 }, NULL);
  kill(child, SIGUSR1);
  nanosleep(&(struct timespec){ 0, 60000000 }, NULL);
  kill(child, SIGUSR1);
  int status;
  wait(&status);
  report_status("stopped sleeper", status);
}

int main(void) {
  moving();
  masks();
  changing();
  deadlines();
  robust();
  shared();
  stops();
  return 0;
}
