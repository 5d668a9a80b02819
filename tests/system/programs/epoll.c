/* epoll: levels and edges, one-shot, what is closed, lists in lists, errors, waiting threads, timeouts. */
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int list;

static void wait_and_print(const char *what, int timeout) {
  struct epoll_event events[8];
  int count = epoll_wait(list, events, 8, timeout);
  printf("%s: %d", what, count);
  for (int index = 0; index < count; index++) printf(" [%x %d]", events[index].events, (int)events[index].data.u32);
  printf("\n");
  fflush(stdout);
}

static int control(int operation, int descriptor, unsigned events, int data) {
  struct epoll_event event = { .events = events, .data.u32 = data };
  return epoll_ctl(list, operation, descriptor, &event);
}

static void *write_later(void *end) {
  usleep(20000);
  if (write(*(int *)end, "x", 1) != 1) perror("write");
  return NULL;
}

int main(void) {
  int ends[2], other, counter;
  char buffer[64];
  REPORT(epoll_create(0));
  REPORT(epoll_create1(7));
  list = epoll_create1(EPOLL_CLOEXEC);
  printf("close on exec %d\n", fcntl(list, F_GETFD));
  REPORT(pipe(ends));
  REPORT(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  REPORT(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 1));
  REPORT(control(EPOLL_CTL_MOD, ends[1], EPOLLOUT, 2));
  REPORT(control(EPOLL_CTL_DEL, ends[1], 0, 0));
  REPORT(control(EPOLL_CTL_ADD, list, EPOLLIN, 1));
  REPORT(control(EPOLL_CTL_ADD, 99, EPOLLIN, 1));
  REPORT(control(9, ends[0], EPOLLIN, 1));
  REPORT(epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], &(struct epoll_event){ 0 }));
  REPORT(epoll_ctl(list, EPOLL_CTL_ADD, ends[1], (void *)8));
  REPORT(epoll_wait(list, (void *)8, 0, 0));
  wait_and_print("nothing", 0);
  wait_and_print("timeout", 10);

  if (write(ends[1], "abc", 3) != 3) return 1;
  REPORT(epoll_wait(list, (void *)8, 1, 0));
  wait_and_print("level", 0);
  wait_and_print("level again", -1);
  REPORT(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET, 3));
  wait_and_print("edge", 0);
  wait_and_print("edge is over", 0);
  if (write(ends[1], "d", 1) != 1) return 1;
  wait_and_print("another edge", 0);
  REPORT(control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT, 4));
  wait_and_print("one shot", 0);
  wait_and_print("spent", 0);
  REPORT(control(EPOLL_CTL_MOD, ends[0], EPOLLIN, 5));
  wait_and_print("armed again", 0);
  REPORT(read(ends[0], buffer, sizeof buffer));
  wait_and_print("drained", 0);

  counter = eventfd(0, EFD_NONBLOCK);
  REPORT(control(EPOLL_CTL_ADD, counter, EPOLLIN | EPOLLOUT, 6));
  REPORT(control(EPOLL_CTL_ADD, ends[1], EPOLLOUT, 7));
  wait_and_print("two writable", 0);
  other = epoll_create1(0);
  struct epoll_event event = { .events = EPOLLIN, .data.u32 = 8 };
  REPORT(epoll_ctl(other, EPOLL_CTL_ADD, list, &event));
  REPORT(epoll_ctl(list, EPOLL_CTL_ADD, other, &event));
  REPORT(epoll_wait(other, &event, 1, 0));

  REPORT(control(EPOLL_CTL_DEL, counter, 0, 0));
  int twin = dup(ends[1]);
  close(ends[1]);
  wait_and_print("closed but for a twin", 0);
  close(twin);
  wait_and_print("hung up", 0);
  close(ends[0]);
  wait_and_print("gone", 0);

  REPORT(pipe(ends));
  REPORT(control(EPOLL_CTL_ADD, ends[0], EPOLLIN, 9));
  pthread_t thread;
  pthread_create(&thread, NULL, write_later, &ends[1]);
  wait_and_print("woken", -1);
  pthread_join(thread, NULL);
  return 0;
}
