// In a real browser: the package is served as it is, a page imports it, and its answers are those of Node.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
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
const PAGE = `<!doctype html><body>waiting</body><script type="module">
import { load } from "/dist/lib/index.js";
import { work } from "/work.js";
try { document.body.textContent = JSON.stringify(work(await load())); }
catch (error) { document.body.textContent = "failed: " + error.stack; }
</script>`;
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
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    try {
      const body =
        path === "/"
          ? PAGE
          : path === "/work.js"
            ? WORK
            : readFileSync(join(PACKAGE, path.replaceAll("..", "")));
      response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "text/html" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const profile = mkdtempSync(join(tmpdir(), "graphblas-browser-"));
  try {
    const page = await dump(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, profile);
    const text = /<body>(.*?)<\/body>/s.exec(page)?.[1] ?? page;
    assert.deepEqual(JSON.parse(text.replaceAll("&quot;", '"')), expected);
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
});

async function fromNode(): Promise<unknown> {
  const { work } = (await import(`data:text/javascript,${encodeURIComponent(WORK)}`)) as {
    work(gb: unknown): unknown[];
  };
  const results = work(await load());
  assert.equal(results[0], true);
  assert.equal(results.at(-1), "GrB_INVALID_OBJECT");
  return results;
}

/** The page's document once its scripts have run. */
function dump(url: string, profile: string): Promise<string> {
  const options = [
    "--headless",
    "--no-sandbox", // it may run as root, and loads nothing but our own page
    "--disable-gpu",
    `--user-data-dir=${profile}`,
    "--virtual-time-budget=20000",
    "--dump-dom",
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(browser!, [...options, url], { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    child.stdout.on("data", (data: Buffer) => {
      text += String(data);
    });
    child.once("error", reject);
    child.once("close", () => resolve(text));
  });
}
