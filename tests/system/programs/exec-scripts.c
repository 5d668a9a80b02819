/* Scripts and other things that are executed without being programs: #! lines, their nesting, and every way to be refused. */
#include "check.h"
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>

static char folder[64];
static char *self;

static int describe(int argc, char **argv) {
  char name[16];
  prctl(PR_GET_NAME, name);
  printf("named %s, called as %s\n", name, (char *)getauxval(AT_EXECFN));
  for (int i = 0; i < argc; i++) printf("  %d: [%s]\n", i, strlen(argv[i]) < 100 ? argv[i] : "cut off");
  fflush(stdout);
  return 0;
}

static char *path(const char *name) {
  static char paths[8][128];
  static int next;
  char *chosen = paths[next++ & 7];
  snprintf(chosen, 128, "%s/%s", folder, name);
  return chosen;
}

static char *put(const char *name, const char *text, long length, int mode) {
  char *file = path(name);
  int fd = open(file, O_CREAT | O_TRUNC | O_WRONLY, 0700);
  if (write(fd, text, length) != length) printf("write failed\n");
  fchmod(fd, mode);
  close(fd);
  return file;
}

static char *script(const char *name, const char *interpreter, const char *rest) {
  char line[1024];
  snprintf(line, sizeof line, "#!%s%s", interpreter, rest);
  return put(name, line, (long)strlen(line), 0700);
}

static void run(const char *what, const char *file) {
  printf("%s\n", what);
  IN_CHILD("  ended", {
    char *arguments[] = { "zero", "one", "two words", NULL };
    char *none[] = { NULL };
    execve(file, arguments, none);
    printf("  %s\n", errno_name(errno));
    fflush(stdout);
  });
}

static void remove_all(void) {
  static const char *names[] = { "s1", "s2", "s3", "s4", "s5", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "empty", "text", "bad", "machine", "link", "loop" };
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) unlink(path(names[i]));
  rmdir(folder);
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) if (strcmp(argv[i], "two words") == 0) return describe(argc, argv);
  self = argv[0];
  mkdir("/tmp", 0777);
  strcpy(folder, "/tmp/scripts-of-a-test");
  remove_all();
  mkdir(folder, 0700);

  run("a script", script("s1", self, "\n"));
  run("with an argument", script("s2", self, " -e\nmore\n"));
  char line[600];
  snprintf(line, sizeof line, "%s \t first  second third \t\n", self);
  run("blanks around it", script("s3", " \t", line));
  run("no end of line", script("s4", self, " x"));
  run("a line end in the file of another system", script("s5", self, "\r\n"));
  snprintf(line, sizeof line, "%s %0*d\n", self, 400, 7);
  run("a line that is too long", script("s5", "", line));

  script("n1", self, " inner\n");
  for (int i = 2; i <= 7; i++) {
    char name[8] = { 'n', (char)('0' + i), 0 }, inner[8] = { 'n', (char)('0' + i - 1), 0 }, rest[16];
    snprintf(rest, sizeof rest, " outer%d\n", i);
    script(name, path(inner), rest);
  }
  run("a script of a script", path("n2"));
  run("five of them", path("n5"));
  run("six of them", path("n6"));
  run("one that interprets itself", script("s5", path("s5"), "\n"));

  run("no such interpreter", script("s5", "/no/such/interpreter", "\n"));
  run("a directory", script("s5", "/tmp", "\n"));
  run("nothing named", script("s5", "", "  \n"));
  run("an interpreter that is not executable", script("s5", put("text", "text\n", 5, 0600), "\n"));
  run("a script that is not executable", put("s5", "#!/bin/sh\n", 10, 0600));
  run("an empty file", put("empty", "", 0, 0700));
  run("a text", put("text", "text\n", 5, 0700));
  run("two characters", put("text", "#!", 2, 0700));
  run("the beginning of a program", put("bad", "\177ELF\2\1\1\0", 8, 0700));
  char header[64] = "\177ELF\2\1\1";
  header[16] = 2;
  header[18] = 40;
  run("a program for another machine", put("machine", header, sizeof header, 0700));
  header[18] = 62;
  run("a program without program headers", put("machine", header, sizeof header, 0700));

  chdir(folder);
  run("by a relative path", "s1");
  run("by another", "./../scripts-of-a-test/s2");
  symlink("s1", path("link"));
  run("through a link", path("link"));
  symlink("loop", path("loop"));
  run("a link to itself", path("loop"));
  run("below a file", path("s1/x"));
  chdir("/");
  remove_all();
  return 0;
}
