/** Reading only the manifest of an archive on disk: the first member, so a few kilobytes do. */
import { type FileHandle, open } from "node:fs/promises";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { Manifest } from "../../lib/manifest.js";
import { MANIFEST_BYTES_MAX, parseManifest } from "../../lib/manifest-json.js";
import { readTar } from "../../lib/tar.js";

const BLOCK = 512;
/** Enough for the manifest of a sealed interval and of most roll-ups. */
const FIRST_READ_BYTES = 16 << 10;

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

/**
 * The manifest of the archive at `path`, and its size in bytes. The members are not read, but the file must be as long
 * as they need: BAD_ARCHIVE when it is cut, BAD_TAR and BAD_MANIFEST when the beginning is not sound.
 */
export async function readManifestFile(path: string): Promise<{ manifest: Manifest; size: number }> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    const text = await manifestText(handle);
    const manifest = parseManifest(new TextDecoder().decode(text));
    const members = manifest.members.reduce((sum, member) => sum + BLOCK + padded(member.size), 0);
    const expected = BLOCK + padded(text.length) + members + 2 * BLOCK;
    if (size !== expected) throw bad(`it has ${size} bytes, its manifest asks for ${expected}`);
    return { manifest, size };
  } finally {
    await handle.close();
  }
}

async function manifestText(handle: FileHandle): Promise<Uint8Array> {
  let head = await readUpTo(handle, FIRST_READ_BYTES);
  const wanted = BLOCK + sizeField(head);
  if (wanted - BLOCK > MANIFEST_BYTES_MAX) throw bad("its manifest is absurdly long");
  if (wanted > head.length) head = await readUpTo(handle, wanted);
  const [first] = readTar(head, { lenient: true }).members;
  if (first?.name !== "manifest.json") throw bad("its first member is not a whole manifest.json");
  return first.data;
}

/** The octal size in a tar header; what is not one is left to the tar reader to refuse. */
function sizeField(header: Uint8Array): number {
  const digits = /^[0-7]{1,11}/.exec(String.fromCharCode(...header.subarray(124, 135)))?.[0];
  return digits === undefined ? 0 : Number.parseInt(digits, 8);
}

async function readUpTo(handle: FileHandle, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

const bad = (what: string): SparsewireError =>
  new SparsewireError("BAD_ARCHIVE", `not a sound archive: ${what}`, { exit: EXIT.badInput });
