/** The key of the IPv6 index hash: from a file, or the common one. */
import { readFileSync } from "node:fs";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { IPV6_HASH_KEY_DEFAULT, keyId, keyWords } from "../../lib/ipv6-index.js";
import { filePathOf } from "../config/credential.js";

export interface HashKey {
  words: [bigint, bigint];
  id: string;
}

/** Reads 32 hexadecimal digits out of a file, or a credential (%d/NAME); throws BAD_HASH_KEY, NO_CREDENTIAL. */
export function loadHashKey(name: string | undefined): HashKey {
  if (name === undefined) return hashKeyOf(Uint8Array.from(IPV6_HASH_KEY_DEFAULT));
  const path = filePathOf(name);
  const text = readKey(path).trim();
  if (!/^[0-9a-f]{32}$/i.test(text)) {
    throw new SparsewireError("BAD_HASH_KEY", `${path} is not a hash key of 32 hexadecimal digits`, {
      exit: EXIT.usage,
      mend: "make one: openssl rand -hex 16",
    });
  }
  return hashKeyOf(Uint8Array.from(Buffer.from(text, "hex")));
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isDenied = code === "EACCES" || code === "EPERM";
    throw new SparsewireError("BAD_HASH_KEY", `the hash key ${path} cannot be read (${code})`, {
      exit: isDenied ? EXIT.notPermitted : EXIT.usage,
      mend: isDenied ? "run as a user that may read it" : "name a file of 32 hexadecimal digits",
      cause: error,
    });
  }
}

const hashKeyOf = (key: Uint8Array): HashKey => ({ words: keyWords(key), id: keyId(key) });
