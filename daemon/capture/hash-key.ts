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
  const text = readFileSync(path, "latin1").trim();
  if (!/^[0-9a-f]{32}$/i.test(text)) {
    throw new SparsewireError("BAD_HASH_KEY", `${path} is not a hash key of 32 hexadecimal digits`, {
      exit: EXIT.usage,
      mend: "make one: openssl rand -hex 16",
    });
  }
  return hashKeyOf(Uint8Array.from(Buffer.from(text, "hex")));
}

const hashKeyOf = (key: Uint8Array): HashKey => ({ words: keyWords(key), id: keyId(key) });
