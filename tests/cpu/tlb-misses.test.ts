import { describe, expect, it } from 'vitest';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { FLAG } from '../../src/cpu/flags.ts';
import {
  CODE_GRANULES,
  MMU_SUPERVISOR_USER_ACCESS,
  SS,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_GLOBAL_LOG,
  TLB_LOCAL_LOG,
  tlbReadAddress,
} from '../../src/cpu/layout.ts';
import { CpuState } from '../../src/cpu/state.ts';
import { Cr0, Cr4 } from '../../src/cpu/system/control-bits.ts';
import { SystemUnit } from '../../src/cpu/system/system-unit.ts';
import { Fill } from '../../src/cpu/system/tlb.ts';
import { emptyBus, enterLongMode, longModeCpu } from './long-mode.ts';
import { Random } from './random-programs.ts';

const MEMORY = 2 << 20;
const PML4 = 0x1000;
/** Tables below the PML4 entry 1, and what the last one maps. */
const [PDPT, DIRECTORY, TABLE] = [0x8000, 0x9000, 0xa000];
const FRAMES = 0x10_0000;
const ADDRESS = 0x80_4020_3000n;
/** Where the entries for it are, topmost first. */
const PLACES = [PML4, PDPT, DIRECTORY, TABLE].map((table, level) => {
  return table + 8 * Number((ADDRESS >> BigInt(39 - 9 * level)) & 0x1ffn);
});
/** mov eax, [rbx] and mov [rbx], eax */
const LOAD = [0x8b, 0x03];
const STORE = [0x89, 0x03];
const DEVICE = 0x1000_0000n;
/** Stands for no fault among error codes. */
const NO_FAULT = -1;

/** A processor that works its TLB misses out in TypeScript alone, as the other one does only where something is out of the ordinary. */
interface Pair {
  readonly cpu: Cpu;
  readonly state: CpuState;
  readonly system: SystemUnit;
}

/** An entry that mostly lets accesses pass, but has each way to be different. */
function randomEntry(random: Random, target: number): bigint {
  let entry = BigInt(target) | 7n;
  for (const bit of [0, 1, 2, 63]) if (random.chance(1, 8)) entry ^= 1n << BigInt(bit);
  for (const bit of [5, 6, 8]) if (random.chance(1, 2)) entry |= 1n << BigInt(bit);
  if (random.chance(1, 16)) entry |= 1n << BigInt(random.pick([7, 13, 40, 45, 51]));
  return random.chance(1, 16) ? (entry & 0xfffn) | DEVICE : entry;
}

function writeTables(random: Random, { cpu, state }: Pair): void {
  const { view, ramAddress } = cpu.state;
  const targets = [PDPT, DIRECTORY, TABLE, FRAMES + 0x1000 * random.below(4)];
  for (const [level, target] of targets.entries()) {
    view.setBigUint64(ramAddress + PLACES[level]!, randomEntry(random, target), true);
  }
  const holdsCode = BigInt(random.below(2));
  for (const each of [cpu.state, state]) {
    each.view.setBigUint64(CODE_GRANULES + (FRAMES >> 12) * 8, holdsCode, true);
  }
  state.guestRam.set(cpu.state.guestRam);
}

function setRegisters(random: Random, { cpu, state, system }: Pair): void {
  const privilege = random.pick([0, 3]);
  const cr0 = BigInt((Cr0.PG | Cr0.PE | Cr0.ET | (random.chance(1, 2) ? Cr0.WP : 0)) >>> 0);
  const features = [Cr4.PGE, Cr4.SMAP, Cr4.SMEP].filter(() => random.chance(1, 2) && privilege === 3);
  const smap = privilege === 0 && random.chance(1, 2) ? Cr4.SMAP : 0;
  const cr4 = BigInt(features.reduce((all, bit) => all | bit, Cr4.PAE | smap | (random.chance(1, 2) ? Cr4.PGE : 0)));
  const efer = random.chance(1, 4) ? 0x501n : 0xd01n;
  const flags = 2 | (random.chance(1, 2) ? FLAG.AC : 0);
  for (const each of [cpu.state, state]) {
    each.set64('cr0', cr0);
    each.set64('cr4', cr4);
    each.set64('efer', efer);
    each.cs.selector = 8 | privilege;
    each.segments[SS]!.selector = 0x10 | privilege;
    each.rflags = flags;
  }
  cpu.refresh();
  system.refresh();
}

/** The entry of each TLB that ADDRESS has. */
const ENTRY = Number(ADDRESS >> 12n) % TLB_ENTRIES;

/** What is to agree after an access: the entries walked, the TLBs, and what is kept beside them. */
function outcome(state: CpuState): unknown {
  const slots = [TLB_LOCAL_LOG >> 2, TLB_GLOBAL_LOG >> 2].map((log) => {
    const all = [...state.i32.subarray(log + 1, log + 1 + state.i32[log]!)];
    return all.filter((slot) => slot % TLB_ENTRIES === ENTRY);
  });
  const entries = Array.from({ length: 6 }, (_, table) => {
    const word = (tlbReadAddress(0) + table * TLB_BYTES + ENTRY * TLB_ENTRY_BYTES) >> 2;
    const [low, high, addend, page] = state.i32.subarray(word, word + 4);
    return low === -1 && high === -1 ? 'free' : [low, high, addend, page];
  });
  const walked = PLACES.map((place) => state.view.getBigUint64(state.ramAddress + place, true));
  return { slots, entries, walked };
}

describe('TLB misses in WebAssembly', () => {
  it('come to what they come to in TypeScript, whatever the tables and the mode', () => {
    const cpu = longModeCpu([], emptyBus, MEMORY);
    const state = new CpuState(MEMORY);
    const pair: Pair = { cpu, state, system: new SystemUnit(state, emptyBus) };
    const faults = new Set<number>();
    let fault: number | undefined;
    // There is no handler: what follows the first event is a double fault.
    cpu.onEvent = ({ vector, errorCode, address }) => {
      if (fault === undefined) expect([vector, address]).toEqual([14, ADDRESS]);
      fault ??= errorCode;
    };
    for (let seed = 1; seed <= 600; seed++) {
      const random = new Random(seed);
      const write = random.below(2) as 0 | 1;
      enterLongMode(cpu, write === 0 ? LOAD : STORE);
      enterLongMode({ state, reset: () => pair.system.reset(), refresh: () => pair.system.refresh() }, []);
      setRegisters(random, pair);
      writeTables(random, pair);
      cpu.state.setGpr(3, ADDRESS);
      fault = undefined;
      cpu.step();
      const [low, high] = [Number(BigInt.asIntN(32, ADDRESS)), Number(ADDRESS >> 32n)];
      const found = pair.system.fill(low, high, write);
      expect(fault, `seed ${seed}`).toBe(found === Fill.PAGE_FAULT ? state.get('faultErrorCode') : undefined);
      expect(outcome(cpu.state), `seed ${seed}`).toEqual(outcome(state));
      faults.add(fault ?? NO_FAULT);
    }
    expect([...faults].sort((a, b) => a - b)).toEqual([NO_FAULT, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15]);
  });

  it('are what INVLPG of a page without code brings about, and fetches stay known', () => {
    const page = 0x60_0000;
    // mov eax, [page]; invlpg [page]; hlt
    const cpu = longModeCpu([0x8b, 0x04, 0x25, 0, 0, 0x60, 0, 0x0f, 0x01, 0x3c, 0x25, 0, 0, 0x60, 0, 0xf4]);
    const { state } = cpu;
    // A page table instead of the large page that longModeCpu has there.
    state.view.setBigUint64(state.ramAddress + 0x3000 + 3 * 8, 0x8007n, true);
    state.view.setBigUint64(state.ramAddress + 0x8000, BigInt(page) | 7n, true);
    cpu.refresh();
    const word = (tlbReadAddress(MMU_SUPERVISOR_USER_ACCESS) + ((page >> 12) % TLB_ENTRIES) * TLB_ENTRY_BYTES) >> 2;
    cpu.run(1);
    const context = state.get('fetchContext');
    expect(state.i32[word]).toBe(page);
    cpu.run(10);
    expect(state.i32[word]).toBe(-1);
    expect(state.get('fetchContext')).toBe(context);
  });
});
