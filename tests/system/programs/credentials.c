/* User and group ids as root sets them and as a user may. */
#include "check.h"
#include <grp.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void show(const char *what) {
  uid_t user[3];
  gid_t group[3];
  getresuid(&user[0], &user[1], &user[2]);
  getresgid(&group[0], &group[1], &group[2]);
  printf("%s: user %d %d %d, group %d %d %d\n", what, user[0], user[1], user[2], group[0], group[1], group[2]);
}

static void drop(void) {
  REPORT(setgid(50));
  REPORT(setuid(60));
  show("dropped");
  REPORT(setuid(0));
  REPORT(setgid(0));
  REPORT(setgroups(0, NULL));
  REPORT(kill(getppid(), 0));
}

static void change(void) {
  REPORT(setresuid(10, 20, 30));
  show("setresuid");
  REPORT(setreuid(30, -1));
  REPORT(setreuid(20, 10));
  show("setreuid");
  REPORT(seteuid(20));
  show("seteuid");
  REPORT(setresuid(-1, 40, -1));
  REPORT(setresgid(1, 2, 3));
  show("end");
}

static void effective(void) {
  REPORT(setegid(5));
  REPORT(seteuid(6));
  show("effective");
  REPORT(seteuid(7));
  REPORT(seteuid(0));
  REPORT(setegid(0));
  show("back");
}

static void file_ids(void) {
  REPORT(setfsuid(9));
  REPORT(setfsuid(-1));
  REPORT(setfsgid(8));
  REPORT(setfsgid(8));
  REPORT(seteuid(3));
  REPORT(setfsuid(9));
  REPORT(setfsuid(-1));
}

int main(void) {
  setvbuf(stdout, NULL, _IONBF, 0);
  gid_t groups[3] = { 11, 22, 33 }, found[3] = { 0 };
  show("start");
  REPORT(setgroups(3, groups));
  REPORT(getgroups(0, NULL));
  REPORT(getgroups(2, found));
  REPORT(getgroups(3, found));
  printf("groups %d %d %d\n", found[0], found[1], found[2]);
  REPORT(syscall(SYS_getgroups, -1, found));
  REPORT(syscall(SYS_setgroups, 3, (void *)8));
  REPORT(syscall(SYS_setuid, -1));
  REPORT(syscall(SYS_getresuid, &found[0], (void *)8, &found[0]));
  REPORT(umask(077));
  REPORT(umask(01022));
  REPORT(umask(0));
  IN_CHILD("drop", drop());
  IN_CHILD("change", change());
  IN_CHILD("effective", effective());
  IN_CHILD("file ids", file_ids());
  return 0;
}
