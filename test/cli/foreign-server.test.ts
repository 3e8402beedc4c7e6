/** Commands that ask a server which is not ours: one line that says so, bounded in what they take. */
import assert from "node:assert/strict";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { sparsewireAsync } from "./command.js";

async function topOf(answer: (response: ServerResponse) => void): Promise<{ url: string; err: string }> {
  const server = createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, err } = await sparsewireAsync(["top", "--aggregator", url]);
  server.closeAllConnections();
  server.close();
  assert.equal(code, 1, err);
  return { url, err };
}

test("an answer that is not JSON", async () => {
  const { url, err } = await topOf((response) => response.end("hello"));
  const mend = "check that an aggregator is what listens there";
  assert.equal(
    err,
    `sparsewire: ${url} does not answer like an aggregator: its answer is not JSON; ${mend}\n`,
  );
});

test("an answer without end is given up", async () => {
  const piece = "1,".repeat(1 << 19);
  const { err } = await topOf((response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
      response.once("drain", more);
    };
    more();
  });
  assert.match(err, /^sparsewire: http:[^\n]+ its answer is larger than 64 MiB; check the URL\n$/);
});

test("a URL of another kind is a matter of usage", async () => {
  const { code, err } = await sparsewireAsync(["top", "--aggregator", "ftp://127.0.0.1"]);
  assert.equal(code, 2);
  assert.match(
    err,
    /^sparsewire: "ftp:\/\/127\.0\.0\.1" is not an http:\/\/ or https:\/\/ URL; write it as /,
  );
});
