/* As costs.ts: what it costs to create a thread and to join it, as musl does. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

enum { ROUNDS = 200 };

static uint64_t counter(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return ((uint64_t)high << 32) | low;
}

static void *body(void *argument) { return argument; }

static void create_and_join(void) {
  for (int round = 0; round < ROUNDS; round++) {
    pthread_t thread;
    if (pthread_create(&thread, 0, body, 0) != 0) _exit(1);
    pthread_join(thread, 0);
  }
}

int main(void) {
  create_and_join();
  uint64_t before = counter();
  create_and_join();
  printf("cost thread-create-join %llu\nend\n", (unsigned long long)((counter() - before) / ROUNDS));
  return 0;
}
