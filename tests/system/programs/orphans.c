/* A process whose parent is gone belongs to init; its pipe still reports. */
#include "check.h"
#include <sched.h>

int main(void) {
  int status;
  int ends[2];
  if (pipe(ends)) return 1;
  pid_t middle = fork();
  if (middle == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      while (getppid() == middle) sched_yield();
      if (write(ends[1], "A", 1) != 1) _exit(1);
      _exit(0);
    }
    _exit(0);
  }
  waitpid(middle, &status, 0);
  close(ends[1]);
  char byte = 0;
  long got = read(ends[0], &byte, 1);
  printf("orphan reported: %ld %c\n", got, byte);
  printf("then end of file: %zd\n", read(ends[0], &byte, 1));

  return 0;
}
