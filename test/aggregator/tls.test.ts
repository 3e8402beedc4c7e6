import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { archive, config, contentDigest, RUN, start, temporaryFolder, test } from "./support.js";

const skip = spawnSync("openssl", ["version"]).status === 0 ? false : "needs openssl to make a certificate";

interface TlsOptions {
  ca?: Buffer;
  maxVersion?: "TLSv1.1";
  ciphers?: string;
}

function put(url: string, bytes: Uint8Array, token: string, tls: TlsOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/x-tar",
      "content-digest": contentDigest(bytes),
      "content-length": bytes.length,
      authorization: `Bearer ${token}`,
    };
    const path = `${url}/api/v1/intervals/edge-1/${RUN}/0`;
    const call = request(path, { method: "PUT", headers, agent: false, ...tls }, (answer) => {
      answer.resume().once("end", () => resolve(answer.statusCode!));
    });
    call.once("error", reject).end(bytes);
  });
}

function certificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const subject = ["-subj", "/CN=aggregator", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-nodes", "-days", "2", "-keyout", key, "-out", cert];
  const made = spawnSync("openssl", [
    ..."req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1".split(" "),
    ...subject,
    ...files,
  ]);
  assert.equal(made.status, 0, made.stderr.toString());
  return { cert, key };
}

test(
  "TLS and a token let it listen beyond loopback; a certificate can be replaced while it runs",
  async () => {
    const folder = temporaryFolder();
    const { cert, key } = certificate(folder, "first");
    const token = "t".repeat(40);
    const token_file = join(folder, "token");
    writeFileSync(token_file, token, { mode: 0o600 });
    chmodSync(token_file, 0o600);
    const listen = { address: "0.0.0.0", tls_cert: cert, tls_key: key };
    const settings = config({ listen, token_file: token_file as never });
    const server = await start(settings);
    const url = server.url.replace("0.0.0.0", "127.0.0.1");
    assert.match(url, /^https:/);
    const ca = readFileSync(cert);
    const good = archive();
    assert.equal(await put(url, good, token, { ca }), 201);
    assert.equal(await put(url, good, "wrong", { ca }), 401);
    await assert.rejects(put(url, good, token, {}), /self-signed|self signed/);
    await assert.rejects(put(url, good, token, { ca, maxVersion: "TLSv1.1", ciphers: "ALL@SECLEVEL=0" }));
    await assert.rejects(fetch(`${url.replace("https", "http")}/-/healthy`));

    const second = certificate(folder, "second");
    const next = config({
      listen: { ...listen, tls_cert: second.cert, tls_key: second.key },
      token_file: token_file as never,
    });
    next.store = settings.store;
    assert.deepEqual(await server.reload(next), { restart: [] });
    await assert.rejects(put(url, good, token, { ca }));
    assert.equal(await put(url, good, token, { ca: readFileSync(second.cert) }), 200);
    writeFileSync(second.cert, "no certificate");
    await assert.rejects(server.reload(next), { code: "TLS_FILES" });
    assert.equal(
      await put(url, good, token, { ca: readFileSync(join(folder, "first.pem")) }).catch(() => "refused"),
      "refused",
    );
    await server.close();
  },
  { skip },
);
