/** Starting anew without io_uring: nothing else may change, whoever the process is and whatever it was given. */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Descriptor, inherited } from "../lib/uring.js";

const ANEW = fileURLToPath(new URL("./anew-process.js", import.meta.url));
const [O_RDONLY, O_WRONLY, O_RDWR] = [0, 1, 2];
const NOBODY = "65534";
const NET_RAW = "0000000000002000";
const isRoot = process.getuid!() === 0;

interface Facts {
  pid: number;
  argv: string[];
  execArgv: string[];
  cwd: string;
  umask: number;
  canMake: boolean;
  permitted: string;
  effective: string;
  ambient: string;
  noNewPrivileges: string;
  filters: number;
}
interface Report {
  before: Facts;
  after: Facts & { rings: number; stdin: string; passed: string };
}

function reportOf(done: SpawnSyncReturns<string>): Report {
  assert.equal(done.stderr, "");
  assert.equal(done.status, 7, "the exit code of the process that it has become");
  return JSON.parse(done.stdout) as Report;
}

/** What must be the same in both; what may not. */
function checkSame({ before, after }: Report): void {
  for (const name of [
    "pid",
    "argv",
    "execArgv",
    "cwd",
    "umask",
    "permitted",
    "effective",
    "ambient",
  ] as const)
    assert.deepEqual(after[name], before[name], name);
  assert.deepEqual([after.canMake, after.rings], [false, 0]);
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "xdp-node-uring-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  return folder;
}

test("the process stays the same, with its arguments, folder and descriptors, but no thread can make a ring", (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, "passed"), "by descriptor");
  const words = ["sensor", "--set", "a b", "", "ü\n"];
  const done = spawnSync(process.execPath, ["--no-warnings", ANEW, ...words], {
    encoding: "utf8",
    cwd: folder,
    input: "by stdin",
    // Even those that use rings for files as well.
    env: { ...process.env, UV_USE_IO_URING: "1", ANEW_READ: "5", ANEW_BEFORE: undefined },
    stdio: ["pipe", "pipe", "pipe", "ignore", "ignore", openSync(join(folder, "passed"), "r")],
    timeout: 30_000,
  });
  const report = reportOf(done);
  checkSame(report);
  const { after, before } = report;
  assert.deepEqual(after.argv, words);
  assert.deepEqual([after.stdin, after.passed], ["by stdin", "by descriptor"]);
  assert.equal(after.filters, before.filters + 1);
  // Whoever may install a filter without it keeps what no_new_privs would take.
  if (isRoot) assert.equal(after.noNewPrivileges, before.noNewPrivileges);
});

/** An ordinary user's process, with what `setpriv` gives it beside. */
function asNobody(node: string, setpriv: string[]): SpawnSyncReturns<string> {
  const words = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", ...setpriv, node, ANEW];
  return spawnSync("setpriv", words, { encoding: "utf8", input: "", timeout: 30_000 });
}

test("an ordinary user's capabilities survive: none, ambient ones, those of the program's file", (t) => {
  if (!isRoot) return t.skip("only root can become another user");
  if (spawnSync("setpriv", ["--version"]).error !== undefined) return t.skip("setpriv is not installed");
  const none = reportOf(asNobody(process.execPath, []));
  checkSame(none);
  assert.match(none.after.permitted, /^0+$/);
  assert.equal(none.after.noNewPrivileges, "1");

  const ambient = reportOf(
    asNobody(process.execPath, ["--inh-caps", "+net_raw", "--ambient-caps", "+net_raw"]),
  );
  checkSame(ambient);
  assert.deepEqual([ambient.after.permitted, ambient.after.ambient], [NET_RAW, NET_RAW]);

  const node = join(folderOf(t), "node");
  cpSync(process.execPath, node, { dereference: true });
  chmodSync(node, 0o755);
  if (spawnSync("setcap", ["cap_net_raw+ep", node]).status !== 0)
    return t.skip("setcap is not installed, or the file system has no capabilities");
  const file = reportOf(asNobody(node, []));
  checkSame(file);
  assert.deepEqual([file.after.permitted, file.after.effective], [NET_RAW, NET_RAW]);
});

test("a filter that stands already is enough: whoever is started with one finds that no ring can be made", () => {
  const env = { ...process.env, ANEW_BEFORE: undefined };
  const twice = `import { spawnSync } from "node:child_process";
    import { restartWithoutUring, canMakeUring } from ${JSON.stringify(new URL("../lib/uring.js", import.meta.url).href)};
    if (canMakeUring()) restartWithoutUring(process.execPath, ["node", ...process.execArgv]);
    const child = spawnSync(process.execPath, [${JSON.stringify(ANEW)}], { encoding: "utf8", input: "" });
    process.stdout.write(child.stdout);`;
  const done = spawnSync(process.execPath, ["--input-type=module", "-e", twice], { encoding: "utf8", env });
  assert.equal(done.stderr, "");
  const { before } = JSON.parse(done.stdout) as Report;
  assert.equal(before.canMake, false);
});

test("what a process was given is told from what its event loop has opened", () => {
  const own: Descriptor[] = [
    { fd: 3, target: "anon_inode:[eventpoll]", flags: O_RDWR },
    { fd: 4, target: "anon_inode:[io_uring]", flags: O_RDWR },
    { fd: 6, target: "pipe:[10]", flags: O_RDONLY },
    { fd: 7, target: "pipe:[10]", flags: O_WRONLY },
    { fd: 8, target: "anon_inode:[eventfd]", flags: O_RDWR },
  ];
  const given: Descriptor[] = [
    // The same pipe twice, as a terminal or 2>&1 is.
    { fd: 0, target: "pipe:[20]", flags: O_RDONLY },
    { fd: 1, target: "pipe:[21]", flags: O_WRONLY },
    { fd: 2, target: "pipe:[21]", flags: O_WRONLY },
    { fd: 5, target: "socket:[30]", flags: O_RDWR },
    { fd: 9, target: "pipe:[31]", flags: O_RDONLY },
    { fd: 63, target: "pipe:[31]", flags: O_RDONLY },
    { fd: 64, target: "/var/lib/file", flags: O_RDONLY },
  ];
  assert.deepEqual(inherited([...own, ...given]), given);
});
