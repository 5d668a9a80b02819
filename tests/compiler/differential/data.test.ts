import { describe, it } from 'vitest';
import { agree, type Call } from './harness.ts';

const upTo = (name: string, count: number): Call[] => Array.from({ length: count }, (_, index): Call => [name, index]);

describe('data is laid out and used as in Node', () => {
  it('checks indexes and panics outside', () => {
    agree(
      `const primes = table<u16>([2, 3, 5, 7, 11]);
       const letters = bytes('hello');
       const counts = array(u32, 6);
       export function f(i: u32): u16 { return primes[i]!; }
       export function g(i: u32): u8 { return letters[i]!; }
       export function h(i: u32): u32 { counts[i] = u32(i + 1); let sum: u32 = 0; for (const c of counts) sum = u32(sum + c); return sum; }
       export function k(i: u32): u32 { let sum: u32 = 0; for (const p of primes) { if (p > i) break; sum = u32(sum + p); } return sum; }
       export function l(i: u32): u32 { const local = array(u8, 20); local[i] = 200; local[u32(i / 2)] = 100; let sum: u32 = 0; for (const x of local) sum = u32(sum + x); return sum; }`,
      ['f', 'g', 'h', 'k', 'l'].flatMap((name) => upTo(name, 22)),
    );
  });

  it('keeps objects in classes, in place and by reference', () => {
    agree(
      `class Point { x: i32 = -1; y: i32 = 5; flag = true; move(dx: i32): Point { this.x = i32(this.x + dx); return this; } sum(): i32 { return i32(this.x + this.y); } }
       class Shape { tag: u8 = 7; readonly from = embed(Point); readonly corners = array(Point, 3); weight: u64 = 1n << 40n; best: Point | null = null; }
       const shape = new Shape(); const shapes = array(Shape, 4); const slots = references<Point>(3);
       export function f(n: i32): i32 { shape.from.move(n).move(2); shape.corners[1]!.y = n; return i32(shape.from.sum() + shape.corners[1]!.sum() + shape.tag); }
       export function g(n: u32): u64 { const s = shapes[n]!; s.weight = u64(s.weight + u64(n)); s.best = s.corners[2]!; s.best.flag = n > 1; return u64(s.weight + (s.corners[2]!.flag ? 100n : 0n) + u64(shapes[3]!.weight)); }
       export function h(n: u32): boolean { slots[n] = shape.from; const found = slots[1] ?? null; return found !== null && found === shape.from && found.flag; }`,
      [...[-5, 0, 9].map((n): Call => ['f', n]), ...upTo('g', 5), ...upTo('h', 4)],
    );
  });

  it('reads and writes structures and bit fields', () => {
    agree(
      `const Gate = struct({ low: f16, selector: f16, flags: f16.bits({ ist: 3, _: 5, type: 4, _zero: 1, dpl: 2, present: 1 }), middle: f16, high: f32, zero: f32 });
       const Record = packed({ kind: f8, address: f64, delta: i32, gates: array(f16, 3), gate: Gate });
       const gates = array(Gate, 3); const record = embed(Record);
       export function f(n: u32): u32 { const g = gates[n]!; g.low = u16(n + 1); g.flags.present = 1; g.flags.type = u16(n + 12); g.flags.ist = 5; return u32(g.flags.raw + g.low * 65536); }
       export function g(n: u32): u64 { record.address = u64(u64(n) << 33n); record.delta = i32(-3); record.gates[n] = 9; record.gate.high = 77; record.kind = 1; return u64(record.address + u64(record.delta) + u64(record.gates[1]!) + u64(record.gate.high)); }
       export function h(n: u32): u32 { const frame = embed(Gate); frame.high = n; return u32(frame.high + Gate.size + Gate.offsetOf('high') + Record.size); }
       function through(view: ViewOf<typeof Gate>): u32 { return view.high; }
       export function k(n: u32): u32 { gates[1]!.high = n; return through(gates[1]!); }`,
      ['f', 'g', 'h', 'k'].flatMap((name) => upTo(name, 4)),
    );
  });

  it('passes Results in two registers', () => {
    agree(
      `function half(n: u32): Result<u32> { if (n % 2 !== 0) return err(Errno.EINVAL); return ok(u32(n / 2)); }
       function quarter(n: u32): Result<u32> { const h = half(n); if (!h.ok) return h; return half(h.value); }
       function check(n: u32): Result<void> { const q = quarter(n); return q.ok ? ok() : err(Errno.EIO); }
       export function f(n: u32): i32 { const q = quarter(n); return q.ok ? i32(q.value) : i32(-q.error); }
       export function g(n: u32): u32 { const c = check(n); if (c.ok) return 0; return c.error; }`,
      [...upTo('f', 9), ...upTo('g', 9)],
    );
  });

  it('calls through tables of functions and expands arrow arguments', () => {
    agree(
      `type Operation = (a: u32, b: u32) => u32;
       function add(a: u32, b: u32): u32 { return u32(a + b); }
       function sub(a: u32, b: u32): u32 { return u32(a - b); }
       function none(): u32 { return 1000; }
       const operations = sparseTable<Operation>(6, none, [[1, add], [3, sub], [4, (a, b) => u32(a * 2 + b)]]);
       export function f(n: u32): u32 { return operations[n]!(30, n); }
       const list = array(u32, 5);
       function each<T>(items: FixedArray<T>, visit: (item: T, index: u32) => boolean): boolean { let i: u32 = 0; for (const item of items) { if (!visit(item, i)) return false; i = u32(i + 1); } return true; }
       export function g(n: u32): u32 {
         for (let i: u32 = 0; i < 5; i++) list[i] = u32(i * i);
         let sum: u32 = 0;
         const all = each(list, (item, index) => { if (item > n) return false; sum = u32(sum + item + index); return true; });
         return all ? sum : u32(sum + 1000);
       }`,
      [...upTo('f', 7), ...upTo('g', 20)],
    );
  });

  it('nests expansions, and passes functions to functions by their address', () => {
    agree(
      `const list = array(u32, 4);
       function each(visit: (item: u32) => void): void { for (const item of list) visit(item); }
       export function f(n: u32): u32 {
         for (let i: u32 = 0; i < 4; i++) list[i] = u32(i + n);
         let sum: u32 = 0;
         each((a) => { each((b) => { if (b > a) sum = u32(sum + b); }); });
         return sum;
       }
       function twice(x: u32): u32 { return u32(x * 2); }
       type Map = (x: u32) => u32;
       type Apply = (map: Map, x: u32) => u32;
       function apply(map: Map, x: u32): u32 { return map(map(x)); }
       const appliers = table<Apply>([apply]);
       export function g(n: u32): u32 { return u32(appliers[0]!((x) => u32(x + 3), n) + appliers[0]!(twice, n)); }`,
      [...upTo('f', 4), ...upTo('g', 4)],
    );
  });

  it('instantiates generic functions and classes', () => {
    agree(
      `class Queue<T extends object> { head: u32 = 0; readonly tag: u32 = 3; first: T | null = null; push(item: T): void { this.first = item; this.head = u32(this.head + 1); } pop(): T | null { const item = this.first; this.first = null; return item; } }
       class A { value: u32 = 4; } class B { wide: u64 = 9n; }
       const queue = new Queue<A>(); const other = new Queue<B>(); const a = new A(); const b = new B();
       function larger<T extends u32 | u64>(x: T, y: T): T { return x > y ? x : y; }
       export function f(n: u32): u32 { queue.push(a); a.value = n; return u32((queue.pop() ?? a).value + larger<u32>(n, 5)); }
       export function g(n: u64): u64 { other.push(b); const item = other.pop(); return u64((item === null ? 0n : item.wide) + larger<u64>(n, 1n << 40n)); }`,
      [
        ['f', 3],
        ['f', 8],
        ['g', 1n],
        ['g', 1n << 50n],
      ],
    );
  });

  it('prints piece by piece and compares strings', () => {
    agree(
      `function text(s: string): void { for (let i: u32 = 0; i < s.length; i++) port.out8(0x3f8, s.charCodeAt(i)); }
       function unsigned(v: u64): void { if (v >= 10n) unsigned(u64(v / 10n)); port.out8(0x3f8, u8(48n + v % 10n)); }
       function signed(v: i64): void { port.out8(0x3f8, 45); unsigned(u64(-v)); }
       function digits(v: u64, n: u32): void { if (n > 1 || v > 15n) digits(u64(v >> 4n), n > 0 ? u32(n - 1) : 0); port.out8(0x3f8, '0123456789abcdef'.charCodeAt(u32(v & 15n))); }
       const print = printer({ text, unsigned, signed, hex: digits });
       function name(n: u32): string { return n === 0 ? 'zero' : n === 1 ? 'one' : 'many'; }
       export function f(n: u32): u32 { print\`n=\${n} \${i32(0 - n)} \${hex(n, 4)} \${n > 2} \${name(n)} \${u64(n) << 40n}\\n\`; return 0; }
       export function g(n: u32): boolean { return name(n) === 'one'; }
       export function h(n: u32): u8 { return 'hello'.charCodeAt(n); }`,
      [...upTo('f', 4), ['f', 300], ...upTo('g', 3), ...upTo('h', 7)],
    );
  });

  it('updates atomics and module state', () => {
    agree(
      `const counter = new Atomic32(5); const wide = new Atomic64(1n);
       class Cell { readonly count = new Atomic32(7); }
       const cell = new Cell(); let state: u16 = 65535; let flag = false;
       export function f(n: u32): u32 { const old = counter.fetchAdd(n); const seen = counter.compareExchange(u32(old + n), 40); return u32(old * 1000 + seen * 10 + counter.load()); }
       export function g(n: u64): u64 { wide.store(n); return u64(wide.exchange(3n) + wide.fetchOr(4n) * 100n + wide.fetchAnd(6n) * 10000n + wide.load() * 1000000n); }
       export function h(n: u32): u32 { state = u16(state + n); flag = !flag; return u32(state + (flag ? 100000 : 0) + cell.count.fetchAdd(1)); }`,
      [
        ['f', 1],
        ['f', 7],
        ['g', 2n],
        ['g', 0n],
        ['h', 0],
        ['h', 1],
        ['h', 2],
      ],
    );
  });

  it('constructs objects in raw memory', () => {
    agree(
      `class Item { id: u32 = 17; readonly lock = new Atomic32(2); next: Item | null = null; readonly name = array(u8, 5); total(): u32 { return u32(this.id + this.lock.load() + this.name[4]!); } }
       const arena = array(u64, 16);
       export function f(n: u32): u32 { const item = constructAt(Item, virt(addressOf(arena) + 16n)); item.id = u32(item.id + n); item.name[4] = u8(n); const same = objectAt(Item, virt(addressOf(arena) + 16n)); return u32(same.total() + (same.next === null ? 1000 : 0)); }`,
      upTo('f', 4),
    );
  });
});
