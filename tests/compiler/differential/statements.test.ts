import { describe, it } from 'vitest';
import { agree, type Call } from './harness.ts';

const upTo = (name: string, count: number): Call[] => Array.from({ length: count }, (_, index): Call => [name, index]);

describe('statements do what Node does', () => {
  it('runs for, while and do loops with break, continue and labels', () => {
    agree(
      `export function f(n: u32): u32 { let sum: u32 = 0; for (let i: u32 = 0; i < n; i++) { if (i === 3) continue; if (i > 7) break; sum = u32(sum + i); } return sum; }
       export function g(n: u32): u32 { let left = n; let turns: u32 = 0; while (left > 1) { left = left % 2 === 0 ? u32(left / 2) : u32(left * 3 + 1); turns = u32(turns + 1); } return turns; }
       export function h(n: u32): u32 { let i: u32 = 0; do { i = u32(i + 2); } while (i < n); return i; }
       export function k(n: u32): u32 {
         let found: u32 = 0;
         outer: for (let i: u32 = 0; i < n; i++) { for (let j: u32 = 0; j < n; j++) { if (j > i) continue outer; if (mulLow32(i, j) > 20) break outer; found = u32(found + 1); } }
         return found;
       }`,
      ['f', 'g', 'h', 'k'].flatMap((name) => upTo(name, 12)),
    );
  });

  it('switches, falls through and takes defaults', () => {
    agree(
      `const State = { Free: 0, Ready: 1, Running: 2, Zombie: 3 } as const;
       type State = (typeof State)[keyof typeof State];
       export function f(n: u32): u32 { switch (n) { case 0: return 10; case 1: case 2: return 20; case 7: break; default: return 30; } return 40; }
       function named(s: State): u32 { switch (s) { case State.Free: return 1; case State.Ready: return 2; case State.Running: return 3; case State.Zombie: return 4; } }
       export function g(n: u32): u32 { const s = n === 0 ? State.Free : n === 1 ? State.Ready : State.Zombie; return named(s); }
       export function k(n: u32): u32 { switch (n as State) { case State.Free: return 1; case State.Ready: return 2; case State.Running: return 3; case State.Zombie: return 4; default: return 9; } }
       export function h(n: i32): u32 { switch (n) { case -1: return 1; case -2: return 2; default: return 0; } }`,
      [...upTo('f', 9), ...upTo('g', 4), ...upTo('k', 6), ['h', -1], ['h', -2], ['h', 1]],
    );
  });

  it('disposes of what is in use on every way out, innermost first', () => {
    agree(
      `let log: u64 = 0n;
       class Guard { digit: u64 = 0n; enter(digit: u64): Guard { this.digit = digit; return this; } [Symbol.dispose](): void { log = u64(log * 10n + this.digit); } }
       const first = new Guard(); const second = new Guard();
       function run(n: u32): u32 {
         using _a = first.enter(1n);
         for (let i: u32 = 0; i < 3; i++) { using _b = second.enter(u64(i + 2)); if (i === n) return u32(i + 100); if (n === 7) break; if (n === 8) continue; log = u64(log * 10n + 9n); }
         return u32(log);
       }
       export function f(n: u32): u64 { const result = run(n); return u64(log * 1000n + u64(result)); }`,
      upTo('f', 10),
    );
  });

  it('narrows nullable references and uses ??', () => {
    agree(
      `class Node { value: u32 = 0; next: Node | null = null; }
       const a = new Node(); const b = new Node(); const fallback = new Node();
       let head: Node | null = null;
       function build(n: u32): void { fallback.value = 99; if (n > 0) { a.value = n; head = a; } if (n > 1) { b.value = u32(n * 2); a.next = b; } }
       export function f(n: u32): u32 { build(n); let sum: u32 = 0; for (let at = head; at !== null; at = at.next) sum = u32(sum + at.value); return sum; }
       export function g(n: u32): u32 { build(n); return (head ?? fallback).value; }
       export function h(n: u32): boolean { build(n); return head !== null && head.next === b; }`,
      ['f', 'g', 'h'].flatMap((name) => upTo(name, 4)),
    );
  });
});

describe('evaluation goes from left to right', () => {
  it('keeps targets, receivers and operands from what comes later in the expression', () => {
    agree(
      `class Node { value: u32 = 0; next: Node | null = null; plus(other: Node): u32 { return u32(this.value * 10 + other.value); } }
       const a = new Node(); const b = new Node(); const list = array(u32, 4);
       function reset(n: u32): void { a.value = n; b.value = u32(n + 1); a.next = b; }
       export function f(n: u32): u32 { reset(n); let node = a; node.value = (node = b).value; return u32(a.value * 100 + node.value); }
       export function g(n: u32): u32 { reset(n); let node = a; return node.plus((node = b)); }
       export function h(n: u32): u32 { let i: u32 = 0; list[i] = u32((i = 2) + n); return u32(list[0]! * 10 + list[2]!); }
       export function k(n: u32): u32 { let x: u32 = u32(n & 7); x += (x = 3) * 2; return x; }
       export function l(n: u32): boolean { reset(n); let node = a; return node === (node = b); }`,
      ['f', 'g', 'h', 'k', 'l'].flatMap((name) => upTo(name, 3)),
    );
  });
});
