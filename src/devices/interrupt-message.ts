/** Delivery modes of LVT entries, the ICR and I/O APIC redirection entries (SDM vol. 3A, 12.5.1). */
export const DeliveryMode = {
  Fixed: 0,
  LowestPriority: 1,
  Smi: 2,
  Nmi: 4,
  Init: 5,
  StartUp: 6,
  ExtInt: 7,
} as const;

/** Destination of a message to every local APIC in physical mode, whatever width the sender's field has. */
export const BROADCAST = 0xffff_ffff;

/** What travels between I/O APIC and local APICs. */
export interface InterruptMessage {
  readonly vector: number;
  /** One of DeliveryMode; reserved values are dropped by the receiver. */
  readonly deliveryMode: number;
  readonly levelTriggered: boolean;
  /** False only in the INIT level de-assert message. */
  readonly assert: boolean;
  /** APIC ID or logical destination; BROADCAST for all in physical mode. */
  readonly destination: number;
  readonly logical: boolean;
}

/** What a local APIC compares with a message's destination. */
export interface Receiver {
  readonly id: number;
  readonly logicalDestination: number;
  readonly destinationFormat: number;
  readonly x2Apic: boolean;
}

/** True when the message names the receiver (SDM vol. 3A, 12.6.2 and 12.12.9). */
export function isAddressed(receiver: Receiver, message: InterruptMessage): boolean {
  const { destination, logical } = message;
  if (!logical) return destination === BROADCAST || destination === receiver.id;
  const own = receiver.logicalDestination;
  if (receiver.x2Apic) {
    return destination === BROADCAST || (destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0);
  }
  const bits = own >>> 24;
  if (receiver.destinationFormat >>> 28 === 0xf) return (bits & destination & 0xff) !== 0;
  const cluster = (destination >> 4) & 0x0f;
  return (cluster === 0x0f || cluster === bits >> 4) && (bits & destination & 0x0f) !== 0;
}
