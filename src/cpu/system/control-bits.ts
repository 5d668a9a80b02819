/** Bits of the control registers and of EFER that this processor implements (SDM vol. 3A 2.5, vol. 4 table 2-2). */

export const Cr0 = {
  PE: 1 << 0,
  MP: 1 << 1,
  EM: 1 << 2,
  TS: 1 << 3,
  ET: 1 << 4,
  NE: 1 << 5,
  WP: 1 << 16,
  AM: 1 << 18,
  NW: 1 << 29,
  CD: 1 << 30,
  PG: 1 << 31,
} as const;

export const Cr4 = {
  TSD: 1 << 2,
  DE: 1 << 3,
  PSE: 1 << 4,
  PAE: 1 << 5,
  PGE: 1 << 7,
  OSFXSR: 1 << 9,
  OSXMMEXCPT: 1 << 10,
  FSGSBASE: 1 << 16,
  PCIDE: 1 << 17,
  SMEP: 1 << 20,
  SMAP: 1 << 21,
} as const;

/** Bits of CR4 that MOV may set: any other raises #GP(0). */
export const CR4_IMPLEMENTED = Object.values(Cr4).reduce((all, bit) => all | bit, 0);

export const Efer = {
  SCE: 1 << 0,
  LME: 1 << 8,
  LMA: 1 << 10,
  NXE: 1 << 11,
} as const;
