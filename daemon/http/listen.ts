/** Where a server may listen: on loopback as it likes, beyond it only with TLS and a token. */
import { readFileSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { createSecureContext } from "node:tls";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { filePathOf } from "../config/credential.js";

/** An address with its TLS files, as configurations have it. */
export interface Listen {
  address: string;
  port: number;
  tls_cert?: string | undefined;
  tls_key?: string | undefined;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether an address to listen on can be reached from this host only. Names other than localhost cannot be told. */
export function isLoopback(address: string): boolean {
  if (address === "localhost") return true;
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 4 ? "ipv4" : "ipv6");
}

/** Throws INSECURE_LISTEN (exit: usage) for an address beyond loopback without TLS and token. */
export function checkListen({
  listen,
  token_file,
}: {
  listen: Listen;
  token_file?: string | undefined;
}): void {
  const hasTls = listen.tls_cert !== undefined && listen.tls_key !== undefined;
  if ((listen.tls_cert === undefined) !== (listen.tls_key === undefined)) {
    throw new SparsewireError("TLS_FILES", "listen.tls_cert and listen.tls_key go together, one is missing", {
      exit: EXIT.usage,
      mend: "give both or neither",
    });
  }
  if (isLoopback(listen.address) || (hasTls && token_file !== undefined)) return;
  const missing = [
    ...(hasTls ? [] : ["listen.tls_cert and listen.tls_key"]),
    ...(token_file === undefined ? ["token_file"] : []),
  ];
  throw new SparsewireError(
    "INSECURE_LISTEN",
    `${listen.address} can be reached by others, and ${missing.join(" and ")} ${missing.length > 1 || !hasTls ? "are" : "is"} not set`,
    { exit: EXIT.usage, mend: `set ${missing.join(" and ")}, or listen on 127.0.0.1` },
  );
}

export interface TlsFiles {
  cert: Buffer;
  key: Buffer;
}

/** Certificate and key, read and found to fit each other; undefined without TLS. */
export function readTls({ listen }: { listen: Listen }): TlsFiles | undefined {
  if (listen.tls_cert === undefined || listen.tls_key === undefined) return undefined;
  const paths = { cert: filePathOf(listen.tls_cert), key: filePathOf(listen.tls_key) };
  try {
    const files = { cert: readFileSync(paths.cert), key: readFileSync(paths.key) };
    createSecureContext(files);
    return files;
  } catch (error) {
    const why = (error as Error).message;
    throw new SparsewireError("TLS_FILES", `the TLS certificate or key cannot be used: ${why}`, {
      exit: EXIT.usage,
      mend: "listen.tls_cert needs a PEM certificate, listen.tls_key its unencrypted private key",
      cause: error,
    });
  }
}
