import type { CpuBus } from '../cpu/bus.ts';
import { type Clock, type Registers, UnimplementedRegisters, type Width } from '../devices/device.ts';
import type { Chipset } from './chipset.ts';
import { type MappedDevice, mappedDevices } from './memory-map.ts';
import { type PortRange, portMap } from './port-map.ts';

const PORTS = 0x1_0000;
const NOT_MAPPED = 0xff;

/** Everything the processor reaches outside RAM: ports, device memory, the local APIC's registers, and time. */
export class Bus implements CpuBus {
  readonly #clock: Clock;
  readonly #chipset: Chipset;
  readonly #ranges: readonly PortRange[];
  /** For each port, the index of its range, or NOT_MAPPED. */
  readonly #rangeOfPort = new Uint8Array(PORTS).fill(NOT_MAPPED);
  readonly #mapped: readonly MappedDevice[];
  readonly #unimplemented: UnimplementedRegisters;

  constructor(clock: Clock, chipset: Chipset) {
    this.#clock = clock;
    this.#chipset = chipset;
    this.#ranges = portMap(chipset);
    for (const [index, { first, last }] of this.#ranges.entries()) this.#rangeOfPort.fill(index, first, last + 1);
    this.#mapped = mappedDevices(chipset);
    this.#unimplemented = new UnimplementedRegisters('bus', (message) => chipset.onWarning?.(message));
  }

  timeStampCounter(): number {
    return this.#clock.now;
  }

  readPort(port: number, width: Width): number {
    const range = this.#portRange(port);
    if (range === undefined) this.#unimplemented.warn(`port 0x${port.toString(16)}`);
    if (!this.#takes(range, port, width)) return this.#split(port, width, (at, part) => this.readPort(at, part));
    return range?.registers?.read(port - range.first, width) ?? allOnes(width);
  }

  peekPort(port: number, width: Width): number {
    const range = this.#portRange(port);
    if (!this.#takes(range, port, width)) return this.#split(port, width, (at, part) => this.peekPort(at, part));
    return range?.registers?.peek(port - range.first, width) ?? allOnes(width);
  }

  writePort(port: number, width: Width, value: number): void {
    const range = this.#portRange(port);
    if (range === undefined) this.#unimplemented.warn(`port 0x${port.toString(16)}`);
    if (this.#takes(range, port, width)) {
      range?.registers?.write(port - range.first, width, value >>> 0);
      return;
    }
    const half = (width / 2) as Width;
    this.writePort(port, half, value & allOnes(half));
    this.writePort((port + half) % PORTS, half, value >>> (half * 8));
  }

  /** Accesses of 8 bytes are two of 4, low half first. An access that crosses the end of a device reaches neither side. */
  readPhysical(address: number, width: 1 | 2 | 4 | 8): number | bigint {
    if (width !== 8) return this.#readMapped(address, width);
    const low = this.#readMapped(address, 4);
    return (BigInt(this.#readMapped(address + 4, 4)) << 32n) | BigInt(low);
  }

  writePhysical(address: number, width: 1 | 2 | 4 | 8, value: number | bigint): void {
    if (width !== 8) {
      this.#writeMapped(address, width, Number(value));
      return;
    }
    const whole = BigInt(value);
    this.#writeMapped(address, 4, Number(whole & 0xffff_ffffn));
    this.#writeMapped(address + 4, 4, Number(whole >> 32n));
  }

  /** One byte of device memory, without side effects. */
  peekPhysical(address: number): number {
    const { lapic } = this.#chipset;
    const inLapic = lapic.offsetInPage(address, 1);
    if (inLapic >= 0) return peekByte(lapic, inLapic);
    const device = this.#mappedAt(address, 1);
    return device === undefined ? 0xff : peekByte(device.registers, address - device.start);
  }

  readMsr(index: number): bigint | undefined {
    return this.#chipset.lapic.readMsr(index);
  }

  writeMsr(index: number, value: bigint): boolean {
    return this.#chipset.lapic.writeMsr(index, value);
  }

  readTaskPriority(): number {
    return this.#chipset.lapic.taskPriorityClass;
  }

  writeTaskPriority(value: number): void {
    this.#chipset.lapic.taskPriorityClass = value;
  }

  pendingInterrupt(): boolean {
    return this.#chipset.lapic.interruptPending;
  }

  acknowledgeInterrupt(): number {
    return this.#chipset.lapic.acknowledge();
  }

  #portRange(port: number): PortRange | undefined {
    const index = this.#rangeOfPort[port]!;
    return index === NOT_MAPPED ? undefined : this.#ranges[index];
  }

  #takes(range: PortRange | undefined, port: number, width: Width): boolean {
    if (width === 1) return true;
    if (range === undefined || port + width - 1 > range.last) return (range?.width ?? 1) >= width;
    return range.registers === undefined || (range.width ?? 1) >= width;
  }

  #split(port: number, width: Width, access: (port: number, width: Width) => number): number {
    const half = (width / 2) as Width;
    const low = access(port, half);
    const high = access((port + half) % PORTS, half);
    return ((high << (half * 8)) | low) >>> 0;
  }

  /** The local APIC, which IA32_APIC_BASE moves and guests access most, is not among these. */
  #mappedAt(address: number, width: Width): MappedDevice | undefined {
    return this.#mapped.find(({ start, size }) => address >= start && address + width <= start + size);
  }

  #readMapped(address: number, width: Width): number {
    const { lapic } = this.#chipset;
    const inLapic = lapic.offsetInPage(address, width);
    if (inLapic >= 0) return lapic.read(inLapic, width);
    const device = this.#mappedAt(address, width);
    return device === undefined ? allOnes(width) : device.registers.read(address - device.start, width);
  }

  #writeMapped(address: number, width: Width, value: number): void {
    const { lapic } = this.#chipset;
    const inLapic = lapic.offsetInPage(address, width);
    if (inLapic >= 0) {
      lapic.write(inLapic, width, value);
      return;
    }
    const device = this.#mappedAt(address, width);
    device?.registers.write(address - device.start, width, value);
  }
}

function peekByte(registers: Registers, offset: number): number {
  return (registers.peek(offset & ~3, 4) >>> ((offset & 3) * 8)) & 0xff;
}

function allOnes(width: Width): number {
  return 2 ** (width * 8) - 1;
}
