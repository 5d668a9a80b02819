/* Private mappings of files, and shared ones that are only read: contents, ends, rights, and what outlives what. */
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE };
static const char *file = "/tmp/mapping-of-a-test";

static sigjmp_buf escape;
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)context;
  printf("signal %d, code %d\n", number, info->si_code);
  siglongjmp(escape, 1);
}
#define TOUCH(what, statement) do { \
    if (sigsetjmp(escape, 1) == 0) { statement; printf("%s: done\n", what); } else printf("%s: faulted\n", what); \
    fflush(stdout); \
  } while (0)

static void outcome(const char *what, void *address) {
  printf("%s: %s\n", what, address == MAP_FAILED ? errno_name(errno) : "mapped");
  fflush(stdout);
}

/* Pages of 'a', 'b', ... with the last one cut short. */
static void fill(long size) {
  int fd = open(file, O_CREAT | O_TRUNC | O_WRONLY, 0700);
  char page[PAGE];
  for (long at = 0; at < size; at += PAGE) {
    memset(page, 'a' + (int)(at / PAGE), PAGE);
    long part = size - at < PAGE ? size - at : PAGE;
    if (write(fd, page, part) != part) printf("write failed\n");
  }
  close(fd);
}

int main(void) {
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER };
  action.sa_sigaction = on_fault;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  mkdir("/tmp", 0777);
  fill(20 * PAGE + 100);
  int fd = open(file, O_RDONLY);

  char *all = mmap(NULL, 24 * PAGE, RW, MAP_PRIVATE, fd, 0);
  outcome("all of it and more", all);
  printf("%c %c %c %d\n", all[0], all[19 * PAGE], all[20 * PAGE + 99], all[20 * PAGE + 100]);
  TOUCH("the end of the last page", all[21 * PAGE - 1] = 1);
  TOUCH("behind the last page", all[21 * PAGE] = 1);
  TOUCH("reading there", (void)*(volatile char *)(all + 23 * PAGE));
  all[5 * PAGE] = 'X';
  char *again = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 5 * PAGE);
  char byte = 0;
  pread(fd, &byte, 1, 5 * PAGE);
  printf("a write stays where it is: %c %c %c\n", all[5 * PAGE], again[0], byte);
  TOUCH("write to a read-only mapping", again[0] = 1);
  mprotect(again, PAGE, RW);
  again[0] = 'Y';
  printf("made writable: %c %c %c\n", again[0], again[PAGE], all[5 * PAGE]);
  REPORT(madvise(all + 5 * PAGE, PAGE, MADV_DONTNEED));
  printf("given up: %c\n", all[5 * PAGE]);

  all[6 * PAGE] = 'P';
  IN_CHILD("child", all[6 * PAGE]++; all[7 * PAGE]++; printf("%c %c %c\n", all[6 * PAGE], all[7 * PAGE], all[8 * PAGE]); fflush(stdout));
  printf("parent: %c %c\n", all[6 * PAGE], all[7 * PAGE]);

  char *shared = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
  outcome("shared, to be read", shared);
  printf("%c %c\n", shared[0], shared[2 * PAGE]);
  REPORT(mprotect(shared, PAGE, RW));
  TOUCH("write to it", *(volatile char *)shared = 1);
  outcome("shared, to be written, of a file that is not", mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
  outcome("misaligned offset", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100));
  outcome("no length", mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0));
  outcome("neither shared nor private", mmap(NULL, PAGE, PROT_READ, 0, fd, 0));
  outcome("past its end", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 64 * PAGE));
  int other = open(file, O_WRONLY);
  outcome("open for writing only", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, other, 0));
  close(other);
  other = open("/tmp", O_RDONLY | O_DIRECTORY);
  outcome("a directory", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, other, 0));
  close(other);
  other = open("/dev/null", O_RDWR);
  outcome("the null device", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, other, 0));
  close(other);
  other = open("/dev/zero", O_RDWR);
  char *zero = mmap(NULL, PAGE, RW, MAP_PRIVATE, other, 0);
  outcome("the zero device", zero);
  zero[5] = 1;
  close(other);
  int ends[2];
  pipe(ends);
  outcome("a pipe", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, ends[0], 0));
  outcome("no descriptor", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));

  char *fixed = mmap(all + 10 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
  printf("fixed in the middle: %d %c %c %c %c\n", fixed == all + 10 * PAGE, all[9 * PAGE], all[10 * PAGE], all[11 * PAGE], all[12 * PAGE]);
  REPORT(munmap(all + PAGE, PAGE));
  char *moved = mremap(all + 2 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
  outcome("moved and longer", moved);
  printf("%c %c %c\n", moved[0], moved[PAGE], moved[3 * PAGE]);

  int code = open(file, O_RDWR);
  pwrite(code, "\xc3", 1, 0);
  void (*function)(void) = (void (*)(void))mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, code, 0);
  TOUCH("code from a file", function());
  char *data = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, code, 0);
  printf("the file as it is now: %d\n", data[0] == (char)0xc3);
  TOUCH("which is not for running", ((void (*)(void))data)());
  close(code);
  close(fd);
  unlink(file);
  printf("closed and unlinked: %c %c\n", all[4 * PAGE], all[12 * PAGE]);
  fill(PAGE);
  fd = open(file, O_RDONLY);
  char *fresh = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
  printf("another file of that name: %c, the old one: %c\n", fresh[1], all[12 * PAGE]);
  unlink(file);
  return 0;
}
