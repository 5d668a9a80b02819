import type { CpuBus } from './bus.ts';
import type { Execution } from './execution.ts';
import type { RecordWriter } from './interpreter/record-writer.ts';
import * as R from './interpreter/records.ts';
import { FIELDS } from './layout.ts';
import type { CpuState } from './state.ts';

const PAGE = 4096;
const EXIT_REASON_WORD = FIELDS.exitReason.address >> 2;
const DEVICE_ACCESS_WORD = FIELDS.deviceAccess.address >> 2;
const DEVICE_PAGE_WORD = FIELDS.devicePage.address >> 2;
const CALLED_RECORD_WORD = FIELDS.calledRecord.address >> 2;
const TRANSFER_HIGH_WORD = (FIELDS.transfer.address >> 2) + 1;

/**
 * Accesses of the interpreter's instructions to devices. A device sees the exact instruction count, and what it raises is due at the
 * next boundary. An instruction that does not end where its record does has to be repeated alone.
 */
export class DeviceAccess {
  readonly #state: CpuState;
  readonly #bus: CpuBus;
  readonly #writer: RecordWriter;
  readonly #execution: Execution;

  constructor(state: CpuState, bus: CpuBus, writer: RecordWriter, execution: Execution) {
    this.#state = state;
    this.#bus = bus;
    this.#writer = writer;
    this.#execution = execution;
  }

  /** See Imports.readDevice. */
  read(low: number, size: number): number {
    if (!this.#begins()) return 0;
    const value = this.#bus.readPhysical(this.#address(low), size as 1 | 2 | 4 | 8);
    this.#end();
    if (size !== 8) return truncate(Number(value), size);
    const whole = BigInt(value);
    this.#state.i32[TRANSFER_HIGH_WORD] = Number(whole >> 32n) | 0;
    return Number(whole & 0xffff_ffffn) | 0;
  }

  /** See Imports.writeDevice. @param value bits 31:0 and @param high bits 63:32 */
  write(low: number, size: number, value: number, high: number): void {
    if (!this.#begins()) return;
    const whole = size === 8 ? (BigInt(high >>> 0) << 32n) | BigInt(value >>> 0) : truncate(value, size);
    this.#bus.writePhysical(this.#address(low), size as 1 | 2 | 4 | 8, whole);
    this.#end();
  }

  /** @returns whether the device may be accessed now, and sees the count; else exitReason is set */
  #begins(): boolean {
    const { i32: words, u8: bytes } = this.#state;
    const record = words[CALLED_RECORD_WORD]!;
    if (words[DEVICE_ACCESS_WORD] === 0) {
      const isFused = (bytes[record + R.MARKS]! & R.MARK.fused) !== 0;
      const leavesFlagsOut = (bytes[record + R.RECORD_BYTES + R.MARKS]! & R.MARK.staleFlags) !== 0;
      if (isFused || leavesFlagsOut || this.#writer.endsRun(record)) {
        words[EXIT_REASON_WORD] = R.EXIT.DEVICE;
        return false;
      }
    }
    this.#execution.reachCalled();
    return true;
  }

  /** What is executed alone ends behind its instruction anyway. */
  #end(): void {
    const words = this.#state.i32;
    if (words[DEVICE_ACCESS_WORD] === 0) this.#execution.attendBefore(words[CALLED_RECORD_WORD]! + R.RECORD_BYTES);
  }

  #address(low: number): number {
    return this.#state.i32[DEVICE_PAGE_WORD]! * PAGE + (low & (PAGE - 1));
  }
}

/** @returns the low 1, 2 or 4 bytes, unsigned */
const truncate = (value: number, bytes: number): number =>
  bytes === 4 ? value >>> 0 : value & ((1 << (8 * bytes)) - 1);
