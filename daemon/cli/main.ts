#!/usr/bin/env node
/** The `sparsewire` command. */
import { readFileSync } from "node:fs";
import { run } from "./run.js";

const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8"));
process.exit(await run(process.argv.slice(2), version));
