/* Every system call of the first kernel by its number: results, errors, effects. Each line begins with the call's name. */
#include "check.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static const char *current;
static void *const BAD = (void *)0xdead0000000;

static void say(const char *what, long result) {
  printf("%s: ", current);
  report(what, result);
}
#define CALL(what, ...) (errno = 0, say(what, syscall(__VA_ARGS__)))
#define FACT(what, truth) (printf("%s: %s: %s\n", current, what, (truth) ? "yes" : "no"), fflush(stdout))

static int ended(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, WUNTRACED) == -1 && errno == EINTR) {}
  return status;
}
static void say_end(const char *what, int status) {
  printf("%s: ", current);
  report_status(what, status);
}

static void test_read(void) {
  char byte;
  CALL("of a closed descriptor", SYS_read, 99, &byte, 1);
  CALL("of descriptor -1", SYS_read, -1, &byte, 1);
  CALL("of nothing", SYS_read, 0, &byte, 0);
}
static void test_write(void) {
  CALL("of a line", SYS_write, 1, "write: the line\n", 16);
  CALL("of nothing", SYS_write, 1, "", 0);
  CALL("from a bad address", SYS_write, 1, BAD, 5);
  CALL("to a closed descriptor", SYS_write, 99, "x", 1);
}
static void test_writev(void) {
  struct iovec pieces[] = { { "writev: in ", 11 }, { NULL, 0 }, { "pieces\n", 7 } };
  struct iovec bad[] = { { BAD, 4 } };
  CALL("of three pieces", SYS_writev, 1, pieces, 3);
  CALL("of none", SYS_writev, 1, pieces, 0);
  CALL("of -1", SYS_writev, 1, pieces, -1);
  CALL("of too many", SYS_writev, 1, pieces, 1025);
  CALL("of a list that is not there", SYS_writev, 1, BAD, 1);
  CALL("from a bad address", SYS_writev, 1, bad, 1);
}
static char thread_stack[16384] __attribute__((aligned(16)));
static int exits_alone(void *cell) {
  *(int *)cell = 5;
  syscall(SYS_exit, 77);
  return 0;
}
static void test_exit(void) {
  enum { THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM };
  static int cell, word = 1;
  clone(exits_alone, thread_stack + sizeof thread_stack, THREAD | CLONE_CHILD_CLEARTID, &cell, NULL, NULL, &word);
  while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 1) syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0);
  FACT("of a thread clears its word, wakes who waits for it, and leaves the process", cell == 5 && word == 0);
  pid_t child = fork();
  if (child == 0) syscall(SYS_exit, 260);
  say_end("of the only thread", ended(child));
}
static void *sleeps_for_ever(void *nothing) {
  for (;;) pause();
  return nothing;
}
static void test_exit_group(void) {
  pid_t child = fork();
  if (child == 0) {
    pthread_t thread;
    pthread_create(&thread, NULL, sleeps_for_ever, NULL);
    syscall(SYS_exit_group, 0x12c);
  }
  say_end("takes every thread along", ended(child));
}
static int ids[2];
static void test_getpid(void) {
  int ends[2] = { 0 };
  pid_t parent = (pid_t)syscall(SYS_getpid);
  pid_t child = fork();
  if (child == 0) _exit(syscall(SYS_getpid) == parent ? 1 : 0);
  ends[0] = ended(child);
  say_end("differs in a child", ends[0]);
  FACT("is what fork told the parent", child != parent && child > 0);
}
static void test_getppid(void) {
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) _exit(syscall(SYS_getppid) == parent ? 7 : 0);
  say_end("of a child is its parent", ended(child));
}
static void *writes_ids(void *nothing) {
  ids[0] = (int)syscall(SYS_getpid);
  ids[1] = (int)syscall(SYS_gettid);
  return nothing;
}
static void test_gettid(void) {
  FACT("of the first thread is the pid", syscall(SYS_gettid) == getpid());
  pthread_t thread;
  pthread_create(&thread, NULL, writes_ids, NULL);
  pthread_join(thread, NULL);
  FACT("of another thread is its own, in the same process", ids[0] == getpid() && ids[1] != ids[0]);
}
static void test_sched_yield(void) { CALL("", SYS_sched_yield); }

static volatile int shared_word;
static int on_own_stack(void *argument) {
  shared_word = (int)(intptr_t)argument;
  return 9;
}
static void test_clone(void) {
  CALL("of a thread without signal handlers", SYS_clone, CLONE_THREAD, 0, 0, 0, 0);
  CALL("of signal handlers without memory", SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0);
  pid_t child = clone(on_own_stack, thread_stack + sizeof thread_stack, CLONE_VM | SIGCHLD, (void *)41);
  say_end("with shared memory", ended(child));
  FACT("shares memory", shared_word == 41);
  child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) { shared_word = 1; _exit(4); }
  say_end("like fork", ended(child));
  FACT("keeps memory apart", shared_word == 41);
  int word = -1;
  child = (pid_t)syscall(SYS_clone, SIGCHLD | CLONE_PARENT_SETTID, 0, &word, 0, 0);
  if (child == 0) _exit(0);
  ended(child);
  FACT("writes the id for the parent", word == child);
}
static void test_fork(void) {
  volatile int own = 1;
  pid_t child = (pid_t)syscall(SYS_fork);
  if (child == 0) { own = 2; _exit(own + 4); }
  say_end("", ended(child));
  FACT("copies memory", own == 1);
}
static void test_vfork(void) {
  static volatile int seen;
  seen = 0;
  pid_t child = vfork();
  if (child == 0) { seen = 3; _exit(8); }
  FACT("runs the child first, in the same memory", seen == 3);
  say_end("", ended(child));
}
static void test_execve(char *self) {
  char *const arguments[] = { self, "executed", NULL };
  char *const nothing[] = { NULL };
  CALL("of a file that is not there", SYS_execve, "/nowhere", arguments, nothing);
  CALL("of an empty name", SYS_execve, "", arguments, nothing);
  CALL("of a bad address", SYS_execve, BAD, arguments, nothing);
  CALL("with a bad list of arguments", SYS_execve, self, BAD, nothing);
  pid_t child = fork();
  if (child == 0) { syscall(SYS_execve, self, arguments, nothing); _exit(99); }
  say_end("of this program", ended(child));
}
static void test_wait4(void) {
  int status = 0;
  CALL("without children", SYS_wait4, -1, &status, 0, NULL);
  CALL("with unknown options", SYS_wait4, -1, &status, 0x1000, NULL);
  pid_t child = fork();
  if (child == 0) for (;;) pause();
  CALL("for a child that lives, with WNOHANG", SYS_wait4, child, &status, WNOHANG, NULL);
  kill(child, SIGSTOP);
  FACT("sees a stopped child", syscall(SYS_wait4, child, &status, WUNTRACED, NULL) == child);
  say_end("its status", status);
  kill(child, SIGCONT);
  FACT("sees it continued", syscall(SYS_wait4, child, &status, WCONTINUED, NULL) == child);
  say_end("its status", status);
  kill(child, SIGKILL);
  FACT("gets the child", syscall(SYS_wait4, -1, &status, 0, NULL) == child);
  say_end("its status", status);
  CALL("for it again", SYS_wait4, child, &status, 0, NULL);
  child = fork();
  if (child == 0) _exit(0);
  CALL("writing to a bad address", SYS_wait4, -1, BAD, 0, NULL);
  ended(child);
}
static int futex_word = 1;
static void *wakes(void *nothing) {
  struct timespec moment = { 0, 1000000 };
  nanosleep(&moment, NULL);
  __atomic_store_n(&futex_word, 2, __ATOMIC_SEQ_CST);
  while (syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 0 && futex_word == 2) sched_yield();
  return nothing;
}
static void test_futex(void) {
  struct timespec moment = { 0, 1000000 };
  CALL("WAIT for another value", SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
  CALL("WAIT until the time is over", SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 1, &moment, NULL, 0);
  CALL("WAIT on a misaligned word", SYS_futex, (char *)&futex_word + 1, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
  CALL("WAIT on a bad address", SYS_futex, BAD, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
  CALL("WAKE of nobody", SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  CALL("with an unknown operation", SYS_futex, &futex_word, 99, 0, NULL, NULL, 0);
  pthread_t thread;
  pthread_create(&thread, NULL, wakes, NULL);
  long result = 0;
  while (__atomic_load_n(&futex_word, __ATOMIC_SEQ_CST) == 1)
    result = syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
  FACT("WAIT is ended by WAKE", result == 0 || errno == EAGAIN);
  futex_word = 3;
  pthread_join(thread, NULL);
}
static void test_set_tid_address(void) {
  static int word;
  FACT("returns the thread's id", syscall(SYS_set_tid_address, &word) == gettid());
}
static void test_arch_prctl(void) {
  enum { SET_GS = 0x1001, GET_FS = 0x1003, GET_GS = 0x1004 };
  uint64_t base = 0, thread_pointer = 0;
  __asm__("mov %%fs:0, %0" : "=r"(thread_pointer));
  CALL("GET_FS", SYS_arch_prctl, GET_FS, &base);
  FACT("GET_FS gives the thread pointer", base == thread_pointer);
  CALL("SET_GS", SYS_arch_prctl, SET_GS, 0x123456789000);
  CALL("GET_GS", SYS_arch_prctl, GET_GS, &base);
  FACT("GET_GS gives what was set", base == 0x123456789000);
  CALL("SET_GS beyond user memory", SYS_arch_prctl, SET_GS, 0xffff800000000000);
  CALL("GET_GS to a bad address", SYS_arch_prctl, GET_GS, BAD);
  CALL("with an unknown code", SYS_arch_prctl, 0x9999, 0);
}
static void test_mmap(void) {
  enum { RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };
  char *area = (char *)syscall(SYS_mmap, 0, 3 * 4096, RW, PRIVATE, -1, 0);
  FACT("gives zeroed memory, aligned", (uintptr_t)area % 4096 == 0 && area[0] == 0 && area[3 * 4096 - 1] == 0);
  FACT("with MAP_FIXED replaces", (area[4096] = 1, (char *)syscall(SYS_mmap, area + 4096, 4096, RW, PRIVATE | MAP_FIXED, -1, 0) == area + 4096 && area[4096] == 0));
  char *shared = (char *)syscall(SYS_mmap, 0, 4096, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t child = fork();
  if (child == 0) { shared[0] = 6; _exit(0); }
  ended(child);
  FACT("with MAP_SHARED is seen by the parent", shared[0] == 6);
  CALL("of no bytes", SYS_mmap, 0, 0, RW, PRIVATE, -1, 0);
  CALL("neither shared nor private", SYS_mmap, 0, 4096, RW, MAP_ANONYMOUS, -1, 0);
  CALL("at a misaligned fixed address", SYS_mmap, 4097, 4096, RW, PRIVATE | MAP_FIXED, -1, 0);
  CALL("of more than there is", SYS_mmap, 0, 1L << 48, RW, PRIVATE, -1, 0);
}
static void test_munmap(void) {
  char *area = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CALL("of the middle", SYS_munmap, area + 4096, 4096);
  pid_t child = fork();
  if (child == 0) { area[0] = area[2 * 4096] = 1; area[4096] = 1; _exit(0); }
  say_end("a touch there", ended(child));
  CALL("of what is gone", SYS_munmap, area + 4096, 4096);
  CALL("of no bytes", SYS_munmap, area, 0);
  CALL("of a misaligned address", SYS_munmap, area + 1, 4096);
}
static void test_mprotect(void) {
  char *area = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  area[0] = 5;
  CALL("to read-only", SYS_mprotect, area, 4096, PROT_READ);
  pid_t child = fork();
  if (child == 0) { if (area[0] == 5) area[0] = 6; _exit(0); }
  say_end("a write there", ended(child));
  CALL("back", SYS_mprotect, area, 4096, PROT_READ | PROT_WRITE);
  FACT("keeps contents", area[0] == 5 && (area[0] = 7, area[0] == 7));
  munmap(area + 4096, 4096);
  CALL("over a hole", SYS_mprotect, area, 2 * 4096, PROT_READ);
  CALL("of a misaligned address", SYS_mprotect, area + 1, 4096, PROT_READ);
}
static void test_brk(void) {
  uintptr_t begin = (uintptr_t)syscall(SYS_brk, 0);
  FACT("tells the break", begin != 0);
  FACT("grows", (uintptr_t)syscall(SYS_brk, begin + 10000) == begin + 10000);
  *(volatile char *)(begin + 9999) = 1;
  FACT("shrinks", (uintptr_t)syscall(SYS_brk, begin) == begin);
  FACT("stays where it is for nonsense", (uintptr_t)syscall(SYS_brk, 16) == begin);
}
static int64_t nanoseconds(int clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}
static void test_nanosleep(void) {
  struct timespec moment = { 0, 2000000 }, wrong = { 0, 1000000000 }, negative = { -1, 0 };
  int64_t before = nanoseconds(CLOCK_MONOTONIC);
  CALL("of 2 ms", SYS_nanosleep, &moment, NULL);
  FACT("takes as long", nanoseconds(CLOCK_MONOTONIC) - before >= 2000000);
  CALL("of 10^9 ns", SYS_nanosleep, &wrong, NULL);
  CALL("of -1 s", SYS_nanosleep, &negative, NULL);
  CALL("of a bad address", SYS_nanosleep, BAD, NULL);
}
static void test_clock_gettime(void) {
  struct timespec now;
  CALL("CLOCK_REALTIME", SYS_clock_gettime, CLOCK_REALTIME, &now);
  CALL("CLOCK_MONOTONIC", SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  int64_t before = nanoseconds(CLOCK_MONOTONIC);
  FACT("CLOCK_MONOTONIC goes on", nanoseconds(CLOCK_MONOTONIC) >= before);
  CALL("of no clock", SYS_clock_gettime, 99, &now);
  CALL("to a bad address", SYS_clock_gettime, CLOCK_MONOTONIC, BAD);
}
static void test_affinity(void) {
  uint64_t mask[16] = { 0 }, one[16] = { 0 };
  long size = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  FACT("sched_getaffinity gives whole words", size > 0 && size % 8 == 0);
  int processor = 0;
  while (processor < 1023 && !(mask[processor / 64] >> (processor % 64) & 1)) processor++;
  one[processor / 64] = 1ull << (processor % 64);
  CALL("to one processor", SYS_sched_setaffinity, 0, sizeof one, one);
  memset(mask, 0, sizeof mask);
  syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
  FACT("sched_getaffinity gives what was set", memcmp(mask, one, sizeof one) == 0);
  memset(one, 0, sizeof one);
  CALL("to none", SYS_sched_setaffinity, 0, sizeof one, one);
  CALL("from a bad address", SYS_sched_setaffinity, 0, sizeof one, BAD);
  CALL("of nobody", SYS_sched_setaffinity, 0x3ffffff, sizeof mask, mask);
}
static void test_getaffinity(void) {
  uint64_t mask[16];
  CALL("of 3 bytes", SYS_sched_getaffinity, 0, 3, mask);
  CALL("to a bad address", SYS_sched_getaffinity, 0, sizeof mask, BAD);
  CALL("of nobody", SYS_sched_getaffinity, 0x3ffffff, sizeof mask, mask);
}
static void test_kill(void) {
  CALL("with signal 0", SYS_kill, getpid(), 0);
  CALL("with signal 65", SYS_kill, getpid(), 65);
  CALL("of nobody", SYS_kill, 0x3ffffff, SIGTERM);
  for (int number = 1; number < 32; number++) {
    if (number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH) continue;
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    /* In a group of its own, which is no orphan: else signals of the terminal would not stop it. */
    setpgid(child, child);
    kill(child, number);
    char what[40];
    snprintf(what, sizeof what, "the default action of signal %d", number);
    say_end(what, ended(child) & ~0x80);
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) == -1 && errno == EINTR) {}
  }
  pid_t child = fork();
  if (child == 0) for (;;) pause();
  const int ignored[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH };
  for (int index = 0; index < 4; index++) kill(child, ignored[index]);
  struct timespec moment = { 0, 5000000 };
  nanosleep(&moment, NULL);
  FACT("ignores SIGCHLD, SIGCONT, SIGURG and SIGWINCH by default", waitpid(child, NULL, WNOHANG) == 0);
  kill(child, SIGKILL);
  ended(child);
}
static void test_unknown(void) {
  CALL("number 999", 999L);
  CALL("number -5", -5L);
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "executed") == 0) return 21;
#define TEST(name, ...) (current = #name, test_##name(__VA_ARGS__))
  TEST(read); TEST(write); TEST(writev); TEST(exit); TEST(exit_group); TEST(getpid); TEST(getppid); TEST(gettid);
  TEST(sched_yield); TEST(clone); TEST(fork); TEST(vfork); TEST(execve, argv[0]); TEST(wait4); TEST(futex);
  TEST(set_tid_address); TEST(arch_prctl); TEST(mmap); TEST(munmap); TEST(mprotect); TEST(brk); TEST(nanosleep);
  TEST(clock_gettime);
  current = "sched_setaffinity";
  test_affinity();
  current = "sched_getaffinity";
  test_getaffinity();
  TEST(kill); TEST(unknown);
  return 0;
}
