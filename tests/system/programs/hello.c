#include "check.h"

int main(int argc, char **argv) {
  printf("hello from %s with %d arguments\n", argv[0], argc - 1);
  for (int i = 1; i < argc; i++) printf("argument %d: %s\n", i, argv[i]);
  printf("%.3f %d %s %lx\n", 3.14159, -42, "text", 0xdeadbeefUL);
  return 7;
}
