import type { Registers, Width } from './device.ts';

/** What the port reads as, by which guests recognise it. */
const SIGNATURE = 0xe9;

/** The debug console of Bochs and QEMU, port 0xe9: every byte written is text for the host. */
export class DebugConsole implements Registers {
  onByte?: (byte: number) => void;

  read(): number {
    return SIGNATURE;
  }

  peek(): number {
    return SIGNATURE;
  }

  write(_offset: number, _width: Width, value: number): void {
    this.onByte?.(value & 0xff);
  }
}
