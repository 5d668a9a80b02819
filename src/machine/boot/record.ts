/** One field of a little-endian structure: its value and its width in bytes. */
export type Field = readonly [width: 1 | 2 | 4 | 8, value: number | bigint];

/** Packs fields one behind the other. */
export function packFields(fields: readonly Field[]): Uint8Array {
  const size = fields.reduce((sum, [width]) => sum + width, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 8) view.setBigUint64(at, BigInt(value), true);
    else if (width === 4) view.setUint32(at, Number(value), true);
    else if (width === 2) view.setUint16(at, Number(value), true);
    else view.setUint8(at, Number(value));
    at += width;
  }
  return bytes;
}
