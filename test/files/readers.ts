/** Readers of the exported files that share nothing with their writers. */
import { spawnSync } from "node:child_process";
import { crc32, inflateRawSync } from "node:zlib";

/** Members of a zip archive, found by its directory, with lengths and checksums checked. */
export function readZip(file: Uint8Array): Map<string, Buffer> {
  const bytes = Buffer.from(file);
  const end = bytes.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  const members = new Map<string, Buffer>();
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (bytes.readUInt32LE(at) !== 0x02014b50) throw new Error(`no directory entry at ${at}`);
    const [method, crc] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 16)];
    const [packed, size] = [bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 24)];
    const nameLength = bytes.readUInt16LE(at + 28);
    const local = bytes.readUInt32LE(at + 42);
    const name = bytes.toString("utf8", at + 46, at + 46 + nameLength);
    if (bytes.readUInt32LE(local) !== 0x04034b50) throw new Error(`no member at ${local}`);
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const stored = bytes.subarray(start, start + packed);
    const data = method === 0 ? stored : inflateRawSync(stored);
    if (data.length !== size || crc32(data) !== crc) throw new Error(`${name} is damaged`);
    members.set(name, Buffer.from(data));
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return members;
}

/** Shape and numbers (or text) of a .npy file. */
export function readNpy(bytes: Buffer): { descr: string; shape: number[]; values: bigint[] | string } {
  if (bytes.toString("latin1", 0, 8) !== "\x93NUMPY\x01\x00")
    throw new Error("not a .npy file of version 1.0");
  const start = 10 + bytes.readUInt16LE(8);
  if (start % 64 !== 0) throw new Error("its data are not aligned");
  const header = /^\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([^)]*)\), \} *\n$/.exec(
    bytes.toString("latin1", 10, start),
  );
  if (header === null) throw new Error("its header is not one");
  const [, descr, tuple] = header as unknown as [string, string, string];
  const shape = tuple
    .split(",")
    .map(Number)
    .slice(0, tuple.split(",").filter((text) => text.trim() !== "").length);
  const data = bytes.subarray(start);
  if (descr.startsWith("|S")) return { descr, shape, values: data.toString("latin1") };
  const width = Number(descr.slice(2));
  const values = Array.from({ length: data.length / width }, (_, at) =>
    width === 8 ? data.readBigUInt64LE(at * 8) : BigInt(data.readUInt32LE(at * 4)),
  );
  return { descr, shape, values };
}

/** Runs a Python script, or tells why it cannot: a missing interpreter or a missing module. */
export function python(
  script: string,
  modules: string[],
  args: string[],
): { out: string } | { missing: string } {
  const probe = spawnSync("python3", ["-c", modules.map((name) => `import ${name}`).join("\n")], {
    encoding: "utf8",
  });
  if (probe.status !== 0) return { missing: `python3 with ${modules.join(", ")} is not installed` };
  const done = spawnSync("python3", ["-c", script, ...args], { encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(done.stderr);
  return { out: done.stdout };
}

/** DuckDB, or why it is not to be had. */
export async function duckdb(): Promise<
  { query: (sql: string) => Promise<unknown[][]>; close: () => void } | string
> {
  try {
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    return {
      query: async (sql) => (await connection.runAndReadAll(sql)).getRowsJson() as unknown[][],
      close: () => {
        connection.closeSync();
        instance.closeSync();
      },
    };
  } catch (error) {
    return `DuckDB cannot be loaded: ${(error as Error).message.split("\n")[0]}`;
  }
}
