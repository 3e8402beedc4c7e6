// In a real browser: the package is served as it is, a page imports it, and its answers are those of Node.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { load } from "../lib/index.js";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const BROWSERS = [
  "chromium-headless-shell",
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
];
const TYPES: Record<string, string> = { ".js": "text/javascript", ".wasm": "application/wasm" };
const PAGE = `<!doctype html><script type="module">
const tell = (result) => fetch("/result", { method: "POST", body: JSON.stringify(result) });
try {
  const [{ load }, { work }] = await Promise.all([import("/dist/lib/index.js"), import("/work.js")]);
  await tell({ results: work(await load()) });
} catch (error) { await tell({ error: String(error.stack) }); }
</script>`;
/** A browser that has not answered by then will not. */
const ANSWER_MS = 45_000;
/** Ran in both; a module of its own, so that the browser gets the same text. */
const WORK = `export function work(gb) {
  const n = 20000, I = new BigUint64Array(n), J = new BigUint64Array(n), X = new BigUint64Array(n);
  for (let k = 0, x = 1n; k < n; k++) {
    x = BigInt.asUintN(64, x * 6364136223846793005n + 1442695040888963407n);
    I[k] = x >> 52n; J[k] = (x >> 40n) & 0xfffn; X[k] = (x >> 20n) & 0xffn;
  }
  const A = gb.build("UINT64", 1n << 32n, 1n << 32n, I, J, X, "plus");
  const blob = A.serialize();
  const B = gb.deserialize(blob);
  let refused = "";
  try { gb.deserialize(blob.subarray(0, blob.length - 1)); } catch (error) { refused = error.info; }
  const product = A.mxm(A.transpose(), "plus_pair");
  return [A.isEqual(B), A.nvals, blob.length, String(A.reduce("plus")), product.nvals, String(product.reduce("plus")), refused];
}`;

const browser = BROWSERS.find((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status === 0);

test("works in a browser as it does in Node", {
  skip: browser === undefined ? "no Chromium: apt-get install chromium" : false,
  timeout: 60_000,
}, async () => {
  const expected = await fromNode();
  const profile = mkdtempSync(join(tmpdir(), "graphblas-browser-"));
  let child: ChildProcess | undefined;
  const server = createServer();
  try {
    const answer = new Promise<string>((resolve, reject) => {
      server.on("request", (request, response) => void serve(request, response, resolve));
      server.listen(0, "127.0.0.1", () => {
        child = openPage(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, profile);
        child.once("close", () => reject(new Error("the browser ended without an answer")));
        setTimeout(() => reject(new Error("the browser does not answer")), ANSWER_MS).unref();
      });
    });
    assert.deepEqual(JSON.parse(await answer), { results: expected });
  } finally {
    await ended(child);
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});

/** The page, the package's files, and the place where the page tells what it found. */
async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answered: (text: string) => void,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (request.method === "POST" && pathname === "/result") {
    answered(await text(request));
    response.end();
    return;
  }
  try {
    const body = pathname === "/" ? PAGE : pathname === "/work.js" ? WORK : readFileSync(fileOf(pathname));
    const type = pathname === "/" ? "text/html" : (TYPES[extname(pathname)] ?? "text/plain");
    response.writeHead(200, { "content-type": type }).end(body);
  } catch {
    response.writeHead(404).end();
  }
}

const fileOf = (pathname: string): string => join(PACKAGE, pathname.replaceAll("..", ""));

async function fromNode(): Promise<unknown> {
  const { work } = (await import(`data:text/javascript,${encodeURIComponent(WORK)}`)) as {
    work(gb: unknown): unknown[];
  };
  const results = work(await load());
  assert.equal(results[0], true);
  assert.equal(results.at(-1), "GrB_INVALID_OBJECT");
  return results;
}

function openPage(url: string, profile: string): ChildProcess {
  const options = [
    "--headless",
    "--no-sandbox", // it may run as root, and loads nothing but our own page
    "--disable-gpu",
    "--remote-debugging-port=0", // or else a headless one ends as soon as the page is there
    `--user-data-dir=${profile}`,
  ];
  // A group of its own: the command may be a script, and it starts helpers, all of which are to end.
  return spawn(browser!, [...options, url], { stdio: "ignore", detached: true });
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once("close", resolve));
  process.kill(-child.pid!, "SIGKILL");
  await closed;
}
