import type { Registers, Width } from './device.ts';

/** QEMU's isa-debug-exit, port 0xf4: a write ends the run; the exit status is `(value << 1) | 1`. */
export class DebugExit implements Registers {
  onExit?: (value: number) => void;

  read(): number {
    return 0;
  }

  peek(): number {
    return 0;
  }

  write(_offset: number, _width: Width, value: number): void {
    this.onExit?.(value);
  }
}
