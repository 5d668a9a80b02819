import { beforeEach, describe, expect, it } from 'vitest';
import { FileOperation } from '../../src/kernel/abi/file-protocol.ts';
import { IpcTransfer } from '../../src/kernel/abi/ipc.ts';
import { AtFlag, OpenFlag, RenameFlag, SeekFrom, TIME_NOW, TIME_OMIT } from '../../src/kernel/abi/stat.ts';
import { handleCount } from '../../src/user/servers/file-server/handle.ts';
import { nodeCount } from '../../src/user/servers/file-server/node.ts';
import { archive } from '../system/images.ts';
import { FileServer } from './file-server-fixture.ts';

const EPERM = -1;
const ENOENT = -2;
const EACCES = -13;
const EFAULT = -14;
const EBUSY = -16;
const EEXIST = -17;
const ENOTDIR = -20;
const EISDIR = -21;
const EINVAL = -22;
const ENOSPC = -28;
const ENAMETOOLONG = -36;
const ENOTEMPTY = -39;
const ELOOP = -40;
const USER = { uid: 1000, gid: 1000 };

let files: FileServer;

beforeEach(() => {
  files = new FileServer(archive({ 'bin/sh': Buffer.from('program'), 'etc/motd': Buffer.from('hello\n') }));
});

describe('the tree that the initramfs makes', () => {
  it("has the archive's files where they were packed, executable", () => {
    expect(files.text('/etc/motd')).toBe('hello\n');
    expect(files.text('bin/../bin/./sh')).toBe('program');
    expect(files.stat('/bin/sh').mode).toBe(0o100755);
  });

  it('has /dev, /proc and /tmp besides', () => {
    expect(files.list('/')).toEqual(['.', '..', 'bin', 'etc', 'dev', 'proc', 'tmp']);
    expect(files.stat('/tmp').mode).toBe(0o041777);
  });

  it('is the sum of several archives, the later ones over the earlier', () => {
    const both = Buffer.concat([
      archive({ 'a/x': Buffer.from('first'), 'a/y': Buffer.from('kept') }),
      Buffer.alloc(512),
      archive({ 'a/x': Buffer.from('second') }),
    ]);
    files = new FileServer(both);
    expect(files.text('/a/x')).toBe('second');
    expect(files.text('/a/y')).toBe('kept');
  });

  it('keeps what precedes the damage of a damaged archive', () => {
    const packed = archive({ a: Buffer.from('1'), b: Buffer.from('2') });
    files = new FileServer(packed.subarray(0, 300));
    expect(files.stat('/a').status).toBe(0);
  });
});

describe('reading and writing', () => {
  it("moves the handle's own offset, and leaves it alone at a given one", () => {
    const badge = files.open('/etc/motd');
    expect(files.read(badge, 2).toString()).toBe('he');
    expect(files.read(badge, 3, 1n).toString()).toBe('ell');
    expect(files.read(badge, 100).toString()).toBe('llo\n');
    expect(files.read(badge, 100).length).toBe(0);
  });

  it('changes a copy of an archived page, and of no other', () => {
    const badge = files.open('/etc/motd', OpenFlag.READ_WRITE);
    expect(files.write(badge, 'J')).toBe(1);
    expect(files.text('/etc/motd')).toBe('Jello\n');
    expect(files.stat('/etc/motd').size).toBe(6n);
  });

  it('appends where the file ends, whatever the offset (O_APPEND)', () => {
    const badge = files.open('/etc/motd', OpenFlag.WRITE_ONLY | OpenFlag.APPEND);
    files.write(badge, 'x', 0n, OpenFlag.APPEND);
    expect(files.text('/etc/motd')).toBe('hello\nx');
  });

  it('reads holes as zeros', () => {
    const badge = files.open('/tmp/hole', OpenFlag.CREATE | OpenFlag.READ_WRITE);
    files.write(badge, 'end', 1_000_000n);
    expect(files.stat('/tmp/hole').size).toBe(1_000_003n);
    expect(files.read(badge, 10, 999_995n)).toEqual(Buffer.from('\0\0\0\0\0end'));
  });

  it('seeks from the start, the offset and the end, never before the start', () => {
    const badge = files.open('/etc/motd');
    const seek = (offset: bigint, whence: number) =>
      files.call({ operation: FileOperation.SEEK, badge, words: [offset, whence] }).status;
    expect(seek(2n, SeekFrom.START)).toBe(2);
    expect(seek(-1n, SeekFrom.CURRENT)).toBe(1);
    expect(seek(-2n, SeekFrom.END)).toBe(4);
    expect(seek(-7n, SeekFrom.END)).toBe(EINVAL);
    expect(seek(0n, 9)).toBe(EINVAL);
    expect(files.read(badge, 9).toString()).toBe('o\n');
  });

  it("answers EFAULT for a caller's bad buffer, and EISDIR for a directory", () => {
    const badge = files.open('/etc/motd');
    const directory = files.open('/etc');
    const read = (of: bigint) =>
      files.call({ operation: FileOperation.READ, badge: of, words: [0n, 4], outputSize: 4 }).status;
    expect(read(directory)).toBe(EISDIR);
    files.faults = true;
    expect(read(badge)).toBe(EFAULT);
  });

  it('answers ENOSPC when memory runs out, and goes on serving', () => {
    const badge = files.open('/tmp/big', OpenFlag.CREATE | OpenFlag.WRITE_ONLY);
    files.memory = 0;
    const statuses = Array.from({ length: 40 }, (_, index) =>
      files.write(badge, Buffer.alloc(4096), BigInt(index) * 4096n),
    );
    expect(statuses.at(-1)).toBe(ENOSPC);
    expect(files.text('/etc/motd')).toBe('hello\n');
  });

  it('shortens and lengthens by truncate, with zeros behind what was cut', () => {
    files.create('/tmp/f', 'abcdef');
    expect(files.onPath(FileOperation.TRUNCATE, '/tmp/f', [2]).status).toBe(0);
    expect(files.onPath(FileOperation.TRUNCATE, '/tmp/f', [5]).status).toBe(0);
    expect(files.text('/tmp/f')).toBe('ab\0\0\0');
    expect(files.onPath(FileOperation.TRUNCATE, '/tmp', [5]).status).toBe(EISDIR);
    expect(files.onPath(FileOperation.TRUNCATE, '/tmp/f', [-1n]).status).toBe(EINVAL);
  });
});

describe('open', () => {
  it('creates with the mode less the umask, and fails for O_EXCL on what is there', () => {
    files.open('/tmp/new', OpenFlag.CREATE | OpenFlag.WRITE_ONLY, 0o666, { umask: 0o27 });
    expect(files.stat('/tmp/new').mode).toBe(0o100640);
    expect(files.open('/tmp/new', OpenFlag.CREATE | OpenFlag.EXCLUSIVE)).toBe(BigInt(EEXIST));
  });

  it('tells what is wrong with a path', () => {
    expect(files.open('/none')).toBe(BigInt(ENOENT));
    expect(files.open('/none/x', OpenFlag.CREATE)).toBe(BigInt(ENOENT));
    expect(files.open('/etc/motd/x')).toBe(BigInt(ENOTDIR));
    expect(files.open('/etc/motd/')).toBe(BigInt(ENOTDIR));
    expect(files.open('/etc', OpenFlag.WRITE_ONLY)).toBe(BigInt(EISDIR));
    expect(files.open('/etc', OpenFlag.CREATE)).toBe(BigInt(EISDIR));
    expect(files.open('/etc/motd', OpenFlag.DIRECTORY)).toBe(BigInt(ENOTDIR));
    expect(files.open(`/${'x'.repeat(256)}`)).toBe(BigInt(ENAMETOOLONG));
    expect(files.open('/x'.repeat(2100))).toBe(BigInt(ENAMETOOLONG));
    expect(files.open('')).not.toBe(BigInt(ENOENT));
  });

  it('checks permissions of others, and lets the superuser', () => {
    files.create('/tmp/secret', 'x');
    files.onPath(FileOperation.CHANGE_MODE, '/tmp/secret', [0o600, 0]);
    expect(files.open('/tmp/secret', 0, 0, USER)).toBe(BigInt(EACCES));
    expect(files.open('/tmp/secret')).toBeGreaterThan(0n);
    expect(files.open('/etc/new', OpenFlag.CREATE, 0o644, USER)).toBe(BigInt(EACCES));
    expect(files.open('/tmp/mine', OpenFlag.CREATE, 0o644, USER)).toBeGreaterThan(0n);
    expect(files.stat('/tmp/mine').uid).toBe(1000);
  });

  it("gives the terminal for /dev/console, and the caller's own for /dev/tty", () => {
    const console = files.onPath(FileOperation.OPEN, '/dev/console', [2]);
    expect([console.transfer, console.descriptor]).toEqual([IpcTransfer.DESCRIPTOR, 0]);
    expect(files.onPath(FileOperation.OPEN, '/dev/tty', [2]).transfer).toBe(IpcTransfer.CONTROLLING_TERMINAL);
  });

  it("starts from the directory that was called, and from the caller's root", () => {
    const etc = files.open('/etc');
    expect(files.open('motd', 0, 0, { badge: etc })).toBeGreaterThan(0n);
    expect(files.open('/motd', 0, 0, { root: etc })).toBeGreaterThan(0n);
    expect(files.open('../../motd', 0, 0, { badge: etc, root: etc })).toBeGreaterThan(0n);
  });
});

describe('devices', () => {
  it("read and write as Linux's: null, zero, full, random", () => {
    const badges = ['null', 'zero', 'full', 'urandom'].map((name) => files.open(`/dev/${name}`, OpenFlag.READ_WRITE));
    const [nothing, zero, full, random] = badges as [bigint, bigint, bigint, bigint];
    expect(files.read(nothing, 4).length).toBe(0);
    expect(files.write(nothing, 'abc')).toBe(3);
    expect(files.read(zero, 5000)).toEqual(Buffer.alloc(5000));
    expect(files.write(full, 'abc')).toBe(ENOSPC);
    expect(new Set(files.read(random, 300)).size).toBeGreaterThan(100);
    expect(files.stat('/dev/null').device).toBe(0x103n);
  });
});

describe('names', () => {
  it('makes and removes directories', () => {
    expect(files.onPath(FileOperation.MAKE_DIRECTORY, '/tmp/d', [0o755]).status).toBe(0);
    expect(files.onPath(FileOperation.MAKE_DIRECTORY, '/tmp/d/', [0o755]).status).toBe(EEXIST);
    expect(files.stat('/tmp').links).toBe(3n);
    files.create('/tmp/d/f', 'x');
    const remove = (path: string, flags: number) => files.onPath(FileOperation.UNLINK, path, [flags]).status;
    expect(remove('/tmp/d', AtFlag.REMOVE_DIRECTORY)).toBe(ENOTEMPTY);
    expect(remove('/tmp/d', 0)).toBe(EISDIR);
    expect(remove('/tmp/d/f', AtFlag.REMOVE_DIRECTORY)).toBe(ENOTDIR);
    expect(remove('/tmp/d/f', 0)).toBe(0);
    expect(remove('/tmp/d/.', AtFlag.REMOVE_DIRECTORY)).toBe(EINVAL);
    expect(remove('/', AtFlag.REMOVE_DIRECTORY)).toBe(EBUSY);
    expect(remove('/tmp/d', AtFlag.REMOVE_DIRECTORY)).toBe(0);
    expect(files.stat('/tmp').links).toBe(2n);
  });

  it('keeps a removed file until its last handle goes, and then nothing of it', () => {
    const before = [nodeCount(), handleCount()];
    files.create('/tmp/f', 'still here');
    const badge = files.open('/tmp/f');
    expect(files.onPath(FileOperation.UNLINK, '/tmp/f', [0]).status).toBe(0);
    expect(files.stat('/tmp/f').status).toBe(ENOENT);
    expect(files.read(badge, 100).toString()).toBe('still here');
    files.close(badge);
    expect([nodeCount(), handleCount()]).toEqual(before);
  });

  it('links one file under two names', () => {
    files.create('/tmp/a', '1');
    const link = files.call({ operation: FileOperation.LINK, words: [6, 6, 1n, 0], input: '/tmp/a/tmp/b' });
    expect(link.status).toBe(0);
    expect(files.stat('/tmp/a').links).toBe(2n);
    expect(files.stat('/tmp/a').inode).toBe(files.stat('/tmp/b').inode);
    const directory = files.call({ operation: FileOperation.LINK, words: [4, 6, 1n, 0], input: '/tmp/tmp/c' });
    expect(directory.status).toBe(EPERM);
  });

  const rename = (from: string, to: string, flags = 0) =>
    files.call({ operation: FileOperation.RENAME, words: [from.length, to.length, 1n, flags], input: from + to })
      .status;

  it('renames over a file, into another directory, and not into itself', () => {
    files.create('/tmp/a', 'a');
    files.create('/tmp/b', 'b');
    expect(rename('/tmp/a', '/tmp/b', RenameFlag.NO_REPLACE)).toBe(EEXIST);
    expect(rename('/tmp/a', '/tmp/b')).toBe(0);
    expect(files.text('/tmp/b')).toBe('a');
    expect(files.list('/tmp')).toEqual(['.', '..', 'b']);
    files.onPath(FileOperation.MAKE_DIRECTORY, '/tmp/d', [0o755]);
    expect(rename('/tmp/d', '/tmp/d/e')).toBe(EINVAL);
    expect(rename('/tmp/b', '/tmp/d')).toBe(EISDIR);
    expect(rename('/tmp/d', '/tmp/b')).toBe(ENOTDIR);
    expect(rename('/tmp/b', '/tmp/d/c')).toBe(0);
    expect(rename('/tmp/d', '/etc/d')).toBe(0);
    expect(files.text('/etc/d/c')).toBe('a');
    expect(files.text('/etc/d/../motd')).toBe('hello\n');
    expect(rename('/none', '/tmp/x')).toBe(ENOENT);
  });

  it('exchanges two names', () => {
    files.create('/tmp/a', 'a');
    files.onPath(FileOperation.MAKE_DIRECTORY, '/etc/d', [0o755]);
    expect(rename('/tmp/a', '/etc/d', RenameFlag.EXCHANGE)).toBe(0);
    expect(files.text('/etc/d')).toBe('a');
    expect(files.list('/tmp/a/..')).toEqual(files.list('/tmp'));
    expect(files.stat('/etc').links).toBe(2n);
  });

  it("protects others' files in a sticky directory", () => {
    files.create('/tmp/root', 'x');
    expect(files.onPath(FileOperation.UNLINK, '/tmp/root', [0], USER).status).toBe(EPERM);
    expect(files.onPath(FileOperation.UNLINK, '/etc/motd', [0], USER).status).toBe(EACCES);
  });

  const symlink = (target: string, path: string) =>
    files.call({ operation: FileOperation.SYMLINK, words: [target.length, path.length], input: target + path }).status;

  it('follows symbolic links, at the end only where it should, and not in circles', () => {
    expect(symlink('motd', '/etc/link')).toBe(0);
    expect(symlink('/etc', '/tmp/etc')).toBe(0);
    expect(files.text('/tmp/etc/link')).toBe('hello\n');
    expect(files.stat('/etc/link', AtFlag.SYMLINK_NOFOLLOW).mode).toBe(0o120777);
    expect(files.open('/etc/link', OpenFlag.NO_FOLLOW)).toBe(BigInt(ELOOP));
    const link = files.onPath(FileOperation.READ_LINK, '/etc/link', [], { outputSize: 3 });
    expect(link.output.toString()).toBe('mot');
    symlink('loop', '/tmp/loop');
    expect(files.open('/tmp/loop/x')).toBe(BigInt(ELOOP));
    expect(files.onPath(FileOperation.READ_LINK, '/etc/motd', [], { outputSize: 9 }).status).toBe(EINVAL);
    expect(symlink('nowhere', '/tmp/dangling')).toBe(0);
    expect(files.open('/tmp/dangling')).toBe(BigInt(ENOENT));
  });

  it('lists a directory in pieces, each entry once, while entries go', () => {
    for (let index = 0; index < 60; index++) files.create(`/tmp/file-${index}`, '');
    expect(files.list('/tmp', 128).sort()).toEqual(files.list('/tmp').sort());
    const badge = files.open('/tmp');
    const first = files.call({ operation: FileOperation.READ_DIRECTORY, badge, words: [100], outputSize: 100 });
    expect(first.status).toBeGreaterThan(0);
    expect(files.call({ operation: FileOperation.READ_DIRECTORY, badge, words: [10], outputSize: 10 }).status).toBe(
      EINVAL,
    );
  });
});

describe('attributes', () => {
  it('says where an open file is', () => {
    const path = (badge: bigint) =>
      files.call({ operation: FileOperation.PATH, badge, outputSize: 100 }).output.toString().replace(/\0+$/, '');
    expect(path(files.open('/etc/../etc'))).toBe('/etc');
    expect(path(files.open('/'))).toBe('/');
    const badge = files.open('/etc/motd');
    expect(path(badge)).toBe('/etc/motd');
    files.onPath(FileOperation.UNLINK, '/etc/motd', [0]);
    expect(path(badge)).toBe('/etc (deleted)');
    expect(files.call({ operation: FileOperation.PATH, badge, outputSize: 2 }).status).toBe(-34);
  });

  it('changes mode and owner as far as the caller may', () => {
    expect(files.onPath(FileOperation.CHANGE_MODE, '/etc/motd', [0o4711, 0]).status).toBe(0);
    expect(files.onPath(FileOperation.CHANGE_MODE, '/etc/motd', [0o777, 0], USER).status).toBe(EPERM);
    expect(files.onPath(FileOperation.CHANGE_OWNER, '/etc/motd', [5, 0xffff_ffff, 0]).status).toBe(0);
    expect(files.stat('/etc/motd')).toMatchObject({ mode: 0o100711, uid: 5 });
    expect(files.onPath(FileOperation.CHANGE_OWNER, '/etc/motd', [5, 5, 0], USER).status).toBe(EPERM);
  });

  it('sets times, to now or to a given one, or leaves them', () => {
    const set = (words: readonly (number | bigint)[]) =>
      files.onPath(FileOperation.SET_TIMES, '/etc/motd', [0, ...words]);
    expect(set([0, TIME_OMIT, 5, 7]).status).toBe(0);
    expect(files.stat('/etc/motd').modified).toBe(5_000_000_007n);
    files.now += 1_000_000n;
    expect(set([0, TIME_NOW, 0, TIME_NOW]).status).toBe(0);
    expect(files.stat('/etc/motd').modified).toBe(files.now);
    expect(set([0, 1_000_000_000, 0, 0]).status).toBe(EINVAL);
  });

  it("answers access by the caller's identity", () => {
    const access = (path: string, mode: number, who = {}) =>
      files.onPath(FileOperation.ACCESS, path, [mode, 0], who).status;
    expect(access('/etc/motd', 7)).toBe(0);
    expect(access('/etc/motd', 2, USER)).toBe(EACCES);
    expect(access('/none', 0)).toBe(ENOENT);
    expect(access('/etc/motd', 8)).toBe(EINVAL);
  });
});

describe('/proc', () => {
  it('lists the processes that there are', () => {
    files.processes.set(17, 'sleep');
    expect(files.list('/proc')).toEqual(expect.arrayContaining(['1', '17', 'self', 'meminfo']));
    expect(files.list('/proc/17')).toEqual([
      '.',
      '..',
      'stat',
      'status',
      'cmdline',
      'maps',
      'comm',
      'exe',
      'cwd',
      'root',
    ]);
    expect(files.stat('/proc/18').status).toBe(ENOENT);
    expect(files.stat('/proc/017').status).toBe(ENOENT);
  });

  it('shows a process as Linux does', () => {
    expect(files.text('/proc/1/comm')).toBe('init\n');
    expect(files.text('/proc/1/cmdline')).toBe('init\0-x\0');
    expect(files.text('/proc/self/stat')).toMatch(/^1 \(init\) S 0 1 1 /);
    expect(files.text('/proc/1/stat').trim().split(' ')).toHaveLength(52);
    expect(files.text('/proc/1/status')).toContain('VmRSS:\t12 kB\n');
  });

  it('leads from exe and cwd to the files themselves', () => {
    files.badges.set('1/0', files.open('/bin/sh'));
    files.badges.set('1/1', files.open('/etc'));
    const link = files.onPath(FileOperation.READ_LINK, '/proc/self/exe', [], { outputSize: 50, pid: 1 });
    expect(link.output.subarray(0, link.status).toString()).toBe('/bin/sh');
    expect(files.text('/proc/1/exe')).toBe('program');
    expect(files.text('/proc/1/cwd/motd')).toBe('hello\n');
    expect(files.open('/proc/1/root/none')).toBe(BigInt(ENOENT));
  });

  it('keeps nothing of what was only looked at', () => {
    const before = nodeCount();
    files.text('/proc/1/status');
    files.list('/proc/1');
    files.stat('/proc/1/maps');
    expect(nodeCount()).toBe(before);
  });

  it('lets nobody write or make anything there', () => {
    expect(files.open('/proc/new', OpenFlag.CREATE)).toBe(BigInt(ENOENT));
    expect(files.onPath(FileOperation.UNLINK, '/proc/uptime', [0]).status).toBe(EPERM);
  });
});
