/**
 * Anonymisation: which functions there are on addresses, what manifests call them, and when they may be applied. How
 * matrices are mapped by them is in map-traffic.ts.
 */
import { anonymizationKeyId, CRYPTOPAN_SCHEME, CryptoPan, keepLeadingBits } from "./cryptopan.js";
import { EXIT, SparsewireError } from "./errors.js";
import type { Manifest } from "./manifest.js";

/** What a manifest says of it. */
export type Anonymization = Manifest["anonymization"];

/** At least one of them; without a key addresses are truncated only. */
export interface AnonymizationOptions {
  /** 32 bytes of CryptoPAN. */
  key?: Uint8Array;
  /** Leading bits that are kept of an IPv4 address, 0 to 32; the others become 0. */
  truncate4?: number;
  /** The same of an IPv6 address, 0 to 128. */
  truncate6?: number;
}

/** A function on addresses, applied to sorted distinct ones: IPv4 as numbers, IPv6 as 16 bytes each. */
export interface AddressMap {
  map4(addresses: Uint32Array): Uint32Array;
  map6(addresses: Uint8Array): Uint8Array;
}

/** Whether any anonymisation is asked for. */
export const isAnonymizing = ({ key, truncate4 = 32, truncate6 = 128 }: AnonymizationOptions): boolean =>
  key !== undefined || truncate4 < 32 || truncate6 < 128;

/** Scheme and key id as manifests name them: cryptopan-aes128, truncate-24-48, cryptopan-aes128+truncate-24-48. */
export function anonymizationOf(options: AnonymizationOptions): Anonymization {
  const { key, truncate4 = 32, truncate6 = 128 } = options;
  const parts = key === undefined ? [] : [CRYPTOPAN_SCHEME];
  if (truncate4 < 32 || truncate6 < 128) parts.push(`truncate-${truncate4}-${truncate6}`);
  return {
    scheme: parts.length === 0 ? "none" : parts.join("+"),
    key_id: key === undefined ? null : anonymizationKeyId(key),
  };
}

/** CryptoPAN first, then truncation: what is left of an address keeps the prefixes it shares. */
export function anonymizer({ key, truncate4 = 32, truncate6 = 128 }: AnonymizationOptions): AddressMap {
  const pan = key === undefined ? undefined : new CryptoPan(key);
  return {
    map4: (addresses) => {
      if (pan !== undefined) return pan.anonymize4(addresses, truncate4);
      const dropped = 2 ** (32 - truncate4);
      return addresses.map((address) => address - (address % dropped));
    },
    map6: (addresses) => {
      if (pan !== undefined) return pan.anonymize6(addresses, truncate6);
      const result = new Uint8Array(addresses);
      for (let at = 0; at < result.length; at += 16) keepLeadingBits(result.subarray(at, at + 16), truncate6);
      return result;
    },
  };
}

/** The inverse of CryptoPAN under a key. */
export function deanonymizer(key: Uint8Array): AddressMap {
  const pan = new CryptoPan(key);
  return {
    map4: (addresses) => pan.deanonymize4(addresses),
    map6: (addresses) => pan.deanonymize6(addresses),
  };
}

/** Throws ALREADY_ANONYMIZED unless the addresses of what this manifest describes are clear. */
export function requireClear({ anonymization: { scheme, key_id } }: Pick<Manifest, "anonymization">): void {
  if (scheme === "none") return;
  const under = key_id === null ? scheme : `${scheme} under key ${key_id}`;
  throw new SparsewireError("ALREADY_ANONYMIZED", `its addresses are anonymised already (${under})`, {
    exit: EXIT.badInput,
    mend: "give archives with clear addresses",
  });
}

/** Throws NOT_ANONYMIZED, TRUNCATED or WRONG_KEY unless `key` gives back the addresses of what this manifest describes. */
export function requireInvertible(manifest: Pick<Manifest, "anonymization">, key: Uint8Array): void {
  const { scheme, key_id: found } = manifest.anonymization;
  const refuse = (code: string, what: string, mend: string): SparsewireError =>
    new SparsewireError(code, what, { exit: EXIT.badInput, mend });
  if (scheme.includes("truncate-")) {
    throw refuse(
      "TRUNCATED",
      `its addresses were truncated (${scheme})`,
      "what was cut off is gone: use the original",
    );
  }
  if (scheme !== CRYPTOPAN_SCHEME) {
    const mend = "give archives that sparsewire anonymised with a key";
    throw refuse("NOT_ANONYMIZED", `its addresses were not anonymised with CryptoPAN (${scheme})`, mend);
  }
  const given = anonymizationKeyId(key);
  if (given === found) return;
  throw refuse(
    "WRONG_KEY",
    `it was anonymised with key ${found}, this key is ${given}`,
    "give the key of that id",
  );
}
