/** The lock of a store or spool is the kernel's: it holds across PID namespaces, and ends with its holder. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { lockFolder } from "../../daemon/lock.js";
import { SparsewireError } from "../../lib/errors.js";

const MODULE = new URL("../../daemon/lock.js", import.meta.url).href;
/** Says what became of the lock of argv[1], and keeps it until its input ends. */
const HOLDER = `import { lockFolder } from ${JSON.stringify(MODULE)};
  try {
    lockFolder(process.argv[1], (holder) => new Error("busy: " + holder));
    console.log("locked");
  } catch (error) {
    console.log(error.message);
  }
  process.stdin.resume();`;
const busy = (holder: string): SparsewireError => new SparsewireError("LOCKED", holder);

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-lock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A process that tries to take the lock, in PID namespaces of its own where `command` makes them. */
async function contender(t: TestContext, folder: string, command: string[] = []) {
  const [program, ...args] = [...command, process.execPath, "--input-type=module", "-e", HOLDER, folder];
  const child: ChildProcess = spawn(program!, args, { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [said] = await once(child.stdout!, "data");
  const end = async (signal: NodeJS.Signals | undefined): Promise<void> => {
    const gone = once(child, "exit");
    if (signal === undefined) child.stdin!.end();
    else child.kill(signal);
    await gone;
  };
  return { said: String(said).trim(), end };
}

const isRoot = process.getuid!() === 0;

test("two containers that share a volume: one has the lock, whatever their process numbers", {
  skip: isRoot ? false : "needs root for PID namespaces",
}, async (t) => {
  const folder = folderOf(t);
  // Each is process 1 of its namespace, with a /proc of its own, as in a container.
  const container = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const first = await contender(t, folder, container);
  assert.equal(first.said, "locked");
  for (const others of [container, []]) {
    const second = await contender(t, folder, others);
    assert.equal(second.said, "busy: process 1 of another container");
    await second.end(undefined);
  }
  await first.end("SIGKILL");
  const third = await contender(t, folder, container);
  assert.equal(third.said, "locked", "the kernel has given back what a killed one held");
  await third.end(undefined);
});

test("a lock ends with its holder, kill -9 or not, and is one in a process as well", async (t) => {
  const folder = folderOf(t);
  const killed = await contender(t, folder);
  assert.equal(killed.said, "locked");
  assert.throws(() => lockFolder(folder, busy), /^SparsewireError: process \d+$/);
  await killed.end("SIGKILL");
  const unlock = lockFolder(folder, busy);
  assert.throws(() => lockFolder(folder, busy), new RegExp(`process ${process.pid}$`));
  unlock();
  lockFolder(folder, busy)();
});

test("a lock file of an earlier version holds while its process lives", (t) => {
  const folder = folderOf(t);
  const stat = readFileSync("/proc/self/stat", "utf8");
  const start = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  writeFileSync(join(folder, "lock"), `${process.pid} ${start}\n`);
  assert.throws(() => lockFolder(folder, busy), new RegExp(`process ${process.pid}$`));
  for (const left of ["4194999 12345\n", "", "\0\0\0", `${process.pid} 1\n`, "x".repeat(10_000)]) {
    writeFileSync(join(folder, "lock"), left);
    lockFolder(folder, busy)();
  }
});

test("without locks of the kernel the process number has to do, and that is told", (t) => {
  const folder = folderOf(t);
  const told: string[] = [];
  for (const lockFile of [() => "unsupported" as const, undefined]) {
    const options = { lockFile, weak: (why: string) => void told.push(why) };
    const unlock = lockFolder(folder, busy, options);
    assert.throws(() => lockFolder(folder, busy, options), new RegExp(`process ${process.pid}$`));
    unlock();
  }
  assert.deepEqual([...new Set(told)], ["its file system has no locks"]);
});
