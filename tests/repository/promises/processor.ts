import { keptBy } from './kept-by.ts';

/** src/cpu: instructions, system behaviour, paging. */
export const PROCESSOR = [
  ...keptBy('oracle/native.test.ts', 'instructions evaluated on bigints', [
    ['one semantics has an interpreter and a BigInt oracle, which agree on 240,000 cases', ''],
  ]),
  ...keptBy('cpu/engine.test.ts', 'straight-line code and loops', [
    [
      'the interpreter is WebAssembly that counts exactly',
      'stops after exactly as many instructions as asked, wherever that is',
    ],
  ]),
  ...keptBy('cpu/decode-table.test.ts', 'the opcode table', [
    ['every row of the opcode table has a meaning', 'has a meaning for every row whose feature is implemented'],
  ]),
  ...keptBy('oracle/instruction-groups.test.ts', "the interpreter and the host's processor agree on", [
    ['arithmetic', 'arithmetic: ADD ADC SUB SBB CMP INC DEC NEG'],
    ['logic', 'logic: AND OR XOR NOT TEST'],
    ['shifts', 'shifts: SHL SHR SAR'],
    ['double shifts', 'double shifts: SHLD SHRD'],
    ['rotates through carry', 'rotates, through carry too: ROL ROR RCL RCR'],
    ['bit tests', 'bit tests: BT BTS BTR BTC'],
    ['bit scans', 'bit scans: BSF BSR'],
    ['multiplication', 'multiplication: MUL IMUL'],
    ['division', 'division: DIV IDIV'],
    ['string operations, repeated', 'string instructions: MOVS CMPS STOS LODS SCAS'],
    [
      'string operations restart exactly',
      'repeated string instructions that fault on the way: registers say what is done, and the rest goes on from there',
    ],
    ['XADD and CMPXCHG', 'compare and exchange: CMPXCHG XADD'],
    ['CMPXCHG8B and CMPXCHG16B', 'compare and exchange of pairs: CMPXCHG8B CMPXCHG16B'],
    ['LOCK rules', 'LOCK, refused where it does not belong'],
    ['high-byte registers', 'high-byte registers'],
    ['address-size overrides', 'address-size overrides'],
    ['segment overrides', 'segment overrides'],
    ['stack and frame instructions', 'the stack and its frames: PUSH POP PUSHF POPF ENTER LEAVE'],
    ['near transfers', 'near transfers: CALL JMP Jcc RET LOOP LOOPE LOOPNE JCXZ'],
    ['far transfers', 'far transfers: CALLF JMPF RETF IRET INT INT3'],
    ['MOVBE', 'MOVBE'],
    ['ADX', 'add with carry chains: ADCX ADOX'],
    ['BMI1', 'BMI1: ANDN BEXTR BLSI BLSMSK BLSR TZCNT'],
    ['BMI2', 'BMI2: BZHI MULX PDEP PEXT RORX SARX SHLX SHRX'],
    ['MMX', 'MMX'],
    ['SSE', 'SSE'],
    ['SSE2', 'SSE2'],
    [
      'x87 control and state',
      'x87 control and state: FNINIT FNSTCW FLDCW FNSTSW FNCLEX FWAIT FNENI FNDISI FNSETPM FXSAVE FXRSTOR',
    ],
    ['FSGSBASE', 'FS and GS bases: RDFSBASE RDGSBASE WRFSBASE WRGSBASE'],
  ]),
  ...keptBy('oracle/instruction-groups.test.ts', '', [
    [
      'no instruction is left out of these',
      'every instruction form that cases can show > belongs to one of the groups below',
    ],
  ]),
  ...keptBy('cpu/sse.test.ts', '', [
    ['MXCSR rounds', 'MXCSR > chooses how results are rounded'],
    ['MXCSR collects flags', 'MXCSR > collects the flags of masked exceptions'],
    [
      'misaligned MOVAPS and its kin raise #GP(0)',
      '16-byte memory operands > … raises #GP(0) when misaligned, and nothing else happens',
    ],
    [
      'the bootstrap bug of the seed: an entry whose stack is off by 8',
      "16-byte memory operands > the seed's bootstrap: an entry with a stack off by 8 spills xmm0 with movaps and gets #GP(0)",
    ],
  ]),
  ...keptBy('cpu/system-stack-alignment.test.ts', '', [
    [
      'the bootstrap bug in an interrupt handler',
      'six pushes after a call leave the kernel stack off by eight, and the handler faults on MOVAPS with #GP(0)',
    ],
    ['and without it', 'eight bytes more and the same handler runs'],
  ]),
  ...keptBy('cpu/features.test.ts', 'a feature, by the …', [
    ['an absent feature raises #UD and its CPUID bit is off', '… raises #UD exactly when CPUID does not advertise it'],
  ]),
  ...keptBy('cpu/system-registers.test.ts', '', [
    [
      'far jumps, WRMSR, LGDT and paging lead from 32-bit protected mode to long mode',
      'entering and leaving IA-32e mode (SDM vol. 3A 9.8.5) > PAE, CR3, LME, PG, then a far jump to 64-bit code',
    ],
    ['CR0 to CR4', 'control registers > ET always reads as one, and reserved bits as zero'],
    ['CR8', 'control registers > CR8 is the task priority of the bus'],
    ['PCID', 'control registers > PCIDE needs CR3[11:0] clear, and then CR3 takes a PCID and bit 63'],
    ['CPUID', 'CPUID > names the vendor and the last leaves'],
    ['RDTSC and RDTSCP', 'MSRs > the time-stamp counter is virtual time plus an offset'],
    ['RDMSR and WRMSR check canonical addresses', 'MSRs > %x holds canonical addresses'],
    ['FXSAVE and FXRSTOR', 'x87 control and FXSAVE > FXRSTOR brings back what FXSAVE wrote'],
    ['FNINIT, FNSTCW, FLDCW, FNSTSW', 'x87 control and FXSAVE > FNINIT, FNSTCW, FLDCW, FNSTSW'],
    ['FWAIT', 'x87 control and FXSAVE > unmasking a pending exception sets ES and B, and FWAIT raises #MF'],
    ['HLT', 'RFLAGS under IOPL > HLT is privileged'],
  ]),
  ...keptBy('cpu/system-transfers.test.ts', '', [
    ['SYSCALL', 'SYSCALL and SYSRET > SYSCALL saves RIP and RFLAGS and masks with SFMASK'],
    ['SYSRET', 'SYSCALL and SYSRET > SYSRETQ restores RIP and the flags of R11, and loads CS 2B, SS 23'],
    ['SWAPGS', 'SWAPGS and the base instructions > SWAPGS exchanges the bases and is privileged'],
    [
      'IRETQ with its checks',
      'IRETQ (SDM vol. 2A, IRET/IRETD/IRETQ: Operation) > returns to ring 3 with every part of the frame',
    ],
    ['LTR', 'LTR, LLDT and descriptor inspection > LTR loads a 16-byte descriptor and makes it busy'],
    ['LLDT', 'LTR, LLDT and descriptor inspection > LLDT makes selectors with TI usable'],
    ['LGDT', 'LTR, LLDT and descriptor inspection > LGDT and SGDT move ten bytes and refuse a non-canonical base'],
    ['FSGSBASE needs CR4', 'SWAPGS and the base instructions > needs CR4.FSGSBASE'],
  ]),
  ...keptBy('cpu/system-events.test.ts', '', [
    ['INT n', 'software interrupts > INT n needs a gate whose DPL is not below the ring'],
    [
      'interrupt and trap gates',
      'delivery in 64-bit mode (SDM vol. 3A 6.14) > a trap gate keeps IF, and both gates clear TF and NT',
    ],
    [
      'IST',
      'delivery in 64-bit mode (SDM vol. 3A 6.14) > an IST stack is taken even without a ring change, and SS stays',
    ],
    ['the TSS', 'delivery in 64-bit mode (SDM vol. 3A 6.14) > from ring 3 takes RSP0 and a null SS'],
    [
      'each exception has its vector, error code and RF',
      'delivery in 64-bit mode (SDM vol. 3A 6.14) > vector … pushes error code … and RF …',
    ],
    ['CR2', 'delivery in 64-bit mode (SDM vol. 3A 6.14) > #PF writes CR2, other vectors do not'],
    [
      'double fault',
      'double and triple faults (SDM vol. 3A table 6-5) > a contributory pair enters the double-fault handler with error code 0',
    ],
    ['triple fault', 'double and triple faults (SDM vol. 3A table 6-5) > an empty IDT shuts the processor down'],
    ['STI shadow', 'interrupts, NMI and shadows > STI holds interrupts off for one instruction'],
    ['MOV SS shadow', 'interrupts, NMI and shadows > MOV SS holds off interrupts, NMI and debug traps'],
  ]),
  ...keptBy('cpu/system-debug.test.ts', '', [
    ['DR0 to DR7', 'debug registers > DR6 and DR7 keep their fixed bits and refuse upper halves'],
    ['hardware breakpoints', 'instruction breakpoints > fault before the instruction, without RF in the saved flags'],
    ['hardware watchpoints', 'data breakpoints > a write meets a write breakpoint'],
    [
      'TF single step',
      'single step > traps behind the instruction with BS, TF clear in the handler and set in the frame',
    ],
  ]),
  ...keptBy('cpu/system-paging.test.ts', '', [
    ['4 KiB pages, NX, WP, U/S, SMEP, SMAP', '4-level paging rights (SDM vol. 3A 4.6)'],
    [
      '2 MiB pages and reserved bits',
      '4-level paging rights (SDM vol. 3A 4.6) > 2-MByte pages reserve bits 20:13 and keep PAT in bit 12',
    ],
    ['1 GiB pages', '4-level paging rights (SDM vol. 3A 4.6) > 1-GByte pages map and reserve bits 29:13'],
    ['accessed flags', 'accessed and dirty flags (SDM vol. 3A 4.8) > a read sets A on every level and D nowhere'],
    ['dirty flags', 'accessed and dirty flags (SDM vol. 3A 4.8) > a write sets D in the leaf only'],
    [
      'the TLB is stale until invalidated, never wrong after',
      'the TLB (SDM vol. 3A 4.10) > an entry stays until it is invalidated, and is gone at once after',
    ],
    ['global pages', 'the TLB (SDM vol. 3A 4.10) > MOV CR3 keeps global pages and drops the others'],
    ['INVLPG', 'the TLB (SDM vol. 3A 4.10) > INVLPG drops one page, global or not'],
    ['INVPCID', 'the TLB (SDM vol. 3A 4.10) > INVPCID types 2 and 3 differ in global pages'],
  ]),
  ...keptBy('cpu/engine-stops.test.ts', 'self-modifying code', [
    ['self-modifying code', 'executes what was just written, in the same run and in a page written over and over'],
  ]),
  ...keptBy('cpu/engine.test.ts', 'straight-line code and loops', [
    ['accesses across pages', 'reads and writes memory in every size, across pages too'],
  ]),
  ...keptBy('cpu/random-bytes.test.ts', 'random bytes', [
    [
      'any bytes execute or fault; the host never throws',
      'never make the host throw, and mean the same in both bindings: …',
    ],
  ]),
];
