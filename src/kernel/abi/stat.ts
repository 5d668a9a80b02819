/** What stat(2), statfs(2), getdents64(2) and open(2) share with programs: Linux's layouts and numbers for x86-64. */
import { array, f8, f16, f32, f64, struct, u64 } from '#dialect';

/** struct timespec. */
export const TimeSpecification = struct({ seconds: f64, nanoseconds: f64 });

/** struct stat. */
export const Stat = struct({
  device: f64,
  inode: f64,
  links: f64,
  mode: f32,
  uid: f32,
  gid: f32,
  _padding: f32,
  /** The device that a character or block special file stands for; see `deviceNumber`. */
  represents: f64,
  size: f64,
  blockSize: f64,
  /** Of 512 bytes. */
  blocks: f64,
  accessed: TimeSpecification,
  modified: TimeSpecification,
  changed: TimeSpecification,
  _unused: array(u64, 3),
});

/** struct statfs. */
export const FileSystemStat = struct({
  type: f64,
  blockSize: f64,
  blocks: f64,
  freeBlocks: f64,
  availableBlocks: f64,
  files: f64,
  freeFiles: f64,
  identity: f64,
  longestName: f64,
  fragmentSize: f64,
  flags: f64,
  _unused: array(u64, 4),
});

/** The head of a struct linux_dirent64; the zero-terminated name follows, and records begin at multiples of 8. */
export const DirectoryEntry = struct({ inode: f64, nextOffset: f64, recordLength: f16, type: f8 });
/** Byte offset of the name in a record. */
export const DIRECTORY_ENTRY_NAME = 19n;

/** st_mode (inode(7)). */
export const FileMode = {
  TYPE_MASK: 0o170000,
  SOCKET: 0o140000,
  SYMBOLIC_LINK: 0o120000,
  REGULAR: 0o100000,
  BLOCK_DEVICE: 0o060000,
  DIRECTORY: 0o040000,
  CHARACTER_DEVICE: 0o020000,
  FIFO: 0o010000,
  SET_USER: 0o4000,
  SET_GROUP: 0o2000,
  STICKY: 0o1000,
  PERMISSIONS: 0o7777,
  ANY_EXECUTE: 0o111,
} as const;

/** d_type: the file type's bits of st_mode, shifted down by 12. */
export const DIRECTORY_TYPE_SHIFT = 12;

/** Flags of open(2). */
export const OpenFlag = {
  READ_ONLY: 0,
  WRITE_ONLY: 1,
  READ_WRITE: 2,
  ACCESS_MASK: 3,
  CREATE: 0o100,
  EXCLUSIVE: 0o200,
  NO_CONTROLLING_TERMINAL: 0o400,
  TRUNCATE: 0o1000,
  APPEND: 0o2000,
  NON_BLOCKING: 0o4000,
  DATA_SYNC: 0o10000,
  ASYNC: 0o20000,
  DIRECT: 0o40000,
  LARGE_FILE: 0o100000,
  DIRECTORY: 0o200000,
  NO_FOLLOW: 0o400000,
  NO_ACCESS_TIME: 0o1000000,
  CLOSE_ON_EXEC: 0o2000000,
  SYNC: 0o4010000,
  PATH: 0o10000000,
  TEMPORARY_FILE: 0o20200000,
} as const;

/** Flags of the *at calls, and the descriptor that stands for the current directory. */
export const AtFlag = {
  SYMLINK_NOFOLLOW: 0x100,
  REMOVE_DIRECTORY: 0x200,
  EFFECTIVE_ACCESS: 0x200,
  SYMLINK_FOLLOW: 0x400,
  NO_AUTOMOUNT: 0x800,
  EMPTY_PATH: 0x1000,
} as const;
export const AT_FDCWD = -100;

/** lseek(2). */
export const SeekFrom = { START: 0, CURRENT: 1, END: 2 } as const;
/** renameat2(2). */
export const RenameFlag = { NO_REPLACE: 1, EXCHANGE: 2 } as const;
/** access(2). */
export const AccessMode = { EXISTS: 0, EXECUTE: 1, WRITE: 2, READ: 4 } as const;
/** tv_nsec of utimensat(2). */
export const TIME_NOW = 0x3fff_ffffn;
export const TIME_OMIT = 0x3fff_fffen;
/** Bytes of a path name with its terminator, and of one component without. */
export const PATH_MAX = 4096;
export const NAME_MAX = 255;
