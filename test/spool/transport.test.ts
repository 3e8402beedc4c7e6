/** What a transport tells of the aggregator's address is fit for logs; what it sends is as configured. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { HttpTransport } from "../../daemon/sensor/http-transport.js";

test("user, password and query of the URL are used or left, and never told", async () => {
  const seen: { url?: string | undefined; authorization?: string | undefined }[] = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization });
    request.resume().on("end", () => response.writeHead(201).end("{}"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://user:secret@127.0.0.1:${port}/behind/proxy?key=secret#secret`;
  const transport = new HttpTransport({ url, timeoutMs: 5000 });
  try {
    assert.equal(transport.target, `http://127.0.0.1:${port}/behind/proxy/`);
    const identity = { sensor: "a", run: "0123456789abcdef", sequence: 7 };
    await transport.send(identity, new Uint8Array(10), AbortSignal.timeout(5000));
    const authorization = `Basic ${Buffer.from("user:secret").toString("base64")}`;
    assert.deepEqual(seen, [{ url: "/behind/proxy/api/v1/intervals/a/0123456789abcdef/7", authorization }]);
  } finally {
    transport.close();
    server.close();
  }
});
