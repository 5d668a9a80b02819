/** Something the machine cannot do, in one clear sentence for the person who asked. */
export class MachineError extends Error {
  override readonly name = 'MachineError';
}

/** An image that cannot be booted, and why. */
export class ImageError extends MachineError {}
