/* What execve puts on a program's stack, and how much it lets through: long strings, no strings, the auxiliary vector. */
#include "check.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#ifndef AT_PLATFORM
#define AT_PLATFORM 15
#endif
extern char **environ;
extern void _start(void);

static int describe(int argc, char **argv) {
  long bytes = 0;
  int strings = 0;
  for (int i = 0; i < argc; i++) bytes += (long)strlen(argv[i]) + 1;
  for (char **each = environ; *each; each++, strings++) bytes += (long)strlen(*each) + 1;
  printf("%d arguments, %d in the environment, %ld bytes, ended by %s\n", argc, strings, bytes, argv[argc] == NULL ? "null" : "something");
  fflush(stdout);
  return 0;
}

static void auxiliary(char *self) {
  printf("page size %lu, clock ticks %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK));
  printf("ids %lu %lu %lu %lu, secure %lu\n", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID), getauxval(AT_EGID), getauxval(AT_SECURE));
  printf("called as itself: %d\n", strcmp((char *)getauxval(AT_EXECFN), self) == 0);
  printf("random bytes: %d\n", getauxval(AT_RANDOM) != 0);
  printf("hardware: %s\n", (char *)getauxval(AT_PLATFORM));
  printf("base %lu, flags %lu\n", getauxval(AT_BASE), getauxval(AT_FLAGS));
  printf("entry is _start: %d\n", getauxval(AT_ENTRY) == (unsigned long)_start);
  const Elf64_Phdr *headers = (const Elf64_Phdr *)getauxval(AT_PHDR);
  int loaded = 0, covers = 0;
  unsigned long first = ~0UL;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
    if (headers[i].p_type != PT_LOAD) continue;
    loaded++;
    if (headers[i].p_vaddr < first) first = headers[i].p_vaddr;
    if (headers[i].p_flags == (PF_R | PF_X)) covers = 1;
  }
  printf("headers of %lu bytes, %d segments, code among them: %d\n", getauxval(AT_PHENT), loaded, covers);
  printf("headers lie in the first segment: %d\n", ((unsigned long)headers & 0xfff) == 64);
}

static char *text(long length) {
  char *string = malloc(length + 1);
  memset(string, 'x', length);
  string[length] = 0;
  return string;
}

int main(int argc, char **argv) {
  if (argc == 0 || argv[0][0] != '/') return describe(argc, argv);
  char *self = argv[0];
  char *none[] = { NULL };
  auxiliary(self);
  IN_CHILD("no arguments", execve(self, none, none));
  IN_CHILD("not even vectors", syscall(SYS_execve, self, NULL, NULL));

  char *one[] = { "name", text(131071), NULL };
  IN_CHILD("the longest string", execve(self, one, none); printf("%s\n", errno_name(errno)));
  char *longer[] = { "name", text(131072), NULL };
  REPORT(execve(self, longer, none));
  REPORT(execve(self, none, longer));

  char *many[64] = { "name" };
  char *big = text(100000);
  for (int i = 1; i < 20; i++) many[i] = big;
  IN_CHILD("1.9 MB of arguments", execve(self, many, none); printf("%s\n", errno_name(errno)));
  IN_CHILD("and of environment", execve(self, one, many); printf("%s\n", errno_name(errno)));
  many[20] = many[21] = big;
  REPORT(execve(self, many, none));
  REPORT(execve(self, none, many));

  struct rlimit limit;
  getrlimit(RLIMIT_STACK, &limit);
  limit.rlim_cur = 1 << 20;
  setrlimit(RLIMIT_STACK, &limit);
  many[3] = NULL;
  REPORT(execve(self, many, one));
  many[2] = NULL;
  IN_CHILD("a quarter of a small stack", execve(self, many, none); printf("%s\n", errno_name(errno)));

  char **pointers = malloc(40000 * sizeof *pointers);
  for (int i = 0; i < 40000; i++) pointers[i] = "";
  pointers[20000] = NULL;
  IN_CHILD("many empty strings", execve(self, (pointers[0] = "name", pointers), none); printf("%s\n", errno_name(errno)));
  pointers[20000] = "";
  pointers[32000] = NULL;
  REPORT(execve(self, pointers, none));
  return 0;
}
