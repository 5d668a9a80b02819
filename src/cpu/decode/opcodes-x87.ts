import type { OpcodeRow } from './forms.ts';

const hexadecimal = (value: number) => value.toString(16).toUpperCase().padStart(2, '0');

/** The eight operations of D8, DC and DE, by digit, with their register forms. */
const ARITHMETIC = ['FADD', 'FMUL', 'FCOM', 'FCOMP', 'FSUB', 'FSUBR', 'FDIV', 'FDIVR'].flatMap(
  (mnemonic, digit): OpcodeRow[] => {
    const compare = digit === 2 || digit === 3;
    const second = hexadecimal(0xc0 + digit * 8);
    // The forms with destination ST(i) exchange the subtraction and the division with their reverses.
    const reversed = [4, 5, 6, 7].includes(digit) ? hexadecimal(0xc0 + (digit ^ 1) * 8) : second;
    const integer = mnemonic.replace('F', 'FI');
    return [
      [`D8 /${digit}`, mnemonic, 'Mfs', 'x87'],
      [`DC /${digit}`, mnemonic, 'Mfd', 'x87'],
      [`DA /${digit}`, integer, 'Md', 'x87'],
      [`DE /${digit}`, integer, 'Mw', 'x87'],
      [`D8 ${second}+i`, mnemonic, compare ? 'STi' : 'ST0 STi', 'x87'],
      [`DC ${reversed}+i`, mnemonic, compare ? 'STi' : 'STi ST0', 'x87'],
      ...(compare ? [] : [[`DE ${reversed}+i`, `${mnemonic}P`, 'STi ST0', 'x87'] satisfies OpcodeRow]),
    ];
  },
);

/** D9 E0 to D9 FF, one operation a byte; absent ones are #UD. */
const CONSTANTS_AND_FUNCTIONS = [
  ...['FCHS', 'FABS', '', '', 'FTST', 'FXAM', '', ''],
  ...['FLD1', 'FLDL2T', 'FLDL2E', 'FLDPI', 'FLDLG2', 'FLDLN2', 'FLDZ', ''],
  ...['F2XM1', 'FYL2X', 'FPTAN', 'FPATAN', 'FXTRACT', 'FPREM1', 'FDECSTP', 'FINCSTP'],
  ...['FPREM', 'FYL2XP1', 'FSQRT', 'FSINCOS', 'FRNDINT', 'FSCALE', 'FSIN', 'FCOS'],
].flatMap((mnemonic, low): OpcodeRow[] => (mnemonic ? [[`D9 ${hexadecimal(0xe0 + low)}`, mnemonic, '', 'x87']] : []));

/** The x87 map: opcodes D8 to DF and FWAIT. Encodings that only repeat another's meaning carry its name. */
export const X87_ROWS: readonly OpcodeRow[] = [
  ['9B', 'FWAIT', '', 'fpu'],
  ...ARITHMETIC,
  ...CONSTANTS_AND_FUNCTIONS,

  ['D9 /0', 'FLD', 'Mfs', 'x87'],
  ['D9 /2', 'FST', 'Mfs', 'x87'],
  ['D9 /3', 'FSTP', 'Mfs', 'x87'],
  ['D9 /4', 'FLDENV', 'Mfe', 'sized x87'],
  ['D9 /5', 'FLDCW', 'Mw', 'fpu'],
  ['D9 /6', 'FNSTENV', 'Mfe', 'sized x87'],
  ['D9 /7', 'FNSTCW', 'Mw', 'fpu'],
  ['D9 C0+i', 'FLD', 'STi', 'x87'],
  ['D9 C8+i', 'FXCH', 'ST0 STi', 'x87'],
  ['D9 D0', 'FNOP', '', 'x87'],
  ['D9 D8+i', 'FSTPNCE', 'STi', 'x87'],
  ['DA C0+i', 'FCMOVB', 'ST0 STi', 'x87'],
  ['DA C8+i', 'FCMOVE', 'ST0 STi', 'x87'],
  ['DA D0+i', 'FCMOVBE', 'ST0 STi', 'x87'],
  ['DA D8+i', 'FCMOVU', 'ST0 STi', 'x87'],
  ['DA E9', 'FUCOMPP', '', 'x87'],
  ['DB /0', 'FILD', 'Md', 'x87'],
  ['DB /1', 'FISTTP', 'Md', 'sse3'],
  ['DB /2', 'FIST', 'Md', 'x87'],
  ['DB /3', 'FISTP', 'Md', 'x87'],
  ['DB /5', 'FLD', 'Mft', 'x87'],
  ['DB /7', 'FSTP', 'Mft', 'x87'],
  ['DB C0+i', 'FCMOVNB', 'ST0 STi', 'x87'],
  ['DB C8+i', 'FCMOVNE', 'ST0 STi', 'x87'],
  ['DB D0+i', 'FCMOVNBE', 'ST0 STi', 'x87'],
  ['DB D8+i', 'FCMOVNU', 'ST0 STi', 'x87'],
  ['DB E0', 'FNENI', '', 'fpu'],
  ['DB E1', 'FNDISI', '', 'fpu'],
  ['DB E2', 'FNCLEX', '', 'fpu'],
  ['DB E3', 'FNINIT', '', 'fpu'],
  ['DB E4', 'FNSETPM', '', 'fpu'],
  ['DB E8+i', 'FUCOMI', 'ST0 STi', 'x87'],
  ['DB F0+i', 'FCOMI', 'ST0 STi', 'x87'],
  ['DD /0', 'FLD', 'Mfd', 'x87'],
  ['DD /1', 'FISTTP', 'Mq', 'sse3'],
  ['DD /2', 'FST', 'Mfd', 'x87'],
  ['DD /3', 'FSTP', 'Mfd', 'x87'],
  ['DD /4', 'FRSTOR', 'Mfn', 'sized x87'],
  ['DD /6', 'FNSAVE', 'Mfn', 'sized x87'],
  ['DD /7', 'FNSTSW', 'Mw', 'fpu'],
  ['DD C0+i', 'FFREE', 'STi', 'x87'],
  ['DD C8+i', 'FXCH', 'ST0 STi', 'x87'],
  ['DD D0+i', 'FST', 'STi', 'x87'],
  ['DD D8+i', 'FSTP', 'STi', 'x87'],
  ['DD E0+i', 'FUCOM', 'STi', 'x87'],
  ['DD E8+i', 'FUCOMP', 'STi', 'x87'],
  ['DE D0+i', 'FCOMP', 'STi', 'x87'],
  ['DE D9', 'FCOMPP', '', 'x87'],
  ['DF /0', 'FILD', 'Mw', 'x87'],
  ['DF /1', 'FISTTP', 'Mw', 'sse3'],
  ['DF /2', 'FIST', 'Mw', 'x87'],
  ['DF /3', 'FISTP', 'Mw', 'x87'],
  ['DF /4', 'FBLD', 'Mdt', 'x87'],
  ['DF /5', 'FILD', 'Mq', 'x87'],
  ['DF /6', 'FBSTP', 'Mdt', 'x87'],
  ['DF /7', 'FISTP', 'Mq', 'x87'],
  ['DF C0+i', 'FFREEP', 'STi', 'x87'],
  ['DF C8+i', 'FXCH', 'ST0 STi', 'x87'],
  ['DF D0+i', 'FSTP', 'STi', 'x87'],
  ['DF D8+i', 'FSTP', 'STi', 'x87'],
  ['DF E0', 'FNSTSW', 'AX', 'fpu'],
  ['DF E8+i', 'FUCOMIP', 'ST0 STi', 'x87'],
  ['DF F0+i', 'FCOMIP', 'ST0 STi', 'x87'],
];
