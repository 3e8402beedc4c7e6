/**
 * `npm run test:nodes`: the product on every Node.js that it is said to run on. Fetches each with npm, then runs with each a
 * fast set of unit tests, one live file of every kind, and the intruder. `--all`: every test. `--only 24`: one release.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { ROOT } from "../cli/command.js";
import { fetchNode, TRIED_NODES } from "./releases.js";

/** Paths contain one of these: what meets Node's own ways (streams, workers, files, sockets), and each kind of live test. */
const FAST = [
  "native/xdp-node/dist/test/uring.",
  "native/xdp-node/dist/test/seccomp.",
  "native/graphblas-wasm/dist/test/",
  "dist/test/nodes/",
  "dist/test/cli/daemons.",
  "dist/test/cli/live.",
  "dist/test/config/",
  "dist/test/ingest/",
  "dist/test/service/",
  "dist/test/spool/",
  "dist/test/systemd/notify.",
  "dist/test/systemd/watchdog.live.",
  "dist/test/aggregator/privileges.live.",
  "dist/test/aggregator/upload.",
  "dist/test/aggregator/crash.live.",
  "dist/test/live/privileges.live.",
  "dist/test/live/demo.live.",
  "dist/test/live/lifecycle.live.",
  "dist/test/live/accounting.live.",
  "dist/test/live/host.live.",
  "dist/test/live/inline.live.",
  "dist/test/live/extension-replay.live.",
];

const only = process.argv[process.argv.indexOf("--only") + 1];
const versions = process.argv.includes("--only")
  ? TRIED_NODES.filter((version) => version.split(".")[0] === only)
  : TRIED_NODES;
// All first: each release also starts daemons on the others.
const folders = TRIED_NODES.map((version) => [version, fetchNode(version)] as const);
const failed: string[] = [];
for (const [version, folder] of folders.filter(([each]) => versions.includes(each))) {
  process.stdout.write(`\n# Node.js ${version}\n\n`);
  // A folder in which "node" is that release and nothing else is: whatever starts a node starts this one.
  const path = mkdtempSync(join(tmpdir(), "sparsewire-node-"));
  try {
    const node = join(folder, "bin/node");
    symlinkSync(node, join(path, "node"));
    const patterns = process.argv.includes("--all") ? [] : FAST;
    const done = spawnSync(node, [join(ROOT, "dist/test/run.js"), ...patterns], {
      cwd: ROOT,
      stdio: "inherit",
      env: { ...process.env, PATH: `${path}${delimiter}${process.env.PATH ?? ""}` },
    });
    if (done.status !== 0) failed.push(version);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
const verdict = failed.length === 0 ? "passed on each" : `FAILED on ${failed.join(", ")}`;
process.stdout.write(`\nNode.js ${versions.join(", ")}: ${verdict}\n`);
process.exit(failed.length === 0 && versions.length > 0 ? 0 : 1);
