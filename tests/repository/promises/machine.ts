import { keptBy } from './kept-by.ts';

/** src/devices and src/machine. */
export const MACHINE = [
  ...keptBy('devices/lapic.test.ts', '', [
    ['xAPIC registers: IRR and ISR', 'priorities > shows requests and service in IRR and ISR'],
    ['TPR and PPR', 'priorities > holds back vectors not above the task priority, which CR8 shares'],
    ['self IPI', 'interprocessor interrupts > reach the sender by shorthand self without leaving it'],
    ['broadcast IPI', 'interprocessor interrupts > reach everybody by broadcast, with or without the sender'],
    ['the spurious vector', 'priorities > answers the spurious vector when the request is no longer deliverable'],
    ['LVT', 'after reset > is software-disabled, with every LVT entry masked'],
  ]),
  ...keptBy('devices/x2apic.test.ts', '', [
    ['x2APIC MSRs', 'x2APIC registers > send with one 64-bit ICR write, broadcast and logical included'],
    ['x2APIC and xAPIC are one', 'x2APIC registers > share their state with the xAPIC door'],
    ['APIC_BASE enables and disables', 'IA32_APIC_BASE > resets the registers when it disables the APIC'],
  ]),
  ...keptBy('devices/lapic-timer.test.ts', '', [
    ['one-shot timer', 'one-shot mode > counts down to zero, interrupts once and stays there'],
    ['periodic timer', 'periodic mode > interrupts at each period without drift'],
    [
      'TSC-deadline timer',
      'TSC-deadline mode > interrupts once when the time-stamp counter reaches the deadline, and clears it',
    ],
  ]),
  ...keptBy('devices/uart16550.test.ts', '', [
    ['UART FIFO', 'receiver > queues 16 bytes in the FIFO and loses the seventeenth'],
    [
      'UART transmitter interrupt',
      'transmitter > interrupts when ETBEI is set and again after each byte; reading IIR withdraws it',
    ],
    [
      'UART receiver interrupt',
      'receiver > raises the timeout interrupt after four character times below the trigger level',
    ],
    ['UART loopback', 'loopback > returns transmitted bytes to the receiver and hides them from the line'],
    ['UART DLAB', 'divisor latch > replaces RBR, THR and IER while DLAB is set'],
  ]),
  ...keptBy('devices/pic8259.test.ts', 'masking', [
    ['8259 masking', 'holds back a masked request and delivers it once unmasked'],
  ]),
  ...keptBy('devices/pit8254.test.ts', 'port 0x61', [
    ['8254 calibration', 'gates counter 2 and shows its output, as calibration loops expect'],
  ]),
  ...keptBy('devices/power.test.ts', '', [
    ['debug exit', 'exit ports > hand the value written to 0xf4 to the host'],
    ['debug console', 'recognises the debug console by what port 0xe9 reads, and passes bytes on'],
  ]),
  ...keptBy('machine/bus.test.ts', 'interrupt lines', [
    ['the UART is IRQ 4', 'take the serial port to the 8259 and on to the processor through LINT0'],
  ]),
  ...keptBy('cli/boot.test.ts', 'the kernel gets', [
    ['host stdin reaches the guest', 'what comes in on standard input'],
  ]),
  ...keptBy('machine/guest.test.ts', 'two runs of the same guest', [
    [
      'two runs are the same: output, count, hash',
      'agree in instruction count, output and state hash, however they are cut',
    ],
  ]),
  ...keptBy('machine/clock.test.ts', '', [['time is retired instructions', 'adds idle time to retired instructions']]),
  ...keptBy('machine/load-image.test.ts', '', [
    [
      'PVH: memory map, command line, modules',
      'PVH > describes command line, modules and memory map in hvm_start_info version 1',
    ],
    [
      'Multiboot 1: memory map, command line, modules',
      'Multiboot 1 > describes memory, command line, modules and its own name',
    ],
  ]),
  ...keptBy('machine/run.test.ts', 'memory', [
    ['up to 3 GiB, paid for when touched', 'is paid for only when it is touched, up to 3 GiB'],
  ]),
  ...keptBy('cli/memory.test.ts', 'verdigris boot --memory 3G', [
    [
      'a boot with 3 GiB costs the host what it touches',
      "takes no more of the host's memory than one with 64M, give or take 64 MiB",
    ],
  ]),
];
