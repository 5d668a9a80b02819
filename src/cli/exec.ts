import chalk from 'chalk';
import { Command } from 'commander';
import { Cpu } from '../cpu/cpu.ts';
import { CaseError, formatResult, type InstructionCase, parseBytes, parseCase } from '../debugger/cases/case.ts';
import { CaseMachine } from '../debugger/cases/case-machine.ts';
import { caseReport, disassembly, type ReportLine } from '../debugger/cases/report.ts';
import { writeOutput } from './output.ts';
import { offerStoredInterpreter } from './stored-interpreter.ts';

const DETAILS = `
The bytes run in 64-bit user mode, at 10000800 in a page of INT3 instructions; reaching one of them ends the run. Data pages are
20000000 to 20003fff, filled with a pattern, and 20004000 to 20004fff, read-only. Everything else is unmapped. All numbers are
hexadecimal. Besides the general registers (rax to r15, 0 unless given; rsp is 20001000) these may be set:
  fl          status flags, DF and AC               fs gs       segment bases
  xmm0..15    bytes in memory order                 mxcsr
  st0..st7    bytes in memory order                 fcw fsw ftw  x87 control, status and abridged tag word
  at          address of the first byte             m=ADDRESS:BYTES  bytes in the data pages
  step=1      stop after one instruction

Examples:
  verdigris exec 4801d8 rax=7fffffffffffffff rbx=1       add rax, rbx
  verdigris exec f3a4 rsi=20000000 rdi=20000100 rcx=10   rep movsb
  verdigris exec 660fefc0 xmm0=ffff                      pxor xmm0, xmm0
  verdigris exec --cases < cases.txt                     lines id=N code=HEX reg=value ..., answered a line each
`;

/** Exit status for a command line or case that makes no sense. */
const USAGE = 2;

/** The verb `exec`. */
export function execCommand(): Command {
  return new Command('exec')
    .description('run instruction bytes on a given state and show what changed')
    .argument('[hex]', 'the instruction bytes, in hexadecimal')
    .argument('[state...]', 'register=value, in hexadecimal')
    .option('--cases', 'answer cases from standard input, a line each')
    .addHelpText('after', DETAILS)
    .action(
      async (hex: string | undefined, state: readonly string[], flags: { readonly cases?: true }, command: Command) => {
        try {
          if (flags.cases) await answerCases(hex);
          else execute(hex, state);
        } catch (error) {
          if (!(error instanceof CaseError)) throw error;
          command.error(`verdigris: ${error.message}`, { exitCode: USAGE });
        }
      },
    );
}

function newMachine(): CaseMachine {
  offerStoredInterpreter();
  return new CaseMachine((options) => new Cpu(options));
}

/** @throws CaseError */
function execute(hex: string | undefined, state: readonly string[]): void {
  if (hex === undefined)
    throw new CaseError('exec needs instruction bytes in hexadecimal, as in: verdigris exec 4801d8 rax=1');
  parseBytes(hex, 'the code');
  const instructionCase = parseCase([`code=${hex}`, ...state]);
  const result = newMachine().run(instructionCase);
  const lines = [...disassembly(instructionCase), ...caseReport(instructionCase, result)];
  process.stdout.write(lines.map(lineText).join(''));
}

const lineText = ({ label, text }: ReportLine) => `${chalk.bold(label.padEnd(8))}  ${text}\n`;

/** Answers every line of standard input as it arrives. Empty lines and those that begin with # are passed over. */
async function answerCases(hex: string | undefined): Promise<void> {
  if (hex !== undefined)
    throw new CaseError('exec --cases reads the cases from standard input and takes no bytes as argument');
  const machine = newMachine();
  let number = 0;
  const answer = (line: string): string => {
    number++;
    if (line === '' || line.startsWith('#')) return '';
    const instructionCase = parseLine(line, number);
    return `${formatResult(instructionCase, machine.run(instructionCase))}\n`;
  };
  let rest = '';
  process.stdin.setEncoding('latin1');
  for await (const chunk of process.stdin) {
    const lines = (rest + chunk).split(/\r?\n/);
    rest = lines.pop()!;
    if (!(await writeOutput(lines.map(answer).join('')))) return;
  }
  await writeOutput(answer(rest));
}

/** @throws CaseError that names the line */
function parseLine(line: string, number: number): InstructionCase {
  try {
    return parseCase(line.split(' '));
  } catch (error) {
    throw error instanceof CaseError ? new CaseError(`line ${number}: ${error.message}`) : error;
  }
}
