/* pthread create, join, detach, exit; mutex, condition, barrier, read-write lock, once, thread-local storage. */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>
#include <sched.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static __thread long mine = 5;

static void *count(void *argument) {
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&lock);
    counter++;
    pthread_mutex_unlock(&lock);
    if (i % 256 == 0) sched_yield();
  }
  mine += (long)argument;
  return (void *)mine;
}

static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static int turn;

static void *play(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < 100; i++) {
    pthread_mutex_lock(&lock);
    while (turn != me) pthread_cond_wait(&turn_changed, &lock);
    turn = !me;
    pthread_cond_broadcast(&turn_changed);
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static pthread_barrier_t barrier;
static int arrived[4];

static void *meet(void *argument) {
  int me = (int)(long)argument;
  int complete = 1;
  for (int round = 0; round < 20; round++) {
    __atomic_fetch_add(&arrived[me], 1, __ATOMIC_SEQ_CST);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 4; i++) complete &= __atomic_load_n(&arrived[i], __ATOMIC_SEQ_CST) == round + 1;
    pthread_barrier_wait(&barrier);
  }
  return (void *)(long)complete;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;
static void initialise(void) { initialised++; }
static void *use_once(void *argument) { pthread_once(&once, initialise); return argument; }

static sem_t done;
static void *detached(void *argument) { (void)argument; sem_post(&done); return NULL; }
static void *leave(void *argument) { pthread_exit(argument); }

static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static long left, right;
static void *read_pair(void *argument) {
  (void)argument;
  long torn = 0;
  for (int i = 0; i < 500; i++) {
    pthread_rwlock_rdlock(&shared);
    torn += left != right;
    pthread_rwlock_unlock(&shared);
  }
  return (void *)torn;
}
static void *write_pair(void *argument) {
  (void)argument;
  for (int i = 0; i < 500; i++) {
    pthread_rwlock_wrlock(&shared);
    left++;
    right++;
    pthread_rwlock_unlock(&shared);
  }
  return NULL;
}

int main(void) {
  pthread_t thread[THREADS];
  void *result;
  for (long i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, count, (void *)i);
  for (long i = 0; i < THREADS; i++) {
    pthread_join(thread[i], &result);
    printf("thread %ld returned %ld\n", i, (long)result);
  }
  printf("counter %ld, main's own copy %ld\n", counter, mine);

  pthread_create(&thread[0], NULL, play, (void *)0);
  pthread_create(&thread[1], NULL, play, (void *)1);
  pthread_join(thread[0], NULL);
  pthread_join(thread[1], NULL);
  printf("ping-pong ended on turn %d\n", turn);

  pthread_barrier_init(&barrier, NULL, 4);
  for (long i = 0; i < 4; i++) pthread_create(&thread[i], NULL, meet, (void *)i);
  for (long i = 0; i < 4; i++) {
    pthread_join(thread[i], &result);
    printf("barrier %ld complete %ld\n", i, (long)result);
  }

  for (long i = 0; i < 4; i++) pthread_create(&thread[i], NULL, use_once, NULL);
  for (long i = 0; i < 4; i++) pthread_join(thread[i], NULL);
  printf("initialised %d time\n", initialised);

  sem_init(&done, 0, 0);
  for (int i = 0; i < 20; i++) {
    pthread_t gone;
    pthread_create(&gone, NULL, detached, NULL);
    pthread_detach(gone);
  }
  for (int i = 0; i < 20; i++) sem_wait(&done);
  printf("20 detached threads ran\n");

  pthread_create(&thread[0], NULL, leave, (void *)99);
  pthread_join(thread[0], &result);
  printf("pthread_exit gave %ld\n", (long)result);

  for (int i = 0; i < 3; i++) pthread_create(&thread[i], NULL, i ? read_pair : write_pair, NULL);
  for (int i = 0; i < 3; i++) pthread_join(thread[i], i ? &result : NULL), i ? (void)printf("torn reads %ld\n", (long)result) : (void)0;
  printf("pair %ld %ld\n", left, right);

  for (int i = 0; i < 300; i++) {
    pthread_create(&thread[0], NULL, use_once, (void *)(long)i);
    pthread_join(thread[0], &result);
    if ((long)result != i) printf("thread %d came back as %ld\n", i, (long)result);
  }
  printf("300 threads in sequence\n");
  return 0;
}
