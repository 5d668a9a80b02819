import { describe, expect, it } from 'vitest';
import { emit } from '../../../src/compiler/link/emit.ts';
import { DebugImage } from '../../../src/debugger/debug-image.ts';
import type { Frame } from '../../../src/debugger/dwarf/locations.ts';
import { readElf } from '../../../src/machine/boot/elf.ts';
import { debugSample } from './sample.ts';

describe.each([true, false])('debug information (optimize: %s)', (optimize) => {
  const { image, map } = emit(debugSample(), { optimize });
  const debug = new DebugImage('sample', readElf(image));
  const total = debug.info.functions.find((fn) => fn.name === 'total')!;
  const frame: Frame = { register: () => 0n, readMemory: () => undefined, frameBase: total.frameBase };

  it('names every function with its range and line', () => {
    const placed = map.functions.find((fn) => fn.name === 'Process.total')!;
    expect(total).toMatchObject({ start: placed.address, end: placed.address + BigInt(placed.size), line: 10 });
    expect(debug.info.functions.map((fn) => fn.name)).toContain('_start');
  });

  it('leads from every address to the line that the span named, and back', () => {
    for (const { lines } of map.functions) {
      lines.forEach(({ address, span }, index) => {
        if (lines[index + 1]?.address === address) return;
        expect(debug.positionAt(address)).toMatchObject({
          file: expect.stringMatching(/src\/kernel\/process\/list\.ts$/),
          line: span.line,
        });
      });
    }
    const [load] = debug.lines.addressesOf('list.ts', 13);
    expect(load).toBeGreaterThan(total.start);
  });

  it('says where parameters are from the first instruction on', () => {
    const first = total.variables.find((variable) => variable.name === 'first')!;
    expect(first.isParameter).toBe(true);
    expect(first.locate(total.start, frame)).toEqual({ kind: 'register', register: 'rdi' });
  });

  it('says where a local is once it is set, and its value while that is a constant', () => {
    const [after] = debug.lines.addressesOf('list.ts', 14);
    const pid = total.variables.find((variable) => variable.name === 'pid')!;
    expect(pid.locate(total.start, frame).kind).toBe('unavailable');
    expect(pid.locate(after!, frame).kind).toBe('register');
    const sum = total.variables.find((variable) => variable.name === 'sum')!;
    expect(['register', 'value']).toContain(sum.locate(after!, frame).kind);
  });

  it('describes classes, enumerations and objects', () => {
    expect(debug.info.typeNamed('Process')).toMatchObject({ kind: 'structure', size: 40 });
    expect(debug.info.typeNamed('State')).toMatchObject({ kind: 'enumeration' });
    const [init] = debug.info.globals.get('init')!;
    expect(init!.locate(0n, frame)).toEqual({ kind: 'memory', address: map.symbols.get('init') });
  });
});
