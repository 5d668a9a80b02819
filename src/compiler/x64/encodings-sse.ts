/**
 * SSE and SSE2, in the notation of encodings.ts. Operands: x an XMM register in ModRM.reg, xr one in ModRM.rm, xm an XMM
 * register or memory. 66 f2 f3 before the opcode are mandatory prefixes.
 */
const hex = (value: number): string => value.toString(16).padStart(2, '0');

/** Suffixes of the arithmetic forms with their prefixes: packed single and double, scalar single and double. */
const allForms = [
  ['ps', ''],
  ['pd', '66 '],
  ['ss', 'f3 '],
  ['sd', 'f2 '],
] as const;
const packedForms = allForms.slice(0, 2);

const arithmetic: readonly (readonly [string, number])[] = [
  ['sqrt', 0x51],
  ['add', 0x58],
  ['mul', 0x59],
  ['sub', 0x5c],
  ['min', 0x5d],
  ['div', 0x5e],
  ['max', 0x5f],
];

const packedOnly: readonly (readonly [string, number])[] = [
  ['unpckl', 0x14],
  ['unpckh', 0x15],
  ['and', 0x54],
  ['andn', 0x55],
  ['or', 0x56],
  ['xor', 0x57],
];

/** Integers in XMM registers: 66 0f opcode /r. */
const integers: readonly (readonly [string, number])[] = [
  ['punpcklbw', 0x60],
  ['punpcklwd', 0x61],
  ['punpckldq', 0x62],
  ['packsswb', 0x63],
  ['pcmpgtb', 0x64],
  ['pcmpgtw', 0x65],
  ['pcmpgtd', 0x66],
  ['packuswb', 0x67],
  ['punpckhbw', 0x68],
  ['punpckhwd', 0x69],
  ['punpckhdq', 0x6a],
  ['packssdw', 0x6b],
  ['punpcklqdq', 0x6c],
  ['punpckhqdq', 0x6d],
  ['pcmpeqb', 0x74],
  ['pcmpeqw', 0x75],
  ['pcmpeqd', 0x76],
  ['psrlw', 0xd1],
  ['psrld', 0xd2],
  ['psrlq', 0xd3],
  ['paddq', 0xd4],
  ['pmullw', 0xd5],
  ['psubusb', 0xd8],
  ['psubusw', 0xd9],
  ['pminub', 0xda],
  ['pand', 0xdb],
  ['paddusb', 0xdc],
  ['paddusw', 0xdd],
  ['pmaxub', 0xde],
  ['pandn', 0xdf],
  ['pavgb', 0xe0],
  ['psraw', 0xe1],
  ['psrad', 0xe2],
  ['pavgw', 0xe3],
  ['pmulhuw', 0xe4],
  ['pmulhw', 0xe5],
  ['psubsb', 0xe8],
  ['psubsw', 0xe9],
  ['pminsw', 0xea],
  ['por', 0xeb],
  ['paddsb', 0xec],
  ['paddsw', 0xed],
  ['pmaxsw', 0xee],
  ['pxor', 0xef],
  ['psllw', 0xf1],
  ['pslld', 0xf2],
  ['psllq', 0xf3],
  ['pmuludq', 0xf4],
  ['pmaddwd', 0xf5],
  ['psadbw', 0xf6],
  ['psubb', 0xf8],
  ['psubw', 0xf9],
  ['psubd', 0xfa],
  ['psubq', 0xfb],
  ['paddb', 0xfc],
  ['paddw', 0xfd],
  ['paddd', 0xfe],
];

/** Shifts by a constant: 66 0f opcode /digit ib. */
const shifts: readonly (readonly [string, number, number])[] = [
  ['psrlw', 0x71, 2],
  ['psraw', 0x71, 4],
  ['psllw', 0x71, 6],
  ['psrld', 0x72, 2],
  ['psrad', 0x72, 4],
  ['pslld', 0x72, 6],
  ['psrlq', 0x73, 2],
  ['psrldq', 0x73, 3],
  ['psllq', 0x73, 6],
  ['pslldq', 0x73, 7],
];

const others = `
movups x,xm | 0f 10 /r
movups xm,x | 0f 11 /r
movupd x,xm | 66 0f 10 /r
movupd xm,x | 66 0f 11 /r
movss x,xm | f3 0f 10 /r
movss xm,x | f3 0f 11 /r
movsd x,xm | f2 0f 10 /r
movsd xm,x | f2 0f 11 /r
movhlps x,xr | 0f 12 /r
movlps x,m | 0f 12 /r
movlps m,x | 0f 13 /r
movlpd x,m | 66 0f 12 /r
movlpd m,x | 66 0f 13 /r
movlhps x,xr | 0f 16 /r
movhps x,m | 0f 16 /r
movhps m,x | 0f 17 /r
movhpd x,m | 66 0f 16 /r
movhpd m,x | 66 0f 17 /r
movaps x,xm | 0f 28 /r
movaps xm,x | 0f 29 /r
movapd x,xm | 66 0f 28 /r
movapd xm,x | 66 0f 29 /r
movntps m,x | 0f 2b /r
movntpd m,x | 66 0f 2b /r
movmskps r32,xr | 0f 50 /r
movmskpd r32,xr | 66 0f 50 /r
movd x,rm32 | 66 0f 6e /r
movd rm32,x | 66 0f 7e /r
movq x,xm | f3 0f 7e /r
movq xm,x | 66 0f d6 /r
movq x,rm64 | 66 W 0f 6e /r
movq rm64,x | 66 W 0f 7e /r
movdqa x,xm | 66 0f 6f /r
movdqa xm,x | 66 0f 7f /r
movdqu x,xm | f3 0f 6f /r
movdqu xm,x | f3 0f 7f /r
movntdq m,x | 66 0f e7 /r
pmovmskb r32,xr | 66 0f d7 /r
pshufd x,xm,u8 | 66 0f 70 /r ib
pshufhw x,xm,u8 | f3 0f 70 /r ib
pshuflw x,xm,u8 | f2 0f 70 /r ib
pinsrw x,r32,u8 | 66 0f c4 /r ib
pextrw r32,xr,u8 | 66 0f c5 /r ib
shufps x,xm,u8 | 0f c6 /r ib
shufpd x,xm,u8 | 66 0f c6 /r ib
rsqrtps x,xm | 0f 52 /r
rsqrtss x,xm | f3 0f 52 /r
rcpps x,xm | 0f 53 /r
rcpss x,xm | f3 0f 53 /r
ucomiss x,xm | 0f 2e /r
ucomisd x,xm | 66 0f 2e /r
comiss x,xm | 0f 2f /r
comisd x,xm | 66 0f 2f /r
cvtsi2ss x,rm32 | f3 0f 2a /r
cvtsi2ss x,rm64 | f3 W 0f 2a /r
cvtsi2sd x,rm32 | f2 0f 2a /r
cvtsi2sd x,rm64 | f2 W 0f 2a /r
cvttss2si r32,xm | f3 0f 2c /r
cvttss2si r64,xm | f3 W 0f 2c /r
cvttsd2si r32,xm | f2 0f 2c /r
cvttsd2si r64,xm | f2 W 0f 2c /r
cvtss2si r32,xm | f3 0f 2d /r
cvtss2si r64,xm | f3 W 0f 2d /r
cvtsd2si r32,xm | f2 0f 2d /r
cvtsd2si r64,xm | f2 W 0f 2d /r
cvtps2pd x,xm | 0f 5a /r
cvtpd2ps x,xm | 66 0f 5a /r
cvtss2sd x,xm | f3 0f 5a /r
cvtsd2ss x,xm | f2 0f 5a /r
cvtdq2ps x,xm | 0f 5b /r
cvtps2dq x,xm | 66 0f 5b /r
cvttps2dq x,xm | f3 0f 5b /r
cvttpd2dq x,xm | 66 0f e6 /r
cvtdq2pd x,xm | f3 0f e6 /r
cvtpd2dq x,xm | f2 0f e6 /r
`;

const formRows = (
  names: readonly (readonly [string, number])[],
  forms: readonly (readonly [string, string])[],
): string[] =>
  names.flatMap(([name, opcode]) =>
    forms.map(([suffix, prefix]) => `${name}${suffix} x,xm | ${prefix}0f ${hex(opcode)} /r`),
  );

/** Every row as text. */
export const sseRows: readonly string[] = [
  ...formRows(arithmetic, allForms),
  ...formRows(packedOnly, packedForms),
  ...allForms.map(([suffix, prefix]) => `cmp${suffix} x,xm,u8 | ${prefix}0f c2 /r ib`),
  ...integers.map(([name, opcode]) => `${name} x,xm | 66 0f ${hex(opcode)} /r`),
  ...shifts.map(([name, opcode, digit]) => `${name} xr,u8 | 66 0f ${hex(opcode)} /${digit} ib`),
  ...others.trim().split('\n'),
];
