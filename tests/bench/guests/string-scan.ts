import { addressOf, array, asm, mulLow32, naked, u8, u32, u64, type VirtAddr, virt } from '#dialect';

const BYTES = 65_536;
const ROUNDS = 80;
const LINE_FEED = 10;
const FIRST_LETTER = 32;
const text = array(u8, BYTES);

/** strlen: bytes before the first zero, 16 at a time from an address that 16 divides. */
const lengthOf = naked(
  (_start: VirtAddr): u64 => asm`
    pxor xmm0, xmm0
    mov rax, rdi
  next:
    movdqa xmm1, [rax]
    pcmpeqb xmm1, xmm0
    pmovmskb ecx, xmm1
    add rax, 16
    test ecx, ecx
    je next
    bsf ecx, ecx
    lea rax, [rax + rcx - 16]
    sub rax, rdi
    ret
  `,
);

/** memchr: the address of the first such byte, which there is, from any address on. */
const find = naked(
  (_start: VirtAddr, _byte: u32): VirtAddr => asm`
    movd xmm0, esi
    punpcklbw xmm0, xmm0
    pshuflw xmm0, xmm0, 0
    pshufd xmm0, xmm0, 0
    mov rax, rdi
  next:
    movdqu xmm1, [rax]
    pcmpeqb xmm1, xmm0
    pmovmskb ecx, xmm1
    add rax, 16
    test ecx, ecx
    je next
    bsf ecx, ecx
    lea rax, [rax + rcx - 16]
    ret
  `,
);

/** How often a byte occurs in a length that 16 divides. */
const countByte = naked(
  (_start: VirtAddr, _length: u64, _byte: u32): u64 => asm`
    movd xmm0, edx
    punpcklbw xmm0, xmm0
    pshuflw xmm0, xmm0, 0
    pshufd xmm0, xmm0, 0
    pxor xmm2, xmm2
    pxor xmm4, xmm4
    add rsi, rdi
  next:
    movdqu xmm1, [rdi]
    pcmpeqb xmm1, xmm0
    pxor xmm3, xmm3
    psubb xmm3, xmm1
    psadbw xmm3, xmm2
    paddq xmm4, xmm3
    add rdi, 16
    cmp rdi, rsi
    jb next
    pshufd xmm3, xmm4, 0x4e
    paddq xmm4, xmm3
    movq rax, xmm4
    ret
  `,
);

/** Lines of about a hundred letters, and a zero at the end. */
function writeText(): void {
  let seed: u32 = 9;
  for (let index: u32 = 0; index < BYTES; index++) {
    seed = u32(mulLow32(seed, 1_664_525) + 1_013_904_223);
    const letter = u32((seed >>> 16) % 100);
    text[index] = letter === 0 ? LINE_FEED : u8(FIRST_LETTER + letter);
  }
  text[BYTES - 2] = LINE_FEED;
  text[BYTES - 1] = 0;
}

/** strlen, memchr and counting, as C libraries write them with SSE2. */
export function stringScan(): u32 {
  writeText();
  const start = addressOf(text);
  const end = virt(start + u64(BYTES - 1));
  let checksum: u32 = 0;
  for (let round: u32 = 0; round < ROUNDS; round++) {
    checksum = u32(mulLow32(checksum, 31) + u32(lengthOf(start)) + u32(countByte(start, u64(BYTES), LINE_FEED)));
    let lines: u32 = 0;
    for (let line = find(start, LINE_FEED); virt(line + 1n) < end; line = find(virt(line + 1n), LINE_FEED)) {
      lines = u32(lines + 1);
    }
    checksum = u32(checksum ^ lines);
  }
  return checksum;
}
