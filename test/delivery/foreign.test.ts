/** Servers that are not the aggregator, and connections that break: no interval is ever deleted on their word. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { config, filesBelow, get, metric, temporaryFolder, test } from "../aggregator/support.js";
import { Random } from "../pcap/fuzz.js";
import { cutAfter, Front, says, wireTo } from "./front.js";
import { type Answer, foreignAnswers, Stranger } from "./stranger.js";
import { asideIn, entriesIn, fill, sensing, serve, until } from "./support.js";

const seed = Number(process.env.SPARSEWIRE_FUZZ_SEED ?? Date.now() % 1e9);
const INTERVALS = 5;

test("500 foreign answers delete nothing; when the aggregator is back, each interval is stored once", async (t) => {
  t.diagnostic(`SPARSEWIRE_FUZZ_SEED=${seed}`);
  const server = await serve(config());
  const answers = foreignAnswers(new Random(seed));
  assert.ok(answers.length >= 500, `${answers.length}`);
  const spool = join(temporaryFolder(), "spool");
  const { run, names } = fill(spool, INTERVALS);
  const check = ({ name }: Pick<Answer, "name">): void => {
    assert.deepEqual(entriesIn(spool), names, `after ${name}`);
    assert.deepEqual(asideIn(spool), [], `after ${name}`);
    assert.deepEqual(delivery.figures().lost, {}, `after ${name}`);
    assert.equal(delivery.figures().acknowledged, 0, `after ${name}`);
  };
  let failure: unknown;
  let last: Answer | undefined;
  // What the answer before has led to is there when the next is asked for.
  const stranger = new Stranger(answers, server.url, (answer) => {
    try {
      if (last !== undefined) check(last);
    } catch (error) {
      failure ??= error;
    }
    last = answer;
  });
  const { delivery, lines } = sensing(spool, `http://127.0.0.1:${await stranger.front.listen()}`, {
    timeoutMs: 300,
  });
  try {
    await until(() => failure !== undefined || stranger.isUsedUp, 60_000);
    if (failure !== undefined) throw failure;
    const { retries } = delivery.figures();
    t.diagnostic(`${stranger.given} answers: ${JSON.stringify(retries)}`);
    await until(() => delivery.figures().acknowledged === INTERVALS);
    const { intervals } = (await get(server.url, "/api/v1/intervals")).body;
    assert.deepEqual(
      intervals.map((one: { run: string; sequence: number }) => [one.run, one.sequence]).sort(),
      names.map((_, sequence) => [run, sequence]),
    );
    assert.equal(await metric(server.url, 'intervals_received_total{result="stored"}'), INTERVALS);
    await until(() => entriesIn(spool).length === 0);
    assert.deepEqual(delivery.figures().lost, {});
    const told = lines.filter(({ cause }) => cause === "foreign_answer");
    assert.equal(told.length, 1, "told once");
    assert.ok(retries.foreign_answer! > 400);
  } finally {
    await delivery.close(100);
    stranger.front.close();
    await server.close();
  }
});

test("answers of the aggregator that are cut on the way: stored once, acknowledged once", async () => {
  const server = await serve(config());
  const spool = join(temporaryFolder(), "spool");
  const cuts = [0, 1, 12, 60, 120, 200, 260, 300];
  const front = new Front([...cuts.map((bytes) => cutAfter(server.url, bytes)), wireTo(server.url)]);
  const { delivery, seal } = sensing(spool, `http://127.0.0.1:${await front.listen()}`);
  try {
    for (let i = 0; i < 3; i++) seal();
    await until(() => delivery.figures().acknowledged === 3);
    const { duplicates, lost } = delivery.figures();
    assert.deepEqual([duplicates, lost, front.connections], [1, {}, cuts.length + 1]);
    assert.equal(await metric(server.url, 'intervals_received_total{result="stored"}'), 3);
    await until(() => entriesIn(spool).length === 0);
  } finally {
    await delivery.close(100);
    front.close();
    await server.close();
  }
});

test(
  "TLS of strangers, and TLS that breaks: everything waits for the aggregator's own",
  async (t) => {
    const folder = temporaryFolder();
    const right = certificate(folder, "right", "IP:127.0.0.1");
    const secure = (pair: { cert: string; key: string }) =>
      serve(config({ listen: { tls_cert: pair.cert, tls_key: pair.key } }));
    const server = await secure(right);
    const others = [
      await secure(certificate(folder, "unknown", "IP:127.0.0.1")),
      await secure(certificate(folder, "misnamed", "DNS:elsewhere.example")),
      await serve(config()),
    ];
    const alert = "\x15\x03\x03\x00\x02\x02\x28";
    const front = new Front([
      ...others.map(({ url }) => wireTo(url)),
      says(""),
      says(alert),
      says(alert, { isAsked: true }),
      says("HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n", { isAsked: true }),
      says("\x16\x03\x03\xff\xff", { isAsked: true }),
      ...[1, 5, 50, 200, 700, 900].map((bytes) => cutAfter(server.url, bytes)),
      wireTo(server.url),
    ]);
    const url = `https://127.0.0.1:${await front.listen()}`;
    const spool = join(folder, "spool");
    const { delivery, seal } = sensing(spool, url, { ca: right.cert, timeoutMs: 1000 });
    try {
      const names = [seal(), seal()];
      await until(() => front.connections > 8);
      assert.deepEqual(entriesIn(spool), names);
      await until(() => delivery.figures().acknowledged === 2);
      t.diagnostic(JSON.stringify(delivery.figures().retries));
      assert.deepEqual(delivery.figures().lost, {});
      for (const other of others) assert.deepEqual(filesBelow(join(other.config.store.path, "raw")), []);
      assert.equal(filesBelow(join(server.config.store.path, "raw")).length, 2);
    } finally {
      await delivery.close(100);
      front.close();
      for (const each of [server, ...others]) await each.close();
    }
  },
  { skip: spawnSync("openssl", ["version"]).status === 0 ? false : "needs openssl to make a certificate" },
);

function certificate(folder: string, name: string, subject: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const kind =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=aggregator";
  const files = ["-addext", `subjectAltName=${subject}`, "-keyout", key, "-out", cert];
  const made = spawnSync("openssl", [...kind.split(" "), ...files]);
  assert.equal(made.status, 0, made.stderr.toString());
  return { cert, key };
}
