/**
 * From the loader's 32-bit protected mode to 64-bit code in the higher half. Linked at physical addresses; nothing here
 * runs a second time. EBX holds the loader's structure and travels in EDI, the protocol's number in ESI.
 */
import { array, asm, naked, u64 } from '#dialect';
import { enterKernel } from './enter.ts';

/**
 * First page tables, from the first page boundary on: PML4, page-directory pointers of the low half and of the kernel's
 * last entry, and four page directories of 2 MiB pages. They show 4 GiB at 0 and at the direct map, and the first GiB at
 * the kernel's base.
 */
const tables = array(u64, 512 * 8);

/** PVH (Xen's x86/hvm/start_info.h): EBX = start_info. */
export const pvhEntry = naked(
  (): void => asm`
    .code32
    mov esi, 1
    jmp ${enterLongMode}
  `,
);

/** Multiboot 1: EBX = information structure. */
export const multibootEntry = naked(
  (): void => asm`
    .code32
    mov esi, 2
    jmp ${enterLongMode}
  `,
);

/** Fills the tables, turns on PAE, global pages, SSE, long mode, no-execute, write protection and paging, in this order. */
const enterLongMode = naked(
  (): void => asm`
    .code32
    cli
    cld
    mov edi, ebx
    mov ebp, ${tables}
    add ebp, 0xfff
    and ebp, 0xfffff000
    xor ecx, ecx
  fill:
    mov eax, ecx
    shl eax, 21
    or eax, 0x83
    mov [ebp + ecx*8 + 0x3000], eax
    mov dword ptr [ebp + ecx*8 + 0x3004], 0
    add ecx, 1
    cmp ecx, 2048
    jne fill
    lea eax, [ebp + 0x3003]
    mov [ebp + 0x2ff0], eax
    xor ecx, ecx
  link:
    mov [ebp + ecx*8 + 0x1000], eax
    add eax, 0x1000
    add ecx, 1
    cmp ecx, 4
    jne link
    lea eax, [ebp + 0x1003]
    mov [ebp], eax
    mov [ebp + 0x800], eax
    lea eax, [ebp + 0x2003]
    mov [ebp + 0xff8], eax
    mov cr3, ebp
    mov eax, 0x6a0
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, 0x80010033
    mov cr0, eax
    lgdt [pointer]
    jmp 0x08:${enterHigherHalf}
  descriptors:
    .quad 0
    .quad 0x00af9a000000ffff
    .quad 0x00cf92000000ffff
  pointer:
    .word 23
    .long descriptors
  `,
);

/** The first 64-bit code: leaves the identity map for the kernel's own addresses. */
const enterHigherHalf = naked(
  (): void => asm`
    mov eax, 0x10
    mov ss, eax
    mov ds, eax
    mov es, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov rax, ${enterKernel}
    jmp rax
  `,
);
