/* mremap, madvise, mlock, mincore, msync, MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, holes, RLIMIT_AS, _DATA and _STACK. */
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { PAGE = 4096 };
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#define MAP_NOREPLACE 0x100000
#define ADVICE_COLD 20
#define ADVICE_POPULATE_READ 22
#define ADVICE_POPULATE_WRITE 23
#define ADVICE_WIPEONFORK 18

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

static char *map(long pages, int protection, int flags) {
  return mmap(NULL, pages * PAGE, protection, flags | MAP_ANONYMOUS, -1, 0);
}
/* An address range with nothing in it, for mappings whose neighbours are known. */
static char *hole(long pages) {
  char *at = map(pages, PROT_NONE, MAP_PRIVATE);
  munmap(at, pages * PAGE);
  return at;
}
static char *place(char *at, long pages, int protection) {
  return mmap(at, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}
static long raw_remap(void *at, long from, long to, int flags, void *target) {
  return syscall(SYS_mremap, at, from, to, flags, target);
}
/* An address as its distance from another, an error as it is. */
static void where(const char *what, long result, char *base) {
  if (result == -1) printf("%s: -1 %s\n", what, errno_name(errno));
  else printf("%s: base + %ld pages\n", what, (long)((char *)result - base) / PAGE);
  fflush(stdout);
}
static void residency(const char *what, char *at, int pages) {
  unsigned char vector[32];
  memset(vector, 7, sizeof vector);
  printf("%s: mincore %d", what, (int)syscall(SYS_mincore, at, pages * PAGE, vector));
  for (int i = 0; i < pages; i++) printf(" %d", vector[i] & 1);
  printf("\n");
}
enum { RW = PROT_READ | PROT_WRITE };

static void remapping(void) {
  char *base = hole(64);
  place(base, 4, RW);
  for (int i = 0; i < 4; i++) base[i * PAGE] = (char)(i + 1);
  where("grow in place", raw_remap(base, 4 * PAGE, 8 * PAGE, 0, 0), base);
  printf("%d %d %d\n", base[3 * PAGE], base[4 * PAGE], base[7 * PAGE]);
  place(base + 8 * PAGE, 1, PROT_READ);
  where("no room", raw_remap(base, 8 * PAGE, 12 * PAGE, 0, 0), base);
  where("shrink", raw_remap(base, 8 * PAGE, 2 * PAGE, 0, 0), base);
  TOUCH("what was cut off", base[2 * PAGE] = 1);
  where("fixed", raw_remap(base, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 20 * PAGE), base);
  printf("%d %d %d\n", base[20 * PAGE], base[21 * PAGE], base[22 * PAGE]);
  TOUCH("the old place", *(volatile char *)base);
  where("fixed and shorter", raw_remap(base + 20 * PAGE, 3 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 30 * PAGE), base);
  TOUCH("the rest of the old place", *(volatile char *)(base + 21 * PAGE));
  where("fixed without maymove", raw_remap(base + 30 * PAGE, PAGE, PAGE, MREMAP_FIXED, base + 40 * PAGE), base);
  where("onto itself", raw_remap(base + 30 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 31 * PAGE - PAGE), base);
  where("misaligned target", raw_remap(base + 30 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 1), base);
  where("misaligned", raw_remap(base + 1, PAGE, PAGE, MREMAP_MAYMOVE, 0), base);
  where("to nothing", raw_remap(base + 30 * PAGE, PAGE, 0, MREMAP_MAYMOVE, 0), base);
  where("from nothing, private", raw_remap(base + 30 * PAGE, 0, PAGE, MREMAP_MAYMOVE, 0), base);
  where("unmapped", raw_remap(base + 60 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE, 0), base);
  where("past its end", raw_remap(base + 30 * PAGE, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE, 0), base);
  where("unknown flag", raw_remap(base + 30 * PAGE, PAGE, PAGE, 8, 0), base);
  where("keep the old", raw_remap(base + 30 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, base + 50 * PAGE), base);
  printf("%d %d\n", base[30 * PAGE], base[50 * PAGE]);

  place(base, 3, RW);
  memset(base, 5, 3 * PAGE);
  mprotect(base + PAGE, PAGE, PROT_READ);
  where("two areas at once", raw_remap(base, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0), base);
  char *moved = (char *)raw_remap(base + 2 * PAGE, PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 40 * PAGE);
  where("part of an area", (long)moved, base);
  printf("%d %d\n", moved[0], moved[PAGE]);

  char *shared = map(2, RW, MAP_SHARED);
  shared[0] = 11;
  char *twin = (char *)raw_remap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE, 0);
  twin[PAGE] = 12;
  printf("a second mapping of the same: %d %d\n", twin[0], shared[PAGE]);
  char *longer = (char *)raw_remap(shared, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0);
  printf("%d %d\n", longer[0], longer[PAGE]);
  TOUCH("past the end of shared memory", longer[2 * PAGE] = 1);
  munmap(longer, 4 * PAGE);
  printf("still there: %d\n", twin[PAGE]);
  IN_CHILD("a child writes", twin[0] = 99);
  printf("seen: %d\n", twin[0]);
  REPORT(madvise(twin, 2 * PAGE, MADV_DONTNEED));
  printf("kept: %d %d\n", twin[0], twin[PAGE]);
  REPORT(madvise(twin, PAGE, MADV_REMOVE));
  printf("removed: %d %d\n", twin[0], twin[PAGE]);
}

static void advice(void) {
  char *base = hole(16);
  place(base, 4, RW);
  memset(base, 3, 4 * PAGE);
  REPORT(madvise(base + PAGE, PAGE, MADV_DONTNEED));
  printf("%d %d %d\n", base[0], base[PAGE], base[2 * PAGE]);
  residency("after reading", base, 4);
  REPORT(madvise(base + PAGE, 2 * PAGE, MADV_DONTNEED));
  residency("after dropping", base, 4);
  REPORT(madvise(base + 1, PAGE, MADV_DONTNEED));
  REPORT(madvise(base, PAGE, 77));
  REPORT(madvise(base, 0, MADV_DONTNEED));
  REPORT(madvise(base + 3 * PAGE, 3 * PAGE, MADV_DONTNEED));
  printf("%d\n", base[3 * PAGE]);
  REPORT(madvise(base + 8 * PAGE, PAGE, MADV_NORMAL));
  REPORT(madvise(base, -PAGE, MADV_NORMAL));
  REPORT(madvise(base, 4 * PAGE, MADV_WILLNEED));
  REPORT(madvise(base, 4 * PAGE, MADV_RANDOM));
  REPORT(madvise(base, 4 * PAGE, MADV_DONTDUMP));
  REPORT(madvise(base, 4 * PAGE, ADVICE_COLD));
  REPORT(madvise(base, PAGE, MADV_REMOVE));
  REPORT(madvise(base, 4 * PAGE, MADV_DONTNEED));
  REPORT(madvise(base, 2 * PAGE, ADVICE_POPULATE_READ));
  REPORT(madvise(base + PAGE, 2 * PAGE, ADVICE_POPULATE_WRITE));
  residency("populated", base, 4);
  mprotect(base, PAGE, PROT_READ);
  REPORT(madvise(base, PAGE, ADVICE_POPULATE_WRITE));
  mprotect(base, PAGE, RW);
  base[0] = 1;
  base[PAGE] = 2;
  base[2 * PAGE] = 3;
  REPORT(madvise(base, PAGE, MADV_DONTFORK));
  REPORT(madvise(base + PAGE, PAGE, ADVICE_WIPEONFORK));
  IN_CHILD("child of advice", TOUCH("not forked", *(volatile char *)base); printf("%d %d\n", base[PAGE], base[2 * PAGE]); fflush(stdout));
  REPORT(madvise(base, PAGE, MADV_DOFORK));
  IN_CHILD("child after all", printf("%d\n", base[0]); fflush(stdout));

  unsigned char vector[4];
  REPORT(syscall(SYS_mincore, base + 1, PAGE, vector));
  REPORT(syscall(SYS_mincore, base + 8 * PAGE, PAGE, vector));
  REPORT(syscall(SYS_mincore, base, 4 * PAGE, (void *)16));
  REPORT(syscall(SYS_mincore, base, 0, vector));
  REPORT(syscall(SYS_mincore, -PAGE, PAGE, vector));
}

static void locks(void) {
  char *base = hole(16);
  place(base, 4, RW);
  REPORT(mlock(base + PAGE + 5, PAGE));
  residency("locked", base, 4);
  REPORT(madvise(base, 4 * PAGE, MADV_DONTNEED));
  REPORT(munlock(base, 4 * PAGE));
  REPORT(madvise(base, 4 * PAGE, MADV_DONTNEED));
  residency("unlocked", base, 4);
  REPORT(mlock(base + 3 * PAGE, 2 * PAGE));
  REPORT(munlock(base + 3 * PAGE, 2 * PAGE));
  REPORT(mlock(base, 0));
  REPORT(mlock(base, -PAGE));
  REPORT(mlock(base + 8 * PAGE, PAGE));
  REPORT(mlockall(0));
  REPORT(mlockall(8));
  REPORT(mlockall(MCL_FUTURE));
  char *later = map(2, RW, MAP_PRIVATE);
  residency("locked from birth", later, 2);
  REPORT(madvise(later, PAGE, MADV_DONTNEED));
  REPORT(munlockall());
  REPORT(madvise(later, PAGE, MADV_DONTNEED));
  REPORT(msync(base, 4 * PAGE, MS_SYNC));
  REPORT(msync(base, 4 * PAGE, MS_SYNC | MS_ASYNC));
  REPORT(msync(base + 1, PAGE, MS_SYNC));
  REPORT(msync(base, 8 * PAGE, MS_SYNC));
  REPORT(msync(base, 4 * PAGE, 16));
  mlock(base, PAGE);
  REPORT(msync(base, PAGE, MS_INVALIDATE));
}

static void holes(void) {
  char *base = hole(16);
  place(base, 2, RW);
  place(base + 3 * PAGE, 2, RW);
  REPORT(mprotect(base, 5 * PAGE, PROT_READ));
  TOUCH("before the hole", base[PAGE] = 1);
  TOUCH("behind the hole", base[3 * PAGE] = 1);
  REPORT(mprotect(base + 2 * PAGE, PAGE, PROT_READ));
  REPORT(mprotect(base, PAGE, 0x10));
  REPORT(mprotect(base, PAGE, RW | 8));
  REPORT(mprotect(base, -PAGE, PROT_READ));
  REPORT(munmap(base, 16 * PAGE));
  REPORT(munmap(base, 16 * PAGE));
  place(base + 4 * PAGE, 2, RW);
  where("no replacement", (long)mmap(base + 3 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NOREPLACE, -1, 0), base);
  where("no need for one", (long)mmap(base + 2 * PAGE, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NOREPLACE, -1, 0), base);
  where("a hint", (long)mmap(base + 8 * PAGE + 77, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base);
  where("unknown protection", (long)mmap(base + 9 * PAGE, PAGE, RW | 0x80, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), base);
  REPORT((long)mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
  REPORT((long)mmap(NULL, -1, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REPORT((long)mmap((void *)-PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  REPORT((long)mmap(NULL, PAGE, RW, MAP_SHARED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REPORT((long)mmap(NULL, PAGE, RW, MAP_SHARED | MAP_GROWSDOWN | MAP_ANONYMOUS, -1, 0));
  REPORT((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, 77, 0));

  char *reserved = mmap(NULL, 300L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  printf("300 GiB reserved: %d\n", reserved != MAP_FAILED);
  REPORT(mprotect(reserved + (200L << 30), PAGE, RW));
  TOUCH("in the middle of it", reserved[200L << 30] = 1);
  REPORT(munmap(reserved, 300L << 30));

  char *low = hole(4096);
  char *stack = mmap(low + 2048 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
  TOUCH("a stack grows", stack[-PAGE] = 1);
  TOUCH("by leaps", stack[-300 * PAGE] = 1);
  REPORT(mprotect(stack, PAGE, PROT_READ | PROT_GROWSDOWN));
  TOUCH("all of it read-only", stack[-100 * PAGE] = 1);
  REPORT(mprotect(stack, PAGE, PROT_READ | PROT_GROWSUP));
  place(stack - 600 * PAGE, 1, RW);
  mprotect(stack, PAGE, RW | PROT_GROWSDOWN);
  TOUCH("up to its guard gap", stack[-343 * PAGE] = 1);
  TOUCH("into its guard gap", stack[-344 * PAGE] = 1);

  char *code = map(1, RW, MAP_PRIVATE);
  code[0] = (char)0xc3;
  TOUCH("data is not code", ((void (*)(void))code)());
  mprotect(code, PAGE, PROT_READ | PROT_EXEC);
  TOUCH("code is", ((void (*)(void))code)());
  mprotect(code, PAGE, PROT_EXEC);
  TOUCH("code alone runs", ((void (*)(void))code)());
  mprotect(code, PAGE, PROT_WRITE);
  TOUCH("what may be written may be read", printf("%d ", *(volatile char *)code));
}

static void limit(int resource, rlim_t soft) {
  struct rlimit both;
  getrlimit(resource, &both);
  both.rlim_cur = soft;
  setrlimit(resource, &both);
}

static long recurse(int depth) {
  volatile char frame[PAGE];
  frame[0] = (char)depth;
  return depth == 0 ? 0 : recurse(depth - 1) + frame[0] - (char)depth + 1;
}

static void lock_limits(void) {
  char *base = hole(16);
  place(base, 4, RW);
  limit(RLIMIT_MEMLOCK, 2 * PAGE + 5);
  if (setuid(65534) != 0) printf("no other user\n");
  REPORT(mlock(base, 2 * PAGE));
  REPORT(mlock(base + 2 * PAGE, PAGE));
  REPORT(mlock(base, 2 * PAGE));
  REPORT(munlock(base, PAGE));
  REPORT(mlock(base + 2 * PAGE, PAGE));
  REPORT(mlockall(MCL_CURRENT));
  REPORT((long)mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0));
  REPORT(mlockall(MCL_FUTURE));
  REPORT((long)map(1, RW, MAP_PRIVATE));
  REPORT(munlockall());
  limit(RLIMIT_MEMLOCK, 0);
  REPORT(mlock(base, PAGE));
  REPORT(mlockall(MCL_FUTURE));
  fflush(stdout);
}

static void limits(void) {
  char *base = hole(16);
  place(base, 4, PROT_READ);
  char *end = (char *)syscall(SYS_brk, 0);
  IN_CHILD("limits of locking", lock_limits());
  limit(RLIMIT_DATA, 0);
  printf("no limit means the hard one: %d\n", map(1, RW, MAP_PRIVATE) != MAP_FAILED);
  limit(RLIMIT_DATA, PAGE);
  REPORT((long)map(1, RW, MAP_PRIVATE));
  REPORT(mprotect(base, PAGE, RW));
  REPORT(mprotect(base, PAGE, PROT_READ | PROT_EXEC));
  mprotect(base, PAGE, PROT_READ);
  printf("read-only is no data: %d\n", map(1, PROT_READ, MAP_PRIVATE) != MAP_FAILED);
  printf("nor is what is shared: %d\n", map(1, RW, MAP_SHARED) != MAP_FAILED);
  printf("the break stays: %d\n", (char *)syscall(SYS_brk, end + 64 * PAGE) == end);
  limit(RLIMIT_DATA, RLIM_INFINITY);
  limit(RLIMIT_AS, PAGE);
  REPORT((long)map(1, PROT_NONE, MAP_PRIVATE));
  where("grow", raw_remap(base, 4 * PAGE, 5 * PAGE, 0, 0), base);
  where("move", raw_remap(base, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 8 * PAGE), base);
  where("replace", (long)place(base + 8 * PAGE, 4, PROT_READ), base);
  where("replace with more", (long)place(base + 8 * PAGE, 5, PROT_READ), base);
  printf("the break stays: %d\n", (char *)syscall(SYS_brk, end + 64 * PAGE) == end);
  limit(RLIMIT_AS, RLIM_INFINITY);
  limit(RLIMIT_STACK, 1 << 20);
  printf("a short stack: %ld\n", recurse(100));
  IN_CHILD("too deep for it", signal(SIGSEGV, SIG_DFL); recurse(400));
  limit(RLIMIT_STACK, 64 << 20);
  printf("a long stack: %ld\n", recurse(10000));
}

int main(void) {
  struct sigaction action = { .sa_flags = SA_SIGINFO | SA_NODEFER };
  action.sa_sigaction = on_fault;
  sigaction(SIGSEGV, &action, NULL);
  sigaction(SIGBUS, &action, NULL);
  remapping();
  advice();
  locks();
  holes();
  limits();
  return 0;
}
