/** Bearer tokens from files: who may upload, who may read. */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { filePathOf } from "../config/credential.js";

export type Right = "read" | "write";

/** SHA-256 of each token: equal lengths, so that comparing takes the same time whatever was sent. */
export class Tokens {
  readonly #write: Buffer | undefined;
  readonly #read: Buffer | undefined;

  /** Reads the files that are configured; throws TOKEN_FILE when one cannot be trusted. */
  constructor(config: { token_file?: string | undefined; read_token_file?: string | undefined }) {
    this.#write = config.token_file === undefined ? undefined : digest(readToken(config.token_file));
    this.#read = config.read_token_file === undefined ? undefined : digest(readToken(config.read_token_file));
  }

  /**
   * What the Authorization header of a request gives: "ok", "unknown" (no token, or none of ours), or "forbidden" (a
   * token of ours that does not give this right).
   */
  check(header: string | undefined, right: Right): "ok" | "unknown" | "forbidden" {
    const needed = right === "write" ? this.#write : (this.#read ?? this.#write);
    if (needed === undefined) return "ok";
    const given = digest(/^Bearer +(\S+) *$/i.exec(header ?? "")?.[1] ?? "");
    const isWriter = this.#write !== undefined && timingSafeEqual(given, this.#write);
    const isReader = this.#read !== undefined && timingSafeEqual(given, this.#read);
    if (isWriter || (isReader && right === "read")) return "ok";
    return isReader ? "forbidden" : "unknown";
  }
}

/** Shortest token that is taken for a secret. */
const TOKEN_LENGTH_MIN = 16;

/** One token out of a file, or a credential (%d/NAME). Throws TOKEN_FILE, NO_CREDENTIAL. */
export function readToken(name: string): string {
  const path = filePathOf(name);
  const bad = (what: string, mend: string, cause?: unknown) =>
    new SparsewireError("TOKEN_FILE", `the token file ${path} ${what}`, { exit: EXIT.usage, mend, cause });
  let text: string;
  try {
    if ((statSync(path).mode & 0o004) !== 0) throw bad("is readable by everybody", `chmod o-rwx ${path}`);
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof SparsewireError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw bad(`cannot be read (${code})`, "create it, and let only this service's user read it", error);
  }
  if (!/^[\x21-\x7e]+$/.test(text) || text.length < TOKEN_LENGTH_MIN) {
    throw bad(
      `does not hold one token of at least ${TOKEN_LENGTH_MIN} printable characters`,
      `openssl rand -hex 32 > ${path}`,
    );
  }
  return text;
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
