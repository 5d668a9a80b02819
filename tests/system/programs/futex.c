/* The futex system call itself: compare, wait, wake, timeout. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

static int word;
static int waiting;

static long futex(int *address, int operation, int value, const struct timespec *timeout, int *second, int value3) {
  return syscall(SYS_futex, address, operation, value, timeout, second, value3);
}

static void *wait_for_change(void *argument) {
  (void)argument;
  __atomic_fetch_add(&waiting, 1, __ATOMIC_SEQ_CST);
  long result = 0;
  while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0) result = futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  return (void *)result;
}

int main(void) {
  struct timespec soon = { 0, 1000000 };
  struct timespec negative = { -1, 0 };
  struct timespec malformed = { 0, 1000000000 };
  REPORT(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
  REPORT(futex(&word, FUTEX_WAIT, 0, &soon, NULL, 0));
  REPORT(futex(&word, FUTEX_WAIT, 0, &negative, NULL, 0));
  REPORT(futex(&word, FUTEX_WAIT, 0, &malformed, NULL, 0));
  REPORT(futex(&word, FUTEX_WAIT, 0, (struct timespec *)8, NULL, 0));
  REPORT(futex((int *)((char *)&word + 1), FUTEX_WAIT, 0, NULL, NULL, 0));
  REPORT(futex((int *)8, FUTEX_WAIT, 0, NULL, NULL, 0));
  REPORT(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
  REPORT(futex((int *)((char *)&word + 2), FUTEX_WAKE, 1, NULL, NULL, 0));
  REPORT(futex(&word, 77, 1, NULL, NULL, 0));
  REPORT(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0));

  pthread_t thread[4];
  for (int i = 0; i < 4; i++) pthread_create(&thread[i], NULL, wait_for_change, NULL);
  while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < 4) sched_yield();
  nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
  printf("woke %ld of a wrong address\n", futex(&waiting, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
  __atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
  printf("woke %ld\n", futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
  printf("woke %ld\n", futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
  printf("woke %ld\n", futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0));
  for (int i = 0; i < 4; i++) {
    void *result;
    pthread_join(thread[i], &result);
    printf("waiter returned %ld\n", (long)result);
  }
  return 0;
}
