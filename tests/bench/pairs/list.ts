import { array, entry, syscall, u32, u64 } from '#dialect';

class Node {
  value: u32 = 0;
  next: Node | null = null;
}
const nodes = array(Node, 512);

export function sumList(head: Node | null): u32 {
  let sum: u32 = 0;
  for (let node: Node | null = head; node !== null; node = node.next) sum = u32(sum + node.value);
  return sum;
}

export function reverseList(head: Node | null): Node | null {
  let reversed: Node | null = null;
  let node: Node | null = head;
  while (node !== null) {
    const next: Node | null = node.next;
    node.next = reversed;
    reversed = node;
    node = next;
  }
  return reversed;
}

export const main = entry((_stack: u64) => {
  let head: Node | null = null;
  for (let at: u32 = 0; at < 512; at++) {
    const node = nodes[at]!;
    node.value = u32(at * 5);
    node.next = head;
    head = node;
  }
  let sum: u32 = 0;
  for (let round: u32 = 0; round < 50; round++) {
    head = reverseList(head);
    sum = u32(sum + sumList(head) + round);
  }
  syscall(60n, u64(sum & 127));
});
