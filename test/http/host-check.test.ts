/** Which requests mean a server, and which a page of a browser has sent there by a name of its own (DNS rebinding). */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { clearTextFault } from "../../daemon/http/clear-text.js";
import { misdirected } from "../../daemon/http/host-check.js";
import { groupsOf, peerOf } from "../../daemon/http/peer.js";

const RULES = { names: ["collector.example.org", "*.lab.example", "198.51.100.7"], key: "listen.names" };

function status(
  host: string | undefined,
  { local = "127.0.0.1", method = "GET", headers = {}, isProbe = false, url = "/" } = {},
): number {
  const all = { ...headers, ...(host === undefined ? {} : { host }) };
  const rawHeaders = Object.entries(all).flat() as string[];
  return misdirected({ headers: all, rawHeaders, method, url }, local, RULES, isProbe)?.status ?? 200;
}

test("names of loopback, the address that was connected to, and configured names are ours, with a port or without", () => {
  for (const port of ["", ":8470", ":1"]) {
    for (const name of [
      "localhost",
      "LOCALHOST",
      "localhost.",
      "127.0.0.1",
      "127.9.9.9",
      "[::1]",
      "[0:0::1]",
    ])
      assert.equal(status(name + port), 200, name);
    for (const name of ["collector.example.org", "Collector.Example.Org.", "a.lab.example", "198.51.100.7"])
      assert.equal(status(name + port), 200, name);
    assert.equal(status(`192.0.2.9${port}`, { local: "192.0.2.9" }), 200);
    assert.equal(status(`192.0.2.9${port}`, { local: "::ffff:192.0.2.9" }), 200);
    assert.equal(status(`[2001:DB8:0::9]${port}`, { local: "2001:db8::9" }), 200);
  }
});

test("any other name is not, however it is written", () => {
  const foreign = [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "lab.example",
    "a.b.lab.example",
  ];
  const odd = [
    "0.0.0.0",
    "192.0.2.1",
    "[::]",
    "[2001:db8::1]",
    "127.1",
    "0x7f.1",
    "2130706433",
    "x@127.0.0.1",
  ];
  for (const host of [...foreign, ...odd, "127.0.0.1 ", "127.0.0.1:80:80", "[::1", "::1", "xn--e1afmkfd"])
    assert.equal(status(host), 421, host);
  fc.assert(
    fc.property(fc.domain(), (name) => {
      fc.pre(name !== "collector.example.org" && !/^[^.]+\.lab\.example$/.test(name));
      assert.equal(status(name), 421);
    }),
  );
  // Nothing that can stand in a header is a fault of ours.
  fc.assert(fc.property(fc.string(), (text) => assert.ok([200, 400, 421].includes(status(text)))));
});

test("one Host header, a path; probes do without the first", () => {
  assert.equal(status(undefined), 400);
  assert.equal(status(undefined, { isProbe: true }), 200);
  assert.equal(status("evil.example", { isProbe: true }), 421);
  assert.equal(status("localhost", { url: "http://evil.example/" }), 400);
  const two = { headers: { host: "localhost" }, rawHeaders: ["Host", "localhost", "host", "evil.example"] };
  assert.equal(misdirected({ ...two, method: "GET", url: "/" }, "127.0.0.1", RULES)?.status, 400);
});

test("a page of another site may not write, nor ask at a Unix socket", () => {
  const put = (headers: Record<string, string>) => status("localhost:8470", { method: "PUT", headers });
  for (const origin of [
    "https://evil.example",
    "null",
    "http://192.0.2.1",
    "file://",
    "https://localhost@evil.example",
  ])
    assert.equal(put({ origin }), 403, origin);
  for (const site of ["cross-site", "same-site"]) assert.equal(put({ "sec-fetch-site": site }), 403);
  for (const origin of ["http://localhost:8470", "https://collector.example.org", "http://127.0.0.1"])
    assert.equal(put({ origin, "sec-fetch-site": "same-origin" }), 200, origin);
  assert.equal(put({}), 200);
  assert.equal(
    status("localhost", { headers: { origin: "https://evil.example" } }),
    200,
    "reading is the browser's to refuse",
  );
  const unix = (headers: Record<string, string>) =>
    misdirected({ headers, rawHeaders: [], method: "GET", url: "/status" }, undefined, RULES)?.status ?? 200;
  assert.deepEqual(
    [unix({}), unix({ host: "anything" }), unix({ origin: "https://evil.example" })],
    [200, 200, 403],
  );
});

test("a token goes to another host under TLS only", () => {
  for (const url of ["http://127.0.0.1:1", "http://localhost", "http://[::1]:8470", "https://example.org"])
    assert.equal(clearTextFault(url, true), undefined, url);
  for (const url of [
    "http://example.org",
    "http://192.0.2.1:8470",
    "http://localhost.example.org",
    "http://[::]",
  ]) {
    assert.match(clearTextFault(url, true)!.what, /clear text/);
    assert.equal(clearTextFault(url, false), undefined);
  }
  assert.notEqual(clearTextFault("http://user:word@example.org", false), undefined);
});

test("a peer is an IPv4 address or a /64", () => {
  assert.equal(peerOf("::ffff:192.0.2.1"), peerOf("192.0.2.1"));
  assert.equal(peerOf("2001:db8:0:1::5"), peerOf("2001:db8::1:9:8:7:6"));
  assert.notEqual(peerOf("2001:db8:0:1::5"), peerOf("2001:db8:0:2::5"));
  assert.equal(peerOf("fe80::1%eth0"), peerOf("fe80::2%eth1"));
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const groups = groupsOf(address);
      assert.equal(groups.length, 8);
      assert.deepEqual(groupsOf(groups.join(":")), groups);
    }),
  );
});
