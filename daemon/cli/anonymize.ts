/** `sparsewire anonymize` and `deanonymize`: stored archives, one by one, to a folder of their own. */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type Command, Option } from "commander";
import type { GraphBLAS } from "graphblas-wasm";
import {
  type AddressMap,
  type Anonymization,
  type AnonymizationOptions,
  anonymizationOf,
  anonymizer,
  deanonymizer,
  isAnonymizing,
  requireClear,
  requireInvertible,
} from "../../lib/anonymize.js";
import { decodeArchive } from "../../lib/archive.js";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { IPV6_HASH_KEY_DEFAULT, IPV6_HASH_SCHEME, keyWords } from "../../lib/ipv6-index.js";
import type { Manifest } from "../../lib/manifest.js";
import { mapTraffic } from "../../lib/map-traffic.js";
import { printable } from "../../lib/printable.js";
import { mapShed } from "../../lib/sampling.js";
import { encodeTraffic, trafficOf } from "../../lib/traffic.js";
import { examples, integer, type Result, usage, withOutput } from "./command.js";
import { emit, say } from "./output.js";
import { readArchiveFile, type Source, sourcesOf } from "./sources.js";
import { inFile } from "./sum.js";
import { grouped } from "./table.js";

interface Options {
  output?: string;
  key?: string;
  truncate4: number;
  truncate6: number;
  json?: boolean;
}

/** How archives are rewritten. */
interface Rewrite {
  map: AddressMap;
  /** What the manifests say afterwards. */
  says: Anonymization;
  /** Throws when an archive cannot be rewritten so. */
  check(manifest: Manifest): void;
}

/** --truncate4 and --truncate6. */
export function truncationOption(family: 4 | 6): Option {
  const bits = family === 4 ? 32 : 128;
  const option = new Option(
    `--truncate${family} <bits>`,
    `leading bits that stay of an IPv${family} address`,
  );
  return option.argParser(integer(0, bits)).default(bits);
}

export function registerAnonymize(parent: Command, _result: Result): void {
  const command = archives(parent, "anonymize", "write archives anew with anonymised addresses")
    .option("--key <file>", "CryptoPAN key: 64 hexadecimal digits, readable by its owner only")
    .addOption(truncationOption(4))
    .addOption(truncationOption(6))
    .action(async (paths: string[], options: Options) => {
      const { loadAnonymization } = await import("../capture/anonymizer-key.js");
      const { key: key_file, truncate4, truncate6 } = options;
      const how: AnonymizationOptions = loadAnonymization({ key_file, truncate4, truncate6 });
      if (!isAnonymizing(how)) {
        throw usage("this would anonymise nothing", "give --key FILE, --truncate4 24 or --truncate6 48");
      }
      await rewriteAll(paths, options, "anonymised", () => ({
        map: anonymizer(how),
        says: anonymizationOf(how),
        check: requireClear,
      }));
    });
  examples(command, [
    ["(umask 077; openssl rand -hex 32 > anonymize.key)", "makes a key"],
    ["sparsewire anonymize spool -o open --key anonymize.key", "prefix-preserving: subnets stay subnets"],
    ["sparsewire anonymize spool -o open --truncate4 24 --truncate6 48", "no key: nobody can undo it"],
  ]);
}

export function registerDeanonymize(parent: Command, _result: Result): void {
  const command = archives(parent, "deanonymize", "write archives anew with their clear addresses")
    .requiredOption("--key <file>", "the key they were anonymised with")
    .action(async (paths: string[], options: Options) => {
      const { readKeyFile } = await import("../capture/anonymizer-key.js");
      const key = readKeyFile(options.key!);
      await rewriteAll(paths, options, "deanonymised", () => ({
        map: deanonymizer(key),
        says: { scheme: "none", key_id: null },
        check: (manifest) => requireInvertible(manifest, key),
      }));
    });
  examples(command, [
    ["sparsewire deanonymize open -o clear --key anonymize.key", "for those who hold the key"],
  ]);
}

function archives(parent: Command, name: string, description: string): Command {
  const command = parent
    .command(name)
    .description(`${description}; names and identities stay`)
    .argument("<src...>", "archives (.tar), or folders of them")
    .option("-o, --output <dir>", "folder for the archives; made if it is missing");
  return withOutput(command, false);
}

async function rewriteAll(
  paths: string[],
  options: Options,
  done: string,
  prepare: () => Rewrite,
): Promise<void> {
  const output = options.output;
  if (output === undefined) throw usage("there is no folder to write to", "name one with -o");
  const rewrite = prepare();
  const { load } = await import("graphblas-wasm");
  using grb = await load();
  let count = 0;
  for (const { source, target } of targetsOf(paths, output)) {
    const archive = inContext(source.path, () => rewriteArchive(grb, readArchiveFile(source.path), rewrite));
    makeFolder(dirname(target));
    if (existsSync(target)) {
      throw new SparsewireError("EXISTS", `${target} exists already`, {
        exit: EXIT.usage,
        mend: "give -o an empty folder, other than the source's",
      });
    }
    await emit(target, [archive]);
    count++;
  }
  const summary = { archives: count, output, ...rewrite.says };
  const text = `${grouped(count)} archives ${done} in ${printable(output)}\n`;
  say(options.json ? `${JSON.stringify(summary, null, 1)}\n` : text);
}

/** One archive with mapped addresses; all but addresses, IPv6 indices and what follows from them stays. */
function rewriteArchive(grb: GraphBLAS, bytes: Uint8Array, { map, says, check }: Rewrite): Uint8Array {
  const archive = decodeArchive(bytes);
  const { members: _members, format: _format, ...head } = archive.manifest;
  check(archive.manifest);
  const traffic = trafficOf(grb, archive);
  try {
    // trafficOf has put IPv6 under the common hash key.
    const hashKey = keyWords(Uint8Array.from(IPV6_HASH_KEY_DEFAULT));
    const mapped = mapTraffic(grb, traffic, map, { byteOrder: head.byte_order, hashKey });
    try {
      const { v6, collisions } = mapped;
      const ipv6 = v6 && {
        hash: IPV6_HASH_SCHEME,
        key_id: v6.keyId,
        addresses: v6.dict.length / 24,
        collisions: (head.ipv6?.collisions ?? 0) + collisions,
      };
      const shed = head.shed && { shed: mapShed(head.shed, (addresses) => map.map4(addresses)) };
      return encodeTraffic(grb, mapped, { ...head, ...shed, anonymization: says, ipv6: ipv6 ?? null })
        .archive;
    } finally {
      mapped.dispose();
    }
  } finally {
    traffic.dispose();
  }
}

/** Each archive and where it goes: folders keep their own folders below. */
function* targetsOf(paths: string[], output: string): Generator<{ source: Source; target: string }> {
  for (const path of paths) {
    for (const source of sourcesOf([path])) {
      if (source.kind === "capture") {
        throw new SparsewireError("UNKNOWN_FORMAT", `${source.path} is a capture, not an archive`, {
          exit: EXIT.badInput,
          mend: "sparsewire ingest --anonymize KEYFILE makes anonymised archives of captures",
        });
      }
      const isFolder = statSync(path).isDirectory();
      const name = isFolder ? relative(path, source.path) : basename(source.path);
      yield { source, target: join(output, name) };
    }
  }
}

function inContext<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw inFile(path, error);
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new SparsewireError("OUTPUT", `cannot make ${path}: ${message}`, {
      exit: code === "EACCES" || code === "EPERM" ? EXIT.notPermitted : EXIT.failure,
      mend: "give -o another folder",
      cause,
    });
  }
}
