const CONTROL_A = 0x01;
const COMMANDS: Readonly<Record<string, 'leave' | 'help'>> = { x: 'leave', h: 'help' };

/**
 * Finds the escape sequences in what a terminal's user types: Ctrl-A x leaves, Ctrl-A h shows help, Ctrl-A a and
 * Ctrl-A Ctrl-A type a Ctrl-A. Any other byte behind Ctrl-A is swallowed. A sequence may be split between calls.
 */
export class TerminalEscape {
  #escaped = false;

  /** @returns the bytes meant for the guest, and the last command met in them */
  filter(bytes: Uint8Array): { readonly passed: Uint8Array; readonly command: 'leave' | 'help' | undefined } {
    const passed: number[] = [];
    let command: 'leave' | 'help' | undefined;
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === CONTROL_A) this.#escaped = true;
        else passed.push(byte);
        continue;
      }
      this.#escaped = false;
      const letter = String.fromCharCode(byte);
      if (letter === 'a' || byte === CONTROL_A) passed.push(CONTROL_A);
      else command = COMMANDS[letter] ?? command;
    }
    return { passed: new Uint8Array(passed), command };
  }
}
