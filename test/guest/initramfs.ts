/** An initramfs: files in a cpio archive of format "newc", as Documentation/driver-api/early-userspace of Linux has it. */

export interface InitramfsEntry {
  name: string;
  /** File type and permissions, as in stat(2). */
  mode: number;
  bytes?: Uint8Array;
}

export const DIRECTORY = 0o040755;
export const EXECUTABLE = 0o100755;
export const FILE = 0o100644;

/** The archive's bytes. Numbers of inodes are places in the list; owners are root, times 0: same input, same bytes. */
export function initramfs(entries: readonly InitramfsEntry[]): Uint8Array {
  const end: InitramfsEntry = { name: "TRAILER!!!", mode: 0 };
  return Buffer.concat([...entries, end].flatMap((entry, i) => member(entry, i + 1)));
}

function member({ name, mode, bytes = new Uint8Array() }: InitramfsEntry, inode: number): Uint8Array[] {
  const path = Buffer.from(`${name}\0`);
  const links = mode === DIRECTORY ? 2 : 1;
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, links, 0, bytes.byteLength, 0, 0, 0, 0, path.byteLength, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [padded(Buffer.concat([Buffer.from(header), path])), padded(bytes)];
}

/** Header with name, and contents, each end on a multiple of four bytes. */
function padded(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.byteLength & 3)]);
}
