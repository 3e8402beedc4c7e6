/** Name and version of this program, as manifests, metrics and --version say it. */
import { readFileSync } from "node:fs";

const packageJson = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};

export const VERSION = packageJson.version;
export const SOFTWARE = `sparsewire ${VERSION}`;
