/**
 * The file operations that the kernel asks of a file server, for Linux's calls on descriptors and paths.
 *
 * An operation on a path goes to the badge of the directory that the path starts from: the root for an absolute path, else
 * the current directory or the call's directory descriptor. The path is input, without a terminator, its length `words[0]`;
 * length 0 is the badge itself (AT_EMPTY_PATH, or an operation on a descriptor). Where two paths are named, both are input,
 * one behind the other. The status is the system call's result: a count, 0, or minus an error number.
 */
export const FileOperation = {
  /** words: path length, open flags, mode. Replies with a transfer; O_PATH and O_DIRECTORY for chdir and the like. */
  OPEN: 16,
  /** words: offset or OWN_OFFSET, length. Data by ipc_copy_out; status is the count, 0 at the end of the file. */
  READ: 17,
  /** words: offset or OWN_OFFSET, length. Data by ipc_copy_in. */
  WRITE: 18,
  /** words: offset (signed), whence. Status is the new offset. */
  SEEK: 19,
  /** words: path length, AT_ flags. Output: `Stat`. */
  STAT: 20,
  /** words: length. Output: records of `DirectoryEntry`; status is their bytes, 0 at the end. EINVAL: no record fits. */
  READ_DIRECTORY: 21,
  /** words: path length, mode, AT_ flags. */
  ACCESS: 22,
  /** words: path length. Output: the target, cut to fit; status is its length. */
  READ_LINK: 23,
  /** words: path length, mode. */
  MAKE_DIRECTORY: 24,
  /** words: path length, AT_ flags (REMOVE_DIRECTORY: rmdir). */
  UNLINK: 25,
  /** words: old path's length, new path's length, badge of the directory that the new path starts from, rename flags. */
  RENAME: 26,
  /** words: old path's length, new path's length, badge as for RENAME, AT_ flags. */
  LINK: 27,
  /** words: target's length, path length. Input: the target, then the path. */
  SYMLINK: 28,
  /** words: path length, mode, AT_ flags. */
  CHANGE_MODE: 29,
  /** words: path length, uid, gid (0xffffffff: unchanged), AT_ flags. */
  CHANGE_OWNER: 30,
  /** words: path length, new size. */
  TRUNCATE: 31,
  /** words: path length, AT_ flags, access seconds and nanoseconds, modification seconds and nanoseconds (TIME_NOW, TIME_OMIT). */
  SET_TIMES: 32,
  /** words: path length. Output: `FileSystemStat`. */
  STAT_FILE_SYSTEM: 33,
  /** words: path length, mode with the type, device. */
  MAKE_NODE: 34,
  /** Output: the absolute path of the badge's file with its terminator; status is their length. ERANGE: does not fit. */
  PATH: 35,
  /** words: request, argument. ENOTTY for what is no request of this file. */
  CONTROL: 36,
  /** fsync, fdatasync, sync. */
  SYNC: 37,
  /** words: new status flags, by F_SETFL. */
  SET_FLAGS: 38,
  /** words: mode, offset, length. */
  ALLOCATE: 39,
} as const;

/** An offset that means the open file's own, which the operation then moves. */
export const OWN_OFFSET = 0xffff_ffff_ffff_ffffn;
/** The badge of the root directory of the server that the kernel starts. */
export const ROOT_BADGE = 1n;
/** Descriptors that the kernel starts the file server with, besides 0 to 2: the right to receive on its endpoint. */
export const SERVER_ENDPOINT = 3;
