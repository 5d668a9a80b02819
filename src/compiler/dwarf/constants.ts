/** Codes of the DWARF 5 standard that we write (src/compiler/dwarf) and read (src/debugger/dwarf), under the standard's own names. */

/** DWARF 5, 7.5.3, table 7.3: tags of debugging information entries. */
export const DW_TAG = {
  array_type: 0x01,
  enumeration_type: 0x04,
  formal_parameter: 0x05,
  lexical_block: 0x0b,
  member: 0x0d,
  pointer_type: 0x0f,
  compile_unit: 0x11,
  structure_type: 0x13,
  subroutine_type: 0x15,
  typedef: 0x16,
  inlined_subroutine: 0x1d,
  subrange_type: 0x21,
  base_type: 0x24,
  const_type: 0x26,
  enumerator: 0x28,
  subprogram: 0x2e,
  variable: 0x34,
  volatile_type: 0x35,
} as const;

/** DWARF 5, 7.5.4, table 7.5: attributes. */
export const DW_AT = {
  sibling: 0x01,
  location: 0x02,
  name: 0x03,
  byte_size: 0x0b,
  bit_size: 0x0d,
  stmt_list: 0x10,
  low_pc: 0x11,
  high_pc: 0x12,
  language: 0x13,
  comp_dir: 0x1b,
  const_value: 0x1c,
  inline: 0x20,
  producer: 0x25,
  prototyped: 0x27,
  upper_bound: 0x2f,
  abstract_origin: 0x31,
  artificial: 0x34,
  count: 0x37,
  data_member_location: 0x38,
  decl_column: 0x39,
  decl_file: 0x3a,
  decl_line: 0x3b,
  declaration: 0x3c,
  encoding: 0x3e,
  external: 0x3f,
  frame_base: 0x40,
  specification: 0x47,
  type: 0x49,
  ranges: 0x55,
  call_column: 0x57,
  call_file: 0x58,
  call_line: 0x59,
  data_bit_offset: 0x6b,
  str_offsets_base: 0x72,
  addr_base: 0x73,
  rnglists_base: 0x74,
  loclists_base: 0x8c,
} as const;

/** DWARF 5, 7.5.6, table 7.6: attribute forms. */
export const DW_FORM = {
  addr: 0x01,
  block2: 0x03,
  block4: 0x04,
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  string: 0x08,
  block: 0x09,
  block1: 0x0a,
  data1: 0x0b,
  flag: 0x0c,
  sdata: 0x0d,
  strp: 0x0e,
  udata: 0x0f,
  ref_addr: 0x10,
  ref1: 0x11,
  ref2: 0x12,
  ref4: 0x13,
  ref8: 0x14,
  ref_udata: 0x15,
  indirect: 0x16,
  sec_offset: 0x17,
  exprloc: 0x18,
  flag_present: 0x19,
  strx: 0x1a,
  addrx: 0x1b,
  data16: 0x1e,
  line_strp: 0x1f,
  implicit_const: 0x21,
  loclistx: 0x22,
  rnglistx: 0x23,
  strx1: 0x25,
  strx2: 0x26,
  strx3: 0x27,
  strx4: 0x28,
  addrx1: 0x29,
  addrx2: 0x2a,
  addrx3: 0x2b,
  addrx4: 0x2c,
} as const;

/** DWARF 5, 7.22, tables 7.25 to 7.27: line number opcodes and entry formats. */
export const DW_LNS = {
  copy: 0x01,
  advance_pc: 0x02,
  advance_line: 0x03,
  set_file: 0x04,
  set_column: 0x05,
  negate_stmt: 0x06,
  set_basic_block: 0x07,
  const_add_pc: 0x08,
  fixed_advance_pc: 0x09,
  set_prologue_end: 0x0a,
  set_epilogue_begin: 0x0b,
  set_isa: 0x0c,
} as const;

export const DW_LNE = { end_sequence: 0x01, set_address: 0x02, set_discriminator: 0x04 } as const;

export const DW_LNCT = { path: 0x01, directory_index: 0x02, timestamp: 0x03, size: 0x04, MD5: 0x05 } as const;

/** DWARF 5, 7.7.1, table 7.9: operations of location expressions; `reg0` to `reg31` and `breg0` to `breg31` are ranges. */
export const DW_OP = {
  addr: 0x03,
  deref: 0x06,
  consts: 0x11,
  plus: 0x22,
  plus_uconst: 0x23,
  reg0: 0x50,
  breg0: 0x70,
  regx: 0x90,
  fbreg: 0x91,
  piece: 0x93,
  call_frame_cfa: 0x9c,
  stack_value: 0x9f,
} as const;

/** DWARF 5, 7.7.3, table 7.10: entries of a location list. */
export const DW_LLE = {
  end_of_list: 0x00,
  base_addressx: 0x01,
  startx_endx: 0x02,
  startx_length: 0x03,
  offset_pair: 0x04,
  default_location: 0x05,
  base_address: 0x06,
  start_end: 0x07,
  start_length: 0x08,
} as const;

/** DWARF 5, 7.8, table 7.11: encodings of base types. */
export const DW_ATE = {
  address: 0x01,
  boolean: 0x02,
  signed: 0x05,
  signed_char: 0x06,
  unsigned: 0x07,
  unsigned_char: 0x08,
} as const;

/** DWARF 5, 7.25, table 7.30: entries of a range list. */
export const DW_RLE = { end_of_list: 0x00, start_length: 0x07 } as const;

/** DWARF 5, 7.24, table 7.29: call frame instructions. */
export const DW_CFA = {
  advance_loc4: 0x04,
  undefined: 0x07,
  remember_state: 0x0a,
  restore_state: 0x0b,
  def_cfa: 0x0c,
  def_cfa_register: 0x0d,
  def_cfa_offset: 0x0e,
  /** the register is in the low six bits */
  offset: 0x80,
} as const;

/** DWARF 5, 7.12, table 7.17 */
export const DW_LANG = { C11: 0x1d } as const;

export const DW_UT = { compile: 0x01 } as const;

/** System V AMD64 ABI 3.6.2: DWARF register numbers of the general-purpose registers, in the ABI's order. */
export const DWARF_REGISTERS = [
  'rax',
  'rdx',
  'rcx',
  'rbx',
  'rsi',
  'rdi',
  'rbp',
  'rsp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
  'rip',
] as const;
