import { sseRows } from './encodings-sse.ts';

/**
 * The instructions the compiler and its assembler know, one encoding a line, in the manual's notation (Intel SDM vol. 2):
 * `mnemonic operands | bytes`.
 *
 * Operands: r8 r16 r32 r64 registers, rm8... register or memory, r / rm of 16, 32 or 64 bits (one width for all such
 * operands), m memory of any size, al acc (ax eax rax) cl dx, one (the immediate 1), i8 sign-extended and u8 unsigned
 * byte, i16, iz (16 bits or sign-extended 32), i32 any 32-bit value, i64; sreg creg dreg; rel8 rel32; far.
 * Bytes: hex, /r and /digit (ModRM), +r (register in the opcode), ib iw iz id io (immediate), rb rd (relative),
 * W (REX.W), o16 (operand-size prefix), no64 / only64 (mode).
 */
const arithmetic = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp'];
const shifts: readonly (readonly [string, number])[] = [
  ['rol', 0],
  ['ror', 1],
  ['rcl', 2],
  ['rcr', 3],
  ['shl', 4],
  ['sal', 4],
  ['shr', 5],
  ['sar', 7],
];
const conditionNames: readonly (readonly string[])[] = [
  ['o'],
  ['no'],
  ['b', 'c', 'nae'],
  ['ae', 'nb', 'nc'],
  ['e', 'z'],
  ['ne', 'nz'],
  ['be', 'na'],
  ['a', 'nbe'],
  ['s'],
  ['ns'],
  ['p', 'pe'],
  ['np', 'po'],
  ['l', 'nge'],
  ['ge', 'nl'],
  ['le', 'ng'],
  ['g', 'nle'],
];

const hex = (value: number): string => value.toString(16).padStart(2, '0');

function arithmeticRows(name: string, digit: number): string[] {
  const base = digit * 8;
  return [
    `${name} al,i8 | ${hex(base + 4)} ib`,
    `${name} rm,i8 | 83 /${digit} ib`,
    `${name} acc,iz | ${hex(base + 5)} iz`,
    `${name} rm8,i8 | 80 /${digit} ib`,
    `${name} rm,iz | 81 /${digit} iz`,
    `${name} rm8,r8 | ${hex(base)} /r`,
    `${name} rm,r | ${hex(base + 1)} /r`,
    `${name} r8,rm8 | ${hex(base + 2)} /r`,
    `${name} r,rm | ${hex(base + 3)} /r`,
  ];
}

function shiftRows([name, digit]: readonly [string, number]): string[] {
  return [
    `${name} rm8,one | d0 /${digit}`,
    `${name} rm,one | d1 /${digit}`,
    `${name} rm8,u8 | c0 /${digit} ib`,
    `${name} rm,u8 | c1 /${digit} ib`,
    `${name} rm8,cl | d2 /${digit}`,
    `${name} rm,cl | d3 /${digit}`,
  ];
}

function conditionRows(suffix: string, code: number): string[] {
  return [
    `j${suffix} rel8 | ${hex(0x70 + code)} rb`,
    `j${suffix} rel32 | 0f ${hex(0x80 + code)} rd`,
    `set${suffix} rm8 | 0f ${hex(0x90 + code)} /0`,
    `cmov${suffix} r,rm | 0f ${hex(0x40 + code)} /r`,
  ];
}

const unaryGroup: readonly (readonly [string, number])[] = [
  ['not', 2],
  ['neg', 3],
  ['mul', 4],
  ['imul', 5],
  ['div', 6],
  ['idiv', 7],
];

const others = `
mov r8,rm8 | 8a /r
mov rm8,r8 | 88 /r
mov r,rm | 8b /r
mov rm,r | 89 /r
mov r8,i8 | b0 +r ib
mov r16,i16 | o16 b8 +r iw
mov r32,i32 | b8 +r id
mov rm8,i8 | c6 /0 ib
mov rm,iz | c7 /0 iz
mov r64,i64 | W b8 +r io
mov creg,r64 | only64 0f 22 /r
mov r64,creg | only64 0f 20 /r
mov creg,r32 | no64 0f 22 /r
mov r32,creg | no64 0f 20 /r
mov dreg,r64 | only64 0f 23 /r
mov r64,dreg | only64 0f 21 /r
mov sreg,rm16 | 8e /r
mov sreg,r32 | 8e /r
mov sreg,r64 | only64 8e /r
mov m,sreg | 8c /r
mov r16,sreg | o16 8c /r
mov r32,sreg | 8c /r
mov r64,sreg | W 8c /r
movabs r64,i64 | W b8 +r io
movzx r,rm8 | 0f b6 /r
movzx r32,rm16 | 0f b7 /r
movzx r64,rm16 | W 0f b7 /r
movsx r,rm8 | 0f be /r
movsx r32,rm16 | 0f bf /r
movsx r64,rm16 | W 0f bf /r
movsxd r64,rm32 | W 63 /r
lea r,m | 8d /r
test al,i8 | a8 ib
test acc,iz | a9 iz
test rm8,i8 | f6 /0 ib
test rm,iz | f7 /0 iz
test rm8,r8 | 84 /r
test rm,r | 85 /r
xchg acc,r | 90 +r
xchg r,acc | 90 +r
xchg rm8,r8 | 86 /r
xchg rm,r | 87 /r
xchg r8,rm8 | 86 /r
xchg r,rm | 87 /r
inc rm8 | fe /0
inc rm | ff /0
dec rm8 | fe /1
dec rm | ff /1
imul r,rm | 0f af /r
imul r,rm,i8 | 6b /r ib
imul r,rm,iz | 69 /r iz
shld rm,r,u8 | 0f a4 /r ib
shld rm,r,cl | 0f a5 /r
shrd rm,r,u8 | 0f ac /r ib
shrd rm,r,cl | 0f ad /r
bt rm,r | 0f a3 /r
bt rm,u8 | 0f ba /4 ib
bts rm,r | 0f ab /r
bts rm,u8 | 0f ba /5 ib
btr rm,r | 0f b3 /r
btr rm,u8 | 0f ba /6 ib
btc rm,r | 0f bb /r
btc rm,u8 | 0f ba /7 ib
bsf r,rm | 0f bc /r
bsr r,rm | 0f bd /r
bswap r32 | 0f c8 +r
bswap r64 | W 0f c8 +r
xadd rm8,r8 | 0f c0 /r
xadd rm,r | 0f c1 /r
cmpxchg rm8,r8 | 0f b0 /r
cmpxchg rm,r | 0f b1 /r
cmpxchg8b m | 0f c7 /1
cmpxchg16b m | W 0f c7 /1
push r64 | only64 50 +r
push r32 | no64 50 +r
push i8 | 6a ib
push iz | 68 id
push rm64 | only64 ff /6
push rm32 | no64 ff /6
pop r64 | only64 58 +r
pop r32 | no64 58 +r
pop rm64 | only64 8f /0
pop rm32 | no64 8f /0
pushf | 9c
pushfq | only64 9c
pushfd | no64 9c
popf | 9d
popfq | only64 9d
popfd | no64 9d
leave | c9
ret | c3
ret u16 | c2 iw
retf | cb
retfq | W cb
call rel32 | e8 rd
call rm64 | only64 ff /2
call rm32 | no64 ff /2
jmp rel8 | eb rb
jmp rel32 | e9 rd
jmp rm64 | only64 ff /4
jmp rm32 | no64 ff /4
jmp far | no64 ea id iw
jmpf m | ff /5
callf m | ff /3
loop rel8 | e2 rb
jrcxz rel8 | only64 e3 rb
jecxz rel8 | no64 e3 rb
int u8 | cd ib
int3 | cc
ud2 | 0f 0b
hlt | f4
nop | 90
pause | f3 90
cli | fa
sti | fb
cld | fc
std | fd
clc | f8
stc | f9
cmc | f5
lahf | 9f
sahf | 9e
cbw | o16 98
cwde | 98
cdqe | W 98
cwd | o16 99
cdq | 99
cqo | W 99
iret | cf
iretd | cf
iretq | W cf
syscall | 0f 05
sysret | 0f 07
sysretq | W 0f 07
sysenter | 0f 34
sysexit | 0f 35
swapgs | only64 0f 01 f8
cpuid | 0f a2
rdtsc | 0f 31
rdtscp | 0f 01 f9
rdmsr | 0f 32
wrmsr | 0f 30
rdpmc | 0f 33
wbinvd | 0f 09
invd | 0f 08
clts | 0f 06
stac | 0f 01 cb
clac | 0f 01 ca
monitor | 0f 01 c8
mwait | 0f 01 c9
mfence | 0f ae f0
lfence | 0f ae e8
sfence | 0f ae f8
lgdt m | 0f 01 /2
lidt m | 0f 01 /3
sgdt m | 0f 01 /0
sidt m | 0f 01 /1
lldt rm16 | 0f 00 /2
ltr rm16 | 0f 00 /3
str r16 | o16 0f 00 /1
str r32 | 0f 00 /1
sldt r16 | o16 0f 00 /0
sldt r32 | 0f 00 /0
smsw r32 | 0f 01 /4
lmsw rm16 | 0f 01 /6
invlpg m | 0f 01 /7
fxsave m | 0f ae /0
fxrstor m | 0f ae /1
fxsave64 m | W 0f ae /0
fxrstor64 m | W 0f ae /1
ldmxcsr m | 0f ae /2
stmxcsr m | 0f ae /3
clflush m | 0f ae /7
rdfsbase r32 | f3 0f ae /0
rdfsbase r64 | f3 W 0f ae /0
rdgsbase r32 | f3 0f ae /1
rdgsbase r64 | f3 W 0f ae /1
wrfsbase r32 | f3 0f ae /2
wrfsbase r64 | f3 W 0f ae /2
wrgsbase r32 | f3 0f ae /3
wrgsbase r64 | f3 W 0f ae /3
fninit | db e3
fnclex | db e2
fwait | 9b
fldcw m | d9 /5
fnstcw m | d9 /7
in al,u8 | e4 ib
in acc,u8 | e5 ib
in al,dx | ec
in acc,dx | ed
out u8,al | e6 ib
out u8,acc | e7 ib
out dx,al | ee
out dx,acc | ef
movsb | a4
movsw | o16 a5
movsd | a5
movsq | W a5
cmpsb | a6
cmpsw | o16 a7
cmpsd | a7
cmpsq | W a7
stosb | aa
stosw | o16 ab
stosd | ab
stosq | W ab
lodsb | ac
lodsw | o16 ad
lodsd | ad
lodsq | W ad
scasb | ae
scasw | o16 af
scasd | af
scasq | W af
insb | 6c
insw | o16 6d
insd | 6d
outsb | 6e
outsw | o16 6f
outsd | 6f
`;

/** Every row of the table as text. */
export const encodingRows: readonly string[] = [
  ...arithmetic.flatMap(arithmeticRows),
  ...shifts.flatMap(shiftRows),
  ...conditionNames.flatMap((names, code) => names.flatMap((name) => conditionRows(name, code))),
  ...unaryGroup.flatMap(([name, digit]) => [`${name} rm8 | f6 /${digit}`, `${name} rm | f7 /${digit}`]),
  ...others.trim().split('\n'),
  ...sseRows,
];

export interface Encoding {
  readonly operands: readonly string[];
  /** 66 f2 f3 before REX */
  readonly prefixes: readonly number[];
  readonly opcode: readonly number[];
  /** ModRM.reg: an operand ('r'), a fixed digit, or no ModRM byte at all */
  readonly modrm: 'r' | number | null;
  readonly plusRegister: boolean;
  readonly immediates: readonly ('ib' | 'iw' | 'iz' | 'id' | 'io' | 'rb' | 'rd')[];
  readonly wide: boolean;
  readonly mode: 32 | 64 | null;
  /** which operand is a segment, control, debug or XMM register, a general register, register or memory; -1: none */
  readonly places: { readonly special: number; readonly general: number; readonly rm: number };
}

const mandatoryPrefixes = new Set(['66', 'f2', 'f3']);

function parseRow(row: string): [string, Encoding] {
  const [left, right] = row.split(' | ') as [string, string];
  const [mnemonic, operands = ''] = left.split(' ') as [string, string?];
  const prefixes: number[] = [];
  const opcode: number[] = [];
  const immediates: Encoding['immediates'][number][] = [];
  let modrm: Encoding['modrm'] = null;
  let plusRegister = false;
  let wide = false;
  let mode: Encoding['mode'] = null;
  for (const token of right.split(' ')) {
    if (token === '/r') modrm = 'r';
    else if (token.startsWith('/')) modrm = Number(token.slice(1));
    else if (token === '+r') plusRegister = true;
    else if (token === 'W') wide = true;
    else if (token === 'only64') mode = 64;
    else if (token === 'no64') mode = 32;
    else if (/^(i[bwzdo]|r[bd])$/.test(token)) immediates.push(token as Encoding['immediates'][number]);
    else if (token === 'o16') prefixes.push(0x66);
    else if (opcode.length === 0 && mandatoryPrefixes.has(token)) prefixes.push(Number.parseInt(token, 16));
    else opcode.push(Number.parseInt(token, 16));
  }
  const list = operands === '' ? [] : operands.split(',');
  const places = {
    special: list.findIndex((pattern) => ['sreg', 'creg', 'dreg', 'x'].includes(pattern)),
    general: list.findIndex((pattern) => /^r\d*$/.test(pattern)),
    rm: list.findIndex((pattern) => /^rm|^xm$|^xr$|^m$/.test(pattern)),
  };
  return [mnemonic, { operands: list, prefixes, opcode, modrm, plusRegister, immediates, wide, mode, places }];
}

/** Mnemonic -> its encodings, shorter ones first where several fit. */
export const encodings: ReadonlyMap<string, readonly Encoding[]> = (() => {
  const table = new Map<string, Encoding[]>();
  for (const row of encodingRows) {
    const [mnemonic, encoding] = parseRow(row);
    const known = table.get(mnemonic);
    if (known) known.push(encoding);
    else table.set(mnemonic, [encoding]);
  }
  return table;
})();
