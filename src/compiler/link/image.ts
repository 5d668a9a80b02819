import { ByteWriter } from '../elf/bytes.ts';
import {
  type ElfSection,
  type ElfSegment,
  headerBytes,
  programFlags,
  programType,
  sectionFlags,
  sectionType,
} from '../elf/write.ts';
import type { IrModule } from '../ir/module.ts';
import { type Contents, exceptionTableSection, type PendingField, type SectionBuilder } from './sections.ts';

export const pageSize = 4096;
/** The kernel runs at physical address + this. */
export const kernelOffset = 0xffffffff80000000n;
/** Where kernel images are loaded: the first megabyte belongs to firmware and legacy devices. */
export const kernelPhysicalBase = 0x100000n;
/** Static programs begin here (System V AMD64 ABI 3.3.1). */
export const userBase = 0x400000n;

const { read, write, execute } = programFlags;

interface GroupPlan {
  readonly flags: number;
  /** section names in order */
  readonly sections: readonly string[];
  /** added to the physical address */
  readonly offset: bigint;
}

/** Loaded parts in the order of their addresses; each begins on a page of its own, so that no page is W and X. */
const kernelPlan: readonly GroupPlan[] = [
  { flags: read | execute, sections: ['.multiboot', '.note.Xen', '.boot.text'], offset: 0n },
  { flags: read | write, sections: ['.boot.data'], offset: 0n },
  { flags: read | execute, sections: ['.text'], offset: kernelOffset },
  { flags: read, sections: ['.rodata', exceptionTableSection], offset: kernelOffset },
  { flags: read | write, sections: ['.data', '.bss'], offset: kernelOffset },
  { flags: read | write, sections: ['.boot.bss'], offset: 0n },
];
const userPlan: readonly GroupPlan[] = [
  { flags: read, sections: ['.rodata', exceptionTableSection], offset: 0n },
  { flags: read | execute, sections: ['.text'], offset: 0n },
  { flags: read | write, sections: ['.data', '.bss'], offset: 0n },
];

export class LinkError extends Error {}

/** Every section with its address, and the addresses of all symbols. */
export interface Layout {
  readonly sections: ElfSection[];
  readonly segments: ElfSegment[];
  readonly addresses: ReadonlyMap<string, bigint>;
  readonly sectionIndex: ReadonlyMap<string, number>;
}

const multibootSize = 32;
const noteSize = 24;
/** ELF notes are read in units of their segment's alignment, and Xen's are 4-byte notes. */
const bootHeaderAlignment = 4;

/** Places sections, defines the linker's symbols, and fills in every field that waits for an address. */
export function layoutImage(module: IrModule, contents: Contents): Layout {
  const kernel = module.kind === 'kernel';
  const plan = kernel ? kernelPlan : userPlan;
  const sections: ElfSection[] = [];
  const segments: ElfSegment[] = [];
  const sectionIndex = new Map<string, number>();
  const builders: (SectionBuilder | undefined)[] = [];
  const usedGroups = plan.filter(
    (group, index) => (!kernel && index === 0) || sizeOfGroup(module, contents, group) > 0,
  );
  let physical = kernel ? kernelPhysicalBase : userBase + BigInt(headerBytes(usedGroups.length + 1));
  for (const group of usedGroups) {
    const first = sections.length;
    const withHeaders = !kernel && group === plan[0];
    if (!withHeaders) physical = alignUp(physical, pageSize);
    for (const name of group.sections) {
      const builder = contents.sections.get(name);
      const size = builder?.size ?? specialSize(module, name);
      if (size === 0 && !(withHeaders && name === '.rodata')) continue;
      const alignment = builder?.alignment ?? bootHeaderAlignment;
      physical = alignUp(physical, alignment);
      sectionIndex.set(name, sections.length);
      builders.push(builder);
      sections.push({
        name,
        type: name.endsWith('bss')
          ? sectionType.nobits
          : name.startsWith('.note')
            ? sectionType.note
            : sectionType.progbits,
        flags: sectionFlags.alloc | (group.flags & write ? sectionFlags.write : 0) | (group.flags & execute ? 4 : 0),
        address: physical + group.offset,
        bytes: builder?.bytes() ?? new Uint8Array(size),
        size,
        alignment,
      });
      physical += BigInt(size);
    }
    const members = sections.map((_, index) => index).slice(first);
    const physicalAddress = withHeaders ? userBase : sections[first]!.address - group.offset;
    segments.push({ type: programType.load, flags: group.flags, physicalAddress, sections: members, withHeaders });
  }
  addSpecialSegments(sectionIndex, sections, segments);
  const addresses = symbolAddresses(module, contents, sections, sectionIndex, physical);
  builders.forEach((builder, index) => {
    if (builder) fillFields(sections[index]!, builder.fields, addresses);
  });
  if (kernel) writeBootHeaders(module, sections, sectionIndex, addresses);
  return { sections, segments, addresses, sectionIndex };
}

function sizeOfGroup(module: IrModule, contents: Contents, group: GroupPlan): number {
  return group.sections.reduce(
    (sum, name) => sum + (contents.sections.get(name)?.size ?? specialSize(module, name)),
    0,
  );
}

function specialSize(module: IrModule, name: string): number {
  if (name === '.multiboot') return module.entries.multiboot === undefined ? 0 : multibootSize;
  if (name === '.note.Xen') return module.entries.pvh === undefined ? 0 : noteSize;
  return 0;
}

function addSpecialSegments(
  sectionIndex: ReadonlyMap<string, number>,
  sections: readonly ElfSection[],
  segments: ElfSegment[],
): void {
  const note = sectionIndex.get('.note.Xen');
  if (note !== undefined) {
    const physicalAddress = sections[note]!.address;
    segments.push({ type: programType.note, flags: read, physicalAddress, sections: [note] });
  } else segments.push({ type: programType.gnuStack, flags: read | write, physicalAddress: 0n, sections: [] });
}

function alignUp(value: bigint, alignment: number): bigint {
  const step = BigInt(alignment);
  return ((value + step - 1n) / step) * step;
}

/** Ranges with `__name_start` and `__name_end`; those with one set of page permissions are rounded to pages. */
const linkerRanges: readonly (readonly [name: string, sections: readonly string[], pages: boolean])[] = [
  ['boot', ['.multiboot', '.note.Xen', '.boot.text', '.boot.data'], true],
  ['text', ['.text'], true],
  ['rodata', ['.rodata', exceptionTableSection], true],
  ['data', ['.data', '.bss'], true],
  ['bss', ['.bss'], false],
  ['extable', [exceptionTableSection], false],
];

function symbolAddresses(
  module: IrModule,
  contents: Contents,
  sections: readonly ElfSection[],
  sectionIndex: ReadonlyMap<string, number>,
  physicalEnd: bigint,
): Map<string, bigint> {
  const addresses = new Map<string, bigint>();
  for (const { name, section, offset } of contents.symbols) {
    addresses.set(name, sections[sectionIndex.get(section)!]!.address + BigInt(offset));
  }
  const kernel = module.kind === 'kernel';
  const end = alignUp(physicalEnd, pageSize);
  const base = kernel ? kernelOffset : 0n;
  const start = kernel ? kernelPhysicalBase : userBase;
  addresses.set('__kernel_start', start + base).set('__kernel_end', end + base);
  addresses.set('__kernel_physical_start', start).set('__kernel_physical_end', end);
  const span = (names: readonly string[], page: boolean): [bigint, bigint] => {
    const members = sections.filter((section) => names.includes(section.name));
    const [first] = members;
    const last = members[members.length - 1];
    if (!first || !last) return [end + base, end + base];
    const lastEnd = last.address + BigInt(last.size);
    return [page ? first.address & ~BigInt(pageSize - 1) : first.address, page ? alignUp(lastEnd, pageSize) : lastEnd];
  };
  for (const [name, names, page] of linkerRanges) {
    const [from, to] = span(names, page);
    addresses.set(`__${name}_start`, from).set(`__${name}_end`, to);
  }
  return addresses;
}

function fillFields(
  section: ElfSection,
  fields: readonly PendingField[],
  addresses: ReadonlyMap<string, bigint>,
): void {
  const view = new DataView(section.bytes.buffer, section.bytes.byteOffset);
  for (const { offset, size, kind, symbol, addend } of fields) {
    const address = addresses.get(symbol);
    if (address === undefined) throw new LinkError(`${section.name} refers to undefined @${symbol}`);
    let value = address + addend;
    if (kind === 'relative') value -= section.address + BigInt(offset);
    if (size === 8) view.setBigUint64(offset, BigInt.asUintN(64, value), true);
    else {
      const bits = BigInt.asIntN(64, value);
      const fits = kind === 'absolute' ? BigInt.asUintN(32, bits) === bits : BigInt.asIntN(32, bits) === bits;
      if (!fits) throw new LinkError(`${section.name}+0x${offset.toString(16)}: @${symbol} is out of reach (${kind})`);
      view.setUint32(offset, Number(BigInt.asUintN(32, bits)), true);
    }
  }
}

const multibootMagic = 0x1badb002;
/** page-aligned modules, memory information, address fields valid (Multiboot 1, 3.1.1) */
const multibootFlags = 0x00010003;
/** XEN_ELFNOTE_PHYS32_ENTRY (Xen public/elfnote.h) */
const pvhNoteType = 18;

function writeBootHeaders(
  module: IrModule,
  sections: readonly ElfSection[],
  sectionIndex: ReadonlyMap<string, number>,
  addresses: ReadonlyMap<string, bigint>,
): void {
  const { multiboot, pvh } = module.entries;
  const header = sections[sectionIndex.get('.multiboot') ?? -1];
  if (header && multiboot !== undefined) {
    const physicalOf = (section: ElfSection) => Number(BigInt.asUintN(32, section.address & ~kernelOffset));
    const loaded = sections.filter((section) => section.type !== sectionType.nobits);
    const ends = (list: readonly ElfSection[]) =>
      Math.max(...list.map((section) => physicalOf(section) + section.size));
    const out = new ByteWriter();
    out
      .u32(multibootMagic)
      .u32(multibootFlags)
      .u32(-(multibootMagic + multibootFlags) >>> 0);
    out.u32(physicalOf(header)).u32(Number(kernelPhysicalBase)).u32(ends(loaded)).u32(ends(sections));
    out.u32(Number(addresses.get(multiboot)!));
    header.bytes.set(out.bytes());
  }
  const note = sections[sectionIndex.get('.note.Xen') ?? -1];
  if (note && pvh !== undefined) {
    const out = new ByteWriter().u32(4).u32(8).u32(pvhNoteType).text('Xen').u64(addresses.get(pvh)!);
    note.bytes.set(out.bytes());
  }
}
