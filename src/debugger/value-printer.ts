import { DW_ATE } from '../compiler/dwarf/constants.ts';
import { type DwarfType, sizeOf } from './dwarf/types.ts';

/** Reads `length` bytes of guest memory without side effects; undefined where nothing is mapped. */
export type MemoryReader = (address: bigint, length: number) => Uint8Array | undefined;

const maximumElements = 32;

/** The unsigned little-endian number in `bytes` (up to 8 of them count). */
export function unsignedLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = Math.min(bytes.length, 8) - 1; index >= 0; index--)
    value = (value << 8n) | BigInt(bytes[index] ?? 0);
  return value;
}

export function hexadecimal(value: bigint, digits = 0): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

function formatBase(raw: bigint, type: Extract<DwarfType, { kind: 'base' }>): string {
  switch (type.encoding) {
    case DW_ATE.boolean:
      return raw === 0n ? 'false' : 'true';
    case DW_ATE.signed:
    case DW_ATE.signed_char:
      return BigInt.asIntN(type.size * 8, raw).toString();
    case DW_ATE.address:
      return hexadecimal(raw);
    default:
      return raw > 0xffffn ? `${raw} (${hexadecimal(raw)})` : raw.toString();
  }
}

/**
 * Prints the value of `type` in `bytes` as a programmer reads it: numbers by encoding, enumerations by name, structures by
 * member. Pointers are printed, not followed.
 */
export function formatValue(bytes: Uint8Array, type: DwarfType, indent = ''): string {
  switch (type.kind) {
    case 'void':
      return '<no type>';
    case 'base':
      return formatBase(unsignedLittleEndian(bytes.subarray(0, type.size)), type);
    case 'pointer': {
      const address = unsignedLittleEndian(bytes.subarray(0, type.size));
      return address === 0n ? 'null' : hexadecimal(address);
    }
    case 'enumeration': {
      const raw = unsignedLittleEndian(bytes.subarray(0, type.size));
      return type.names.get(raw) ?? raw.toString();
    }
    case 'array':
      return formatArray(bytes, type, indent);
    case 'structure':
      return formatStructure(bytes, type, indent);
  }
}

function formatArray(bytes: Uint8Array, type: Extract<DwarfType, { kind: 'array' }>, indent: string): string {
  const element = type.element();
  const size = sizeOf(element);
  const shown = Math.min(type.count, maximumElements);
  const parts = Array.from({ length: shown }, (_, index) =>
    formatValue(bytes.subarray(index * size, (index + 1) * size), element, indent),
  );
  if (type.count > shown) parts.push(`... ${type.count - shown} more`);
  return `[${parts.join(', ')}]`;
}

function formatStructure(bytes: Uint8Array, type: Extract<DwarfType, { kind: 'structure' }>, indent: string): string {
  const inner = `${indent}  `;
  const lines = type.members().map((member) => {
    const value = formatValue(bytes.subarray(member.offset, member.offset + sizeOf(member.type)), member.type, inner);
    return `${inner}${member.name}: ${value}`;
  });
  return `${type.name} {\n${lines.join('\n')}\n${indent}}`;
}
