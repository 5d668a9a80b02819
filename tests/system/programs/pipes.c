/* pipe, dup, fcntl, poll, O_NONBLOCK, large transfers between processes. */
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

int main(void) {
  int ends[2];
  char buffer[65536];
  REPORT(pipe((int *)8));
  REPORT(pipe(ends));
  REPORT(write(ends[1], "hello", 5));
  REPORT(read(ends[0], (char *)8, 3));
  REPORT(read(ends[0], buffer, 3));
  REPORT(read(ends[0], buffer, 30));
  REPORT(fcntl(ends[0], F_SETFL, O_NONBLOCK));
  REPORT(read(ends[0], buffer, 1));
  REPORT(fcntl(ends[0], F_SETFL, 0));
  struct pollfd poll_set[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
  REPORT(poll(poll_set, 2, 0));
  printf("events %d %d\n", poll_set[0].revents, poll_set[1].revents);
  REPORT(write(ends[1], "x", 1));
  REPORT(poll(poll_set, 1, -1));
  printf("events %d\n", poll_set[0].revents);
  REPORT(read(ends[0], buffer, 1));
  REPORT(poll(poll_set, 1, 5));

  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    for (int i = 0; i < 300; i++) {
      memset(buffer, i, 1000);
      if (write(ends[1], buffer, 1000) != 1000) _exit(1);
    }
    _exit(0);
  }
  close(ends[1]);
  long total = 0, sum = 0;
  for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0; total += got)
    for (ssize_t i = 0; i < got; i++) sum += (unsigned char)buffer[i];
  int status;
  waitpid(child, &status, 0);
  report_status("writer", status);
  printf("received %ld bytes, sum %ld\n", total, sum);
  REPORT(close(ends[0]));
  REPORT(close(ends[0]));

  if (pipe(ends)) return 1;
  int copy = dup(ends[1]);
  close(ends[1]);
  REPORT(write(copy, "d", 1));
  REPORT(dup2(copy, 100) == 100);
  REPORT(write(100, "e", 1));
  REPORT(read(ends[0], buffer, 10));
  REPORT(dup2(999, 5));
  REPORT(dup(-1));
  REPORT(fcntl(copy, F_GETFD));
  REPORT(fcntl(copy, F_SETFD, FD_CLOEXEC));
  REPORT(fcntl(copy, F_GETFD));
  REPORT(fcntl(copy, F_DUPFD, 200) == 200);
  REPORT(lseek(ends[0], 0, SEEK_SET));
  REPORT(write(ends[0], "x", 1));
  REPORT(read(copy, buffer, 1));

  int event = eventfd(3, 0);
  unsigned long number = 4;
  REPORT(write(event, &number, 8));
  REPORT(read(event, &number, 8));
  printf("event count %lu\n", number);
  return 0;
}
