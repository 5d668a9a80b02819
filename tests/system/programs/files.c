/* Files and directories below a fresh directory: every call that names them, what it returns, and what stat says after. */
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <utime.h>

static void show(const char *path) {
  struct stat about;
  if (lstat(path, &about)) {
    printf("%s: %s\n", path, errno_name(errno));
    return;
  }
  printf("%s: mode %o links %ld size %ld\n", path, about.st_mode, (long)about.st_nlink, (long)(S_ISDIR(about.st_mode) ? 0 : about.st_size));
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path) {
  char *names[64];
  int count = 0;
  DIR *directory = opendir(path);
  if (!directory) {
    printf("list %s: %s\n", path, errno_name(errno));
    return;
  }
  for (struct dirent *entry; (entry = readdir(directory));)
    if (entry->d_name[0] != '.') {
      names[count] = malloc(strlen(entry->d_name) + 4);
      sprintf(names[count++], "%s:%d", entry->d_name, entry->d_type);
    }
  closedir(directory);
  qsort(names, count, sizeof *names, by_name);
  printf("list %s:", path);
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  printf("\n");
}

static void opening(void) {
  char text[32] = "";
  REPORT(open("none", O_RDONLY));
  REPORT(open("", O_RDONLY));
  REPORT(open((char *)8, O_RDONLY));
  REPORT(open("none/x", O_CREAT | O_WRONLY, 0644));
  int file = open("file", O_CREAT | O_RDWR | O_EXCL, 0666);
  REPORT(write(file, "0123456789", 10));
  REPORT(lseek(file, 0, SEEK_CUR));
  REPORT(lseek(file, 2, SEEK_SET));
  REPORT(read(file, text, 3));
  puts(text);
  REPORT(lseek(file, -1, SEEK_END));
  REPORT(lseek(file, -1, SEEK_SET));
  REPORT(lseek(file, 0, 9));
  REPORT(pread(file, text, 4, 6));
  REPORT(pread(file, text, 4, 60));
  REPORT(pwrite(file, "AB", 2, 0));
  REPORT(read(file, (char *)8, 1));
  int other = dup(file);
  REPORT(lseek(other, 5, SEEK_SET));
  REPORT(lseek(file, 0, SEEK_CUR));
  REPORT(close(other));
  REPORT(open("file", O_CREAT | O_EXCL | O_RDONLY, 0644));
  other = open("file", O_WRONLY | O_APPEND);
  REPORT(write(other, "++", 2));
  REPORT(read(other, text, 1));
  REPORT(fcntl(other, F_GETFL) & (O_ACCMODE | O_APPEND));
  REPORT(fcntl(other, F_SETFL, 0));
  REPORT(lseek(other, 0, SEEK_SET));
  REPORT(write(other, "X", 1));
  REPORT(close(other));
  show("file");
  REPORT(ftruncate(file, 4));
  show("file");
  REPORT(ftruncate(file, 8));
  REPORT(pread(file, text, 8, 0));
  for (int i = 0; i < 8; i++) printf("%d ", text[i]);
  puts("");
  REPORT(ftruncate(file, -1));
  REPORT(truncate("file", 3));
  REPORT(truncate("none", 3));
  REPORT(fsync(file));
  REPORT(close(file));
  file = open("file", O_RDONLY | O_TRUNC);
  show("file");
  REPORT(write(file, "x", 1));
  REPORT(ftruncate(file, 1));
  REPORT(close(file));
  REPORT(creat("made", 0600));
  REPORT(open("file/x", O_RDONLY));
  REPORT(open(".", O_WRONLY));
  REPORT(open("file", O_RDONLY | O_DIRECTORY));
  file = open("gone", O_CREAT | O_RDWR, 0600);
  REPORT(unlink("gone"));
  REPORT(write(file, "still", 5));
  struct stat about;
  fstat(file, &about);
  printf("links %ld size %ld\n", (long)about.st_nlink, (long)about.st_size);
  REPORT(close(file));
  file = open("sparse", O_CREAT | O_RDWR, 0600);
  REPORT(pwrite(file, "end", 3, 100000));
  REPORT(pread(file, text, 4, 50000));
  REPORT(text[0] | text[3]);
  REPORT(close(file));
  REPORT(unlink("sparse"));
  REPORT(unlink("made"));
}

static void directories(void) {
  REPORT(mkdir("d", 0755));
  REPORT(mkdir("d", 0755));
  REPORT(mkdir("none/d", 0755));
  REPORT(mkdir("file/d", 0755));
  REPORT(mkdir("d/e", 0700));
  show("d");
  REPORT(rmdir("d"));
  REPORT(rmdir("d/e"));
  show("d");
  REPORT(rmdir("file"));
  REPORT(rmdir("none"));
  REPORT(rmdir("d/."));
  REPORT(unlink("d"));
  umask(077);
  REPORT(mkdir("private", 0777));
  REPORT(close(open("private/f", O_CREAT | O_WRONLY, 0666)));
  umask(022);
  show("private");
  show("private/f");
  int directory = open("d", O_RDONLY | O_DIRECTORY);
  REPORT(mkdirat(directory, "sub", 0755));
  REPORT(close(openat(directory, "inner", O_CREAT | O_WRONLY, 0644)));
  REPORT(faccessat(directory, "inner", R_OK, 0));
  REPORT(faccessat(directory, "outer", F_OK, 0));
  REPORT(openat(99, "inner", O_RDONLY));
  REPORT(openat(1, "inner", O_RDONLY));
  list("d");
  struct stat about;
  REPORT(fstatat(directory, "inner", &about, 0));
  REPORT(fstatat(directory, "", &about, AT_EMPTY_PATH));
  REPORT(fstatat(directory, "", &about, 0));
  REPORT(S_ISDIR(about.st_mode));
  REPORT(unlinkat(directory, "sub", 0));
  REPORT(unlinkat(directory, "sub", AT_REMOVEDIR));
  char buffer[4096], cwd[256];
  REPORT(read(directory, buffer, 10));
  REPORT(fchdir(directory));
  REPORT(access("inner", F_OK));
  char *here = getcwd(cwd, sizeof cwd);
  printf("cwd ends in %s\n", here ? strrchr(here, '/') : "nothing");
  REPORT(getcwd(cwd, 2) == NULL);
  REPORT(chdir(".."));
  REPORT(chdir("file"));
  REPORT(chdir("none"));
  REPORT(fchdir(1));
  REPORT(close(directory));
  list(".");
  char *many = "many/12345678901234567890";
  REPORT(mkdir("many", 0755));
  for (int i = 0; i < 40; i++) {
    char name[64];
    sprintf(name, "%s-%d", many, i);
    close(open(name, O_CREAT | O_WRONLY, 0644));
  }
  DIR *stream = opendir("many");
  int count = 0;
  while (readdir(stream)) count++;
  rewinddir(stream);
  while (readdir(stream)) count++;
  closedir(stream);
  printf("entries %d\n", count);
  for (int i = 0; i < 40; i++) {
    char name[64];
    sprintf(name, "%s-%d", many, i);
    if (unlink(name)) puts("unlink failed");
  }
  REPORT(rmdir("many"));
}

static void names(void) {
  char target[64];
  struct stat about;
  REPORT(symlink("d/inner", "link"));
  REPORT(symlink("d/inner", "link"));
  REPORT(readlink("link", target, 4));
  REPORT(readlink("link", target, 64));
  REPORT(readlink("file", target, 64));
  REPORT(readlink("link", target, 0));
  show("link");
  REPORT(stat("link", &about));
  REPORT(S_ISREG(about.st_mode));
  REPORT(open("link", O_RDONLY | O_NOFOLLOW));
  REPORT(symlink("loop", "loop"));
  REPORT(open("loop", O_RDONLY));
  REPORT(symlink("nowhere", "dangling"));
  REPORT(open("dangling", O_RDONLY));
  REPORT(close(open("dangling", O_CREAT | O_WRONLY, 0600)));
  show("nowhere");
  REPORT(link("d/inner", "hard"));
  REPORT(link("d/inner", "hard"));
  REPORT(link("d", "hard2"));
  REPORT(link("none", "hard2"));
  show("hard");
  REPORT(rename("hard", "renamed"));
  REPORT(rename("none", "x"));
  REPORT(rename("renamed", "file"));
  show("file");
  REPORT(rename("d", "file"));
  REPORT(rename("file", "d"));
  REPORT(rename("d", "d/inside"));
  REPORT(mkdir("empty", 0755));
  REPORT(rename("private", "empty"));
  REPORT(mkdir("full", 0755));
  REPORT(mkdir("full/x", 0755));
  REPORT(rename("empty", "full"));
  REPORT(syscall(SYS_renameat2, AT_FDCWD, "link", AT_FDCWD, "loop", 1));
  REPORT(rename("d/inner", "d/inner"));
  char deep[5000];
  memset(deep, 'a', sizeof deep);
  deep[4999] = 0;
  REPORT(open(deep, O_RDONLY));
  deep[300] = 0;
  REPORT(open(deep, O_CREAT | O_RDONLY, 0644));
  deep[255] = 0;
  REPORT(close(open(deep, O_CREAT | O_RDONLY, 0644)));
  REPORT(unlink(deep));
  REPORT(access("file/", F_OK));
  REPORT(access("d/", F_OK));
  REPORT(access("d/../d/./inner", F_OK));
  list(".");
}

static void attributes(void) {
  struct stat about;
  REPORT(chmod("file", 0640));
  show("file");
  REPORT(chmod("none", 0640));
  REPORT(chmod("d", 01777));
  show("d");
  int file = open("file", O_RDONLY);
  REPORT(fchmod(file, 04755));
  show("file");
  struct timespec times[2] = { { 1000, 5 }, { 2000, 6 } };
  REPORT(futimens(file, times));
  fstat(file, &about);
  printf("times %ld.%ld %ld.%ld\n", (long)about.st_atim.tv_sec, about.st_atim.tv_nsec, (long)about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_nsec = UTIME_NOW;
  REPORT(utimensat(AT_FDCWD, "file", times, 0));
  stat("file", &about);
  printf("times %ld %d\n", (long)about.st_atim.tv_sec, about.st_mtim.tv_sec > 1000000);
  times[0].tv_nsec = 1000000000;
  REPORT(utimensat(AT_FDCWD, "file", times, 0));
  struct utimbuf whole = { 11, 22 };
  REPORT(utime("file", &whole));
  stat("file", &about);
  printf("times %ld %ld\n", (long)about.st_atim.tv_sec, (long)about.st_mtim.tv_sec);
  REPORT(close(file));
  struct statfs system;
  REPORT(statfs(".", &system));
  REPORT(statfs("none", &system));
  REPORT(access("file", X_OK));
  REPORT(access("d/inner", X_OK));
  REPORT(access("file", 9));
}

static void devices(void) {
  char text[16] = "unchanged";
  struct stat about;
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
  REPORT(read(null, text, 4));
  REPORT(write(null, text, 4));
  REPORT(read(zero, text, 4));
  REPORT(text[0] | text[3]);
  REPORT(write(zero, text, 4));
  fstat(null, &about);
  printf("null %o %lx\n", about.st_mode, (long)about.st_rdev);
  REPORT(close(null));
  REPORT(close(zero));
  REPORT(readlink("/proc/self/exe", text, sizeof text) > 0);
  int status = open("/proc/self/status", O_RDONLY);
  char line[64] = "";
  REPORT(read(status, line, 6));
  puts(line);
  REPORT(open("/proc/self/none", O_RDONLY));
  REPORT(open("/proc/999999/stat", O_RDONLY));
  close(status);
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  umask(022);
  char template[] = "/tmp/files-XXXXXX";
  if (!mkdtemp(template) || chdir(template)) {
    perror("mkdtemp");
    return 1;
  }
  opening();
  directories();
  names();
  attributes();
  devices();
  return 0;
}
