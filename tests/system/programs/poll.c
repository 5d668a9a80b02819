/* poll, select, ppoll and pselect over pipes and event counters: what is ready, timeouts, signals, wake-ups. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <time.h>

static int ends[2];
static volatile int caught;

static void note(int number) { caught = number; }

static void show(const char *what, int result, struct pollfd *set, int count) {
  printf("%s: %d", what, result);
  for (int i = 0; i < count; i++) printf(" %#x", set[i].revents);
  printf("\n");
}

static void *write_later(void *text) {
  struct timespec pause = { 0, 20000000 };
  nanosleep(&pause, NULL);
  if (write(ends[1], text, strlen(text)) < 0) perror("write");
  return NULL;
}

static void *close_later(void *unused) {
  struct timespec pause = { 0, 20000000 };
  nanosleep(&pause, NULL);
  close(ends[1]);
  return unused;
}

static void polls(void) {
  char byte[8];
  struct pollfd set[3] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 }, { -1, POLLIN, 77 } };
  show("empty pipe", poll(set, 3, 0), set, 3);
  set[2].fd = 500;
  show("bad descriptor", poll(set, 3, 0), set, 3);
  REPORT(poll((struct pollfd *)8, 1, 0));
  REPORT(poll(set, 1 << 30, 0));
  REPORT(poll(NULL, 0, 10));
  pthread_t writer;
  pthread_create(&writer, NULL, write_later, "x");
  show("woken", poll(set, 1, -1), set, 1);
  pthread_join(writer, NULL);
  REPORT(read(ends[0], byte, 8));
  set[0].events = 0;
  show("nothing asked", poll(set, 1, 0), set, 1);
  char block[4096];
  memset(block, 'b', sizeof block);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  int written = 0;
  while (write(ends[1], block, sizeof block) > 0) written++;
  printf("blocks %d %s\n", written, errno_name(errno));
  show("full pipe", poll(set + 1, 1, 0), set + 1, 1);
  REPORT(write(ends[1], block, 5000));
  REPORT(read(ends[0], block, 4096));
  show("room again", poll(set + 1, 1, 0), set + 1, 1);
  REPORT(write(ends[1], block, 10));
  while (written-- > 1) if (read(ends[0], block, sizeof block) != sizeof block) printf("short\n");
  REPORT(read(ends[0], block, sizeof block));
  fcntl(ends[1], F_SETFL, 0);
  pthread_create(&writer, NULL, close_later, NULL);
  set[0].events = POLLIN;
  show("hang up", poll(set, 1, -1), set, 1);
  pthread_join(writer, NULL);
  REPORT(read(ends[0], byte, 1));
  close(ends[0]);
  if (pipe(ends)) return;
  close(ends[0]);
  set[1].fd = ends[1];
  show("no readers", poll(set + 1, 1, 0), set + 1, 1);
  close(ends[1]);
}

static void selects(void) {
  if (pipe(ends)) return;
  fd_set readable, writable;
  struct timeval none = { 0, 0 }, some = { 0, 10000 };
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_SET(ends[0], &readable);
  FD_SET(ends[1], &writable);
  REPORT(select(ends[1] + 1, &readable, &writable, NULL, &none));
  printf("sets %d %d\n", FD_ISSET(ends[0], &readable), FD_ISSET(ends[1], &writable));
  FD_SET(ends[0], &readable);
  REPORT(select(ends[0] + 1, &readable, NULL, NULL, &some));
  printf("left %ld %ld\n", (long)some.tv_sec, (long)some.tv_usec);
  FD_ZERO(&readable);
  FD_SET(40, &readable);
  REPORT(select(41, &readable, NULL, NULL, &none));
  REPORT(select(-1, NULL, NULL, NULL, &none));
  struct timeval wrong = { -1, 0 };
  REPORT(select(0, NULL, NULL, NULL, &wrong));
  pthread_t writer;
  pthread_create(&writer, NULL, write_later, "y");
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  REPORT(select(ends[0] + 1, &readable, NULL, NULL, NULL));
  pthread_join(writer, NULL);
}

static void signals(void) {
  sigset_t blocked, none;
  sigemptyset(&none);
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, NULL);
  struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART };
  sigaction(SIGUSR1, &action, NULL);
  kill(getpid(), SIGUSR1);
  struct pollfd set = { ends[0], POLLIN, 0 };
  struct timespec soon = { 0, 10000000 };
  REPORT(ppoll(&set, 1, &soon, NULL));
  printf("caught %d\n", caught);
  char byte;
  REPORT(read(ends[0], &byte, 1));
  REPORT(ppoll(&set, 1, &soon, &none));
  printf("caught %d\n", caught);
  caught = 0;
  kill(getpid(), SIGUSR1);
  REPORT(pselect(0, NULL, NULL, NULL, &soon, &none));
  printf("caught %d\n", caught);
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("still blocked %d\n", sigismember(&now, SIGUSR1));
}

static void counters(void) {
  unsigned long value = 0;
  int counter = eventfd(0, EFD_NONBLOCK), semaphore = eventfd(3, EFD_SEMAPHORE | EFD_CLOEXEC);
  struct pollfd set[2] = { { counter, POLLIN | POLLOUT, 0 }, { semaphore, POLLIN, 0 } };
  show("counters", poll(set, 2, 0), set, 2);
  REPORT(read(counter, &value, 8));
  REPORT(read(semaphore, &value, 4));
  REPORT(read(semaphore, &value, 8));
  printf("value %lu\n", value);
  value = ~0UL;
  REPORT(write(counter, &value, 8));
  value = ~0UL - 1;
  REPORT(write(counter, &value, 8));
  value = 1;
  REPORT(write(counter, &value, 8));
  show("full counter", poll(set, 1, 0), set, 1);
  REPORT(read(counter, &value, 8));
  printf("value %#lx\n", value);
  REPORT(eventfd(0, 8));
}

int main(void) {
  if (pipe(ends)) return 1;
  polls();
  selects();
  signals();
  counters();
  return 0;
}
