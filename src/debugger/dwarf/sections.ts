/** The debug sections of one ELF image, empty where the image has none. */
export interface DwarfSections {
  readonly abbrev: Uint8Array;
  readonly info: Uint8Array;
  readonly line: Uint8Array;
  readonly str: Uint8Array;
  readonly lineStr: Uint8Array;
  readonly loclists: Uint8Array;
  readonly rnglists: Uint8Array;
}

/** Picks the debug sections out of an image's sections by their standard names. */
export function dwarfSections(section: (name: string) => Uint8Array | undefined): DwarfSections {
  const get = (name: string) => section(name) ?? new Uint8Array(0);
  return {
    abbrev: get('.debug_abbrev'),
    info: get('.debug_info'),
    line: get('.debug_line'),
    str: get('.debug_str'),
    lineStr: get('.debug_line_str'),
    loclists: get('.debug_loclists'),
    rnglists: get('.debug_rnglists'),
  };
}
