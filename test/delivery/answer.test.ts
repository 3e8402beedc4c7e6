/** What an answer means: only the aggregator's own, about these very bytes, settles an interval. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ANSWER_FORMAT,
  acknowledgement,
  FINAL_REFUSALS,
  type ForeignAnswer,
  refusalBody,
  type UploadSubject,
  verdictOf,
} from "../../lib/answer.js";
import { fuzz, mutate, type Random } from "../pcap/fuzz.js";

const sent: UploadSubject = {
  sensor: "edge-1",
  run: "00000000000000aa",
  sequence: 7,
  sha256: "ab".repeat(32),
};
const STATUSES = [
  100, 101, 200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 405, 407, 408, 409,
];
const MORE = [
  410, 411, 413, 414, 415, 418, 421, 422, 425, 429, 431, 451, 500, 501, 502, 503, 504, 507, 511, 599,
];
const ALL = [...STATUSES, ...MORE];

function answer(status: number, body: unknown, more: Partial<ForeignAnswer> = {}): ForeignAnswer {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return {
    status,
    contentType: "application/json; charset=utf-8",
    retryAfter: undefined,
    body: text,
    isWhole: true,
    ...more,
  };
}

test("the aggregator's own answers acknowledge, refuse, defer or wait", () => {
  const stored = answer(201, acknowledgement(sent, "stored"));
  assert.deepEqual(verdictOf(stored, sent), { result: "acknowledged", duplicate: false });
  const duplicate = answer(200, acknowledgement(sent, "duplicate"));
  assert.deepEqual(verdictOf(duplicate, sent), { result: "acknowledged", duplicate: true });
  for (const [code, cause] of FINAL_REFUSALS) {
    const final = verdictOf(answer(400, refusalBody(code, "no", "", sent)), sent);
    assert.deepEqual(final, { result: "refused", cause, message: "HTTP 400: no" });
    const later = verdictOf(answer(422, refusalBody(code, "no", "", sent), { retryAfter: "1" }), sent);
    assert.equal(later.result, "deferred", "one that says when to come back is not final");
    const bare = verdictOf(answer(409, refusalBody(code, "no", "")), sent);
    assert.equal(bare.result, "deferred", "one that does not say what was received is not final");
  }
  const cases = [
    [413, "TOO_LARGE", "deferred", "too_large"],
    [400, "SOMETHING_NEW", "deferred", "http_400"],
    [401, "UNAUTHORIZED", "retry", "unauthorized"],
    [403, "TOO_MANY_SENSORS", "retry", "unauthorized"],
    [404, "NOT_FOUND", "retry", "http_404"],
    [503, "UNAVAILABLE", "retry", "http_503"],
    [500, "INTERNAL", "retry", "http_500"],
    [507, "STORE_FULL", "retry", "aggregator_disk_full"],
  ] as const;
  for (const [status, code, result, cause] of cases) {
    const verdict = verdictOf(answer(status, refusalBody(code, "no", ""), { retryAfter: "10" }), sent);
    const wait = result === "retry" ? { afterMs: 10_000 } : {};
    assert.deepEqual(verdict, { result, cause, message: `HTTP ${status}: no`, ...wait });
  }
});

test("an aggregator before this format is told as one, whoever else answers as somebody else", () => {
  const old = verdictOf(answer(201, { stored: true }), sent);
  assert.deepEqual([old.result, "cause" in old && old.cause], ["retry", "foreign_answer"]);
  assert.match("message" in old ? old.message : "", /the aggregator is older than this sensor; update it/);
  const page = verdictOf(answer(200, "<html>\x1b[31mlog in\n</html>", { contentType: "text/html" }), sent);
  assert.match(
    "message" in page ? page.message : "",
    /or something else answers there \(<html>\\u001b\[31mlog in\\u000a<\/html>\)$/,
  );
});

test("an answer that differs from the aggregator's in any way settles nothing", () => {
  const good = [
    answer(201, acknowledgement(sent, "stored")),
    answer(200, acknowledgement(sent, "duplicate")),
    answer(400, refusalBody("BAD_TAR", "no", "", sent)),
  ];
  for (const one of good) {
    const settled = verdictOf(one, sent).result;
    const body = JSON.parse(one.body) as Record<string, unknown>;
    for (const key of ["format", "sensor", "run", "sequence", "sha256"]) {
      for (const value of [
        undefined,
        null,
        "",
        0,
        `${body[key]}x`,
        `${body[key]}`.toUpperCase(),
        [body[key]],
      ]) {
        // Digits have no capitals.
        if (value === body[key]) continue;
        const { result } = verdictOf({ ...one, body: JSON.stringify({ ...body, [key]: value }) }, sent);
        assert.ok(result === "retry" || result === "deferred", `${key} = ${value}: ${result}`);
      }
    }
    for (const change of [{ isWhole: false }, { contentType: "text/html" }, { contentType: undefined }]) {
      assert.equal(verdictOf({ ...one, ...change }, sent).result, "retry");
    }
    for (const status of ALL.filter((status) => status !== one.status)) {
      const { result } = verdictOf({ ...one, status }, sent);
      assert.ok(result !== "acknowledged", `${status} with the body of ${one.status}`);
      if (settled === "acknowledged") assert.equal(result, "retry");
    }
  }
});

/** Any JSON value, of the fields that count and of others. */
function json(random: Random, depth = 0): unknown {
  const kind = random.int(depth > 3 ? 4 : 6);
  if (kind === 0) return random.pick([0, -1, 7, 1e300, null, true]);
  if (kind === 1) return random.pick([ANSWER_FORMAT, "stored", "duplicate", ...Object.values(sent)]);
  if (kind === 2) return random.pick([...FINAL_REFUSALS.keys(), "", "\u0000\u001b"]);
  if (kind === 3) return random.chance(0.5);
  if (kind === 4) return Array.from({ length: random.int(4) }, () => json(random, depth + 1));
  const keys = [
    "format",
    "sensor",
    "run",
    "sequence",
    "sha256",
    "result",
    "error",
    "code",
    "message",
    "__proto__",
  ];
  return Object.fromEntries(
    Array.from({ length: random.int(8) }, () => [random.pick(keys), json(random, depth + 1)]),
  );
}

test("fuzz: no answer but the aggregator's settles anything, and causes and messages are bounded", async (t) => {
  const right = [
    acknowledgement(sent, "stored"),
    acknowledgement(sent, "duplicate"),
    refusalBody("BAD_TAR", "", "", sent),
  ];
  const causes = new Set<string>();
  await fuzz(t, (random) => {
    const text = JSON.stringify(random.chance(0.5) ? json(random) : random.pick(right));
    const body = random.chance(0.6)
      ? Buffer.from(mutate(random, Buffer.from(text))).toString("latin1")
      : text;
    const one = answer(random.pick(ALL), body, {
      retryAfter: random.pick([undefined, "1", "-1", "soon", "99999999999"]),
      contentType: random.pick([undefined, "text/html", "application/json", "application/jsonp"]),
      isWhole: random.chance(0.9),
    });
    const verdict = verdictOf(one, sent);
    if (verdict.result !== "acknowledged" && verdict.result !== "refused") {
      causes.add(verdict.cause);
      assert.match(verdict.message, /^[^\p{Cc}]{1,500}$/u);
      if (verdict.result === "retry") assert.ok((verdict.afterMs ?? 0) <= 3_600_000);
      return;
    }
    const parsed = JSON.parse(body) as Record<string, unknown>;
    assert.equal(one.isWhole, true);
    for (const key of ["sensor", "run", "sequence", "sha256"] as const) assert.equal(parsed[key], sent[key]);
    assert.equal(parsed.format, ANSWER_FORMAT);
  });
  assert.ok(causes.size <= 20, `${[...causes]}`);
});
