#!/usr/bin/env node
/** The `sparsewire` command. */
import { VERSION } from "../software.js";
import { run } from "./run.js";

process.exit(await run(process.argv.slice(2), VERSION));
