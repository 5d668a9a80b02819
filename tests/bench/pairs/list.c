#include "pair.h"

struct node {
  u32 value;
  struct node *next;
};
static struct node nodes[512];

NOINLINE u32 sumList(const struct node *head) {
  u32 sum = 0;
  for (const struct node *node = head; node; node = node->next) sum += node->value;
  return sum;
}

NOINLINE struct node *reverseList(struct node *head) {
  struct node *reversed = 0, *node = head;
  while (node) {
    struct node *next = node->next;
    node->next = reversed;
    reversed = node;
    node = next;
  }
  return reversed;
}

ENTRY {
  struct node *head = 0;
  for (u32 at = 0; at < 512; at++) {
    nodes[at].value = at * 5;
    nodes[at].next = head;
    head = &nodes[at];
  }
  u32 sum = 0;
  for (u32 round = 0; round < 50; round++) {
    head = reverseList(head);
    sum += sumList(head) + round;
  }
  leave(sum);
}
