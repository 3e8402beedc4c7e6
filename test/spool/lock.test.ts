/** Two sensors never share a spool: they would ship and delete each other's intervals. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockFolder } from "../../daemon/lock.js";
import { SparsewireError } from "../../lib/errors.js";
import { BINARY } from "../cli/command.js";

const busy = (pid: string): SparsewireError => new SparsewireError("SPOOL_LOCKED", pid);

test("a spool that a living process has is refused; that of the dead is taken over", () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-lock-"));
  const capture = join(folder, "none.pcap");
  try {
    // A capture without a packet: header only.
    writeFileSync(capture, Buffer.from("d4c3b2a1020004000000000000000000ffff000001000000", "hex"));
    const spool = join(folder, "spool");
    mkdirSync(spool);
    const sensor = () =>
      spawnSync(
        process.execPath,
        [BINARY, "sensor", "--mode", "pcap", "--file", capture, "--control", join(folder, "c.sock")].concat(
          ["--aggregator", "http://127.0.0.1:1", "--set", "metrics.enabled=false"],
          ["--set", `spool.path=${spool}`],
        ),
        { encoding: "utf8", timeout: 30_000 },
      );
    const unlock = lockFolder(spool, busy);
    const refused = sensor();
    assert.equal(refused.status, 1);
    assert.match(
      refused.stderr,
      new RegExp(`another sensor, process ${process.pid}, has the spool ${spool} already; stop`),
    );
    assert.ok(!existsSync(join(spool, "run.json")), "it has touched nothing");
    unlock();
    assert.equal(sensor().status, 0);
    assert.ok(!existsSync(join(spool, "lock")), "it gives the spool back");
    writeFileSync(join(spool, "lock"), "4194999 12345\n");
    assert.equal(sensor().status, 0, "the lock of a process that is gone does not hold");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a process that is dead and not yet reaped holds nothing", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-lock-"));
  const module = new URL("../../daemon/lock.js", import.meta.url).href;
  const holder = `import { lockFolder } from ${JSON.stringify(module)}; lockFolder(process.argv[1], () => new Error());
    process.kill(process.pid, "SIGKILL");`;
  // The shell's child dies and stays a zombie while the shell, become sleep, does not look after it.
  const script = '"$0" --input-type=module -e "$1" "$2" & exec sleep 30';
  const parent = spawn("sh", ["-c", script, process.execPath, holder, folder], { stdio: "ignore" });
  try {
    const until = Date.now() + 20_000;
    const isZombie = () =>
      /^Z/m.test(spawnSync("ps", ["-o", "stat=", "--ppid", String(parent.pid)], { encoding: "utf8" }).stdout);
    while (!(existsSync(join(folder, "lock")) && isZombie()) && Date.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(isZombie());
    lockFolder(folder, busy)();
  } finally {
    parent.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
});
