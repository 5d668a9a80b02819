import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DebugImage } from '../../src/debugger/debug-image.ts';
import { nameOf } from '../../src/debugger/dwarf/types.ts';
import { formatValue } from '../../src/debugger/value-printer.ts';
import { readElf } from '../../src/machine/boot/elf.ts';
import { tool } from './tools.ts';

const gcc = tool('gcc');
const readelf = tool('readelf');

const source = `
enum colour { RED, GREEN = 5 };
struct point { int x; short y[3]; struct point *next; enum colour colour; _Bool lit; };
struct point origin = { -1, { 2, 3, 4 }, 0, GREEN, 1 };
int scale(int factor, long offset) {
  int result = factor * 3;
  result += offset;
  return result;
}
void _start(void) {
  origin.x = scale(origin.x, 7);
  for (;;) ;
}
`;

describe.skipIf(!gcc.present || !readelf.present)(gcc.title('the DWARF reader agrees with gcc and readelf'), () => {
  let folder: string;
  let image: DebugImage;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'verdigris-dwarf-'));
    writeFileSync(join(folder, 'sample.c'), source);
    const flags = ['-g', '-gdwarf-5', '-O0', '-nostdlib', '-static', '-ffreestanding', '-fcf-protection=none'];
    execFileSync('gcc', [...flags, '-o', 'sample', 'sample.c'], { cwd: folder });
    image = new DebugImage('sample', readElf(readFileSync(join(folder, 'sample'))));
  });

  it('reads the same rows as readelf --debug-dump=decodedline', () => {
    const text = execFileSync('readelf', ['--debug-dump=decodedline', 'sample'], { cwd: folder, encoding: 'utf8' });
    const expected = [...text.matchAll(/^sample\.c\s+(\d+)\s+(0x[0-9a-f]+)/gm)].map((m) => [
      Number(m[1]),
      BigInt(m[2]!),
    ]);
    expect(expected.length).toBeGreaterThan(5);
    for (const [line, address] of expected) {
      const candidates = expected.filter(([, other]) => other === address).map(([each]) => each);
      expect(candidates).toContain(image.positionAt(address as bigint)?.line);
      expect(line).toBeGreaterThan(0);
    }
  });

  it('finds the addresses of a source line', () => {
    const [address] = image.lines.addressesOf('sample.c', 6);
    expect(image.symbols.describe(address!)).toMatch(/^scale\+/);
    expect(image.positionAt(address!)?.line).toBe(6);
  });

  it('reads functions with their parameters and locals', () => {
    const scale = image.info.functions.find((each) => each.name === 'scale')!;
    expect(scale.start).toBe(image.symbols.find('scale')!.address);
    expect(scale.variables.map((each) => [each.name, each.isParameter, nameOf(each.type)])).toEqual([
      ['factor', true, 'int'],
      ['offset', true, 'long int'],
      ['result', false, 'int'],
    ]);
    const frame = { register: () => 0x7000n, readMemory: () => undefined, frameBase: scale.frameBase };
    expect(scale.variables[0]?.locate(scale.start + 8n, frame)).toEqual({ kind: 'memory', address: 0x7000n - 20n });
  });

  it('prints a structure by its type', () => {
    const origin = image.info.globals.get('origin')![0]!;
    const symbol = image.symbols.find('origin')!;
    const bytes = image.bytesAt(symbol.address, symbol.size)!;
    expect(formatValue(bytes, origin.type)).toBe(
      'point {\n  x: -1\n  y: [2, 3, 4]\n  next: null\n  colour: GREEN\n  lit: true\n}',
    );
    expect(image.info.typeNamed('point')).toBe(origin.type);
  });
});
