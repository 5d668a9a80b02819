import { compile, formatDiagnostic } from '../../../src/compiler/compile.ts';
import { Machine } from '../../../src/machine/machine.ts';
import { sourceHost } from '../source-host.ts';

/** From the PVH entry to `start` in 64-bit mode: 1 GiB at address 0 and again at the kernel's base. */
const BOOT = `import { array, asm, naked, u64 } from '#dialect';
import { start } from './program.ts';
const tables = array(u64, 1536);
const enterHigherHalf = naked((): void => asm\`
  mov eax, 0x10
  mov ss, eax
  mov ds, eax
  mov es, eax
  mov rax, \${start}
  jmp rax
\`);
export const pvhEntry = naked((): void => asm\`
  .code32
  cli
  cld
  mov ebp, \${tables}
  xor ecx, ecx
fill:
  mov eax, ecx
  shl eax, 21
  or eax, 0x83
  mov [ebp + ecx*8 + 0x2000], eax
  add ecx, 1
  cmp ecx, 512
  jne fill
  lea eax, [ebp + 0x1003]
  mov [ebp], eax
  mov [ebp + 0xff8], eax
  lea eax, [ebp + 0x2003]
  mov [ebp + 0x1000], eax
  mov [ebp + 0x1ff0], eax
  mov cr3, ebp
  mov eax, 0x620
  mov cr4, eax
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x100
  wrmsr
  mov eax, 0x80010033
  mov cr0, eax
  lgdt [pointer]
  jmp 0x08:\${enterHigherHalf}
descriptors:
  .quad 0
  .quad 0x00af9a000000ffff
  .quad 0x00cf92000000ffff
pointer:
  .word 23
  .long descriptors
\`);
`;

/** What the program of the test ends in: each result goes to the debug console as eight bytes. */
const ending = (calls: readonly string[]): string => `
import { array as $array, asm as $asm, naked as $naked, panicHandler as $panicHandler, port as $port, u8 as $u8, u64 as $u64 } from '#dialect';
export { pvhEntry } from './start.boot.ts';
const $stack = $array($u64, 4096);
function $put(value: $u64): void { for (let at: $u64 = 0n; at < 64n; at = $u64(at + 8n)) $port.out8(0xe9, $u8(value >> (at & 63n))); }
function $main(): never {
${calls.map((call) => `  $put(${call});`).join('\n')}
  $port.out8(0xf4, 0);
  while (true) {}
}
export const start = $naked((): void => $asm\`
  mov rsp, offset \${$stack}
  add rsp, 32768
  xor ebp, ebp
  call \${$main}
\`);
export const $panicked = $panicHandler(() => { $port.out8(0xf4, 1); while (true) {} });
`;

const INSTRUCTIONS_AT_MOST = 200_000_000;

/** Compiles a program to a kernel and runs it on the machine: what the calls return, and what they wrote to the serial port. */
export function onMachine(source: string, calls: readonly string[]): { results: bigint[]; output: string } {
  const files = { 'test/program.ts': source + ending(calls), 'test/start.boot.ts': BOOT };
  const { image, diagnostics } = compile({ entry: 'test/program.ts', kind: 'kernel', host: sourceHost(files) });
  if (image === null) throw new Error(diagnostics.map(formatDiagnostic).join('\n'));
  const machine = new Machine(image, { memory: '16M', protocol: 'pvh' });
  const bytes: number[] = [];
  machine.onDebugByte = (byte) => bytes.push(byte);
  machine.runSync({ maxInstructions: INSTRUCTIONS_AT_MOST });
  const view = new DataView(Uint8Array.from(bytes).buffer);
  const results = Array.from({ length: bytes.length >> 3 }, (_, index) => view.getBigUint64(8 * index, true));
  return { results, output: machine.serial.text };
}
