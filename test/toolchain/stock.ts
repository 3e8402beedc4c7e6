/** Programs of several compilers on the kernel of Debian 12, whose verifier takes the least, in a virtual machine. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GuestUnavailable } from "../guest/apt.js";
import { STOCK } from "../guest/kernel.js";
import { prepare } from "../zero-copy/prepare.js";
import type { LoadReport } from "./load-programs.js";

const LOADER = "load-programs.js";
const HOME = "/usr/lib/sparsewire";
const SECONDS_MAX = 300;

/**
 * Loads the objects of each folder of `objects`, which are named by version, as the packaged product would.
 * Throws GuestUnavailable where there can be no guest.
 */
export async function loadOnStockKernel(
  objects: string,
): Promise<[string, LoadReport & { release: string }][]> {
  const versions = readdirSync(objects).sort();
  // The payload disk is flat: VERSION-OBJECT.
  const files = versions.flatMap((version) =>
    readdirSync(join(objects, version)).map((name): [string, Uint8Array] => [
      `${version}-${name}`,
      readFileSync(join(objects, version, name)),
    ]),
  );
  const loader = readFileSync(fileURLToPath(new URL(`./${LOADER}`, import.meta.url)));
  const prepared = await prepare({
    kernel: STOCK,
    batches: [],
    files: { ...Object.fromEntries(files), [LOADER]: loader },
  });
  if (typeof prepared === "string") throw new GuestUnavailable(prepared);
  const { machine, close } = prepared;
  try {
    const release = (await machine.sh("uname -r")).trim();
    await machine.sh("dpkg -i /payload/sparsewire.deb 2>&1", SECONDS_MAX);
    await machine.sh(`mkdir -p ${HOME}/dist/test; cp /payload/${LOADER} ${HOME}/dist/test`);
    const reports: [string, LoadReport & { release: string }][] = [];
    for (const version of versions) {
      const copy = `mkdir -p /tmp/${version}; for f in /payload/${version}-*; do cp $f /tmp/${version}/\${f#*-}; done`;
      const load = `${HOME}/bin/node ${HOME}/dist/test/${LOADER} /tmp/${version}`;
      const report = JSON.parse(await machine.sh(`${copy}\n${load}`, SECONDS_MAX)) as LoadReport;
      reports.push([version, { ...report, release }]);
    }
    return reports;
  } finally {
    await close();
  }
}
