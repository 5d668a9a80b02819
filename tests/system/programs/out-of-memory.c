/* Children that use all the memory there is are killed; everybody else goes on. Not for Linux: it would take this seriously. */
#include "check.h"
#include <signal.h>
#include <sys/mman.h>

enum { PAGE = 4096, MEGABYTE = 1 << 20 };

static void use_everything(void) {
  for (;;) {
    char *more = mmap(NULL, MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (more == MAP_FAILED) _exit(1);
    for (int at = 0; at < MEGABYTE; at += PAGE) more[at] = 1;
  }
}

int main(void) {
  pid_t bystander = fork();
  if (bystander == 0) {
    char *mine = mmap(NULL, MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (;;) {
      for (int at = 0; at < MEGABYTE; at += PAGE) mine[at]++;
      madvise(mine, MEGABYTE, MADV_DONTNEED);
    }
  }
  for (int round = 0; round < 3; round++) IN_CHILD("a child that wants everything", use_everything());
  printf("the bystander lives: %d\n", kill(bystander, 0));
  kill(bystander, SIGKILL);
  int status;
  waitpid(bystander, &status, 0);
  report_status("bystander", status);
  char *again = mmap(NULL, 8 * MEGABYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(again, 1, 8 * MEGABYTE);
  printf("there is memory again\n");
  return 0;
}
