/** Model-specific registers (SDM vol. 4). */
export const Msr = {
  APIC_BASE: 0x1b,
  EFER: 0xc000_0080,
  STAR: 0xc000_0081,
  LSTAR: 0xc000_0082,
  SFMASK: 0xc000_0084,
  FS_BASE: 0xc000_0100,
  GS_BASE: 0xc000_0101,
  KERNEL_GS_BASE: 0xc000_0102,
} as const;

/** EFER: system-call extensions, long mode, no-execute. */
export const Efer = { SCE: 1n, LME: 1n << 8n, NXE: 1n << 11n } as const;
