/** Whatever answers at a sensor's socket or an aggregator's address: one line, exit 1, never a fault of ours. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { sensorStatus } from "../../daemon/cli/answers.js";
import { statusText } from "../../daemon/cli/status.js";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import { sparsewireAsync, temporaryFolder } from "./command.js";
import { exampleStatus } from "./sensor-double.js";

async function answering(t: TestContext, body: string) {
  const servers = [
    createServer((_, response) => response.end(body)),
    createServer((_, response) => response.end(body)),
  ];
  const socket = join(temporaryFolder(t), "foreign.sock");
  const [unix, tcp] = servers as [(typeof servers)[0], (typeof servers)[0]];
  await new Promise<void>((resolve) => unix.listen(socket, resolve));
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });
  return { socket, url: `http://127.0.0.1:${(tcp.address() as AddressInfo).port}` };
}

test("a foreign server at the socket or the address is told as one", async (t) => {
  // The first body to every command, each of the others to one.
  for (const [nth, body] of ['{"status": "ok"}', "[]", "null", "hello", ""].entries()) {
    const { socket, url } = await answering(t, body);
    const commands = [
      ["status", "--socket", socket],
      ["status", "--json", "--socket", socket],
      ["top", "--socket", socket],
      ["top", "--aggregator", url],
    ].filter((_, at) => nth === 0 || at === nth - 1);
    const runs = await Promise.all(commands.map((args) => sparsewireAsync(args)));
    for (const [at, { code, err, out }] of runs.entries()) {
      const what = `${body} ${at}: ${err}`;
      assert.equal(code, 1, what);
      assert.equal(out, "", what);
      assert.match(err, /^[^\n]*does not answer like (a sensor|an aggregator)[^\n]*\n$/, what);
      assert.doesNotMatch(err, /TypeError|undefined|properties of/, what);
    }
  }
});

/** Every JSON that one change of one member makes of a sensor's answer. */
function* spoilt(value: unknown): Generator<unknown> {
  for (const other of [undefined, null, 7, "x", [], {}, true]) yield other;
  if (typeof value !== "object" || value === null) return;
  for (const key of Object.keys(value)) {
    const member = (value as Record<string, unknown>)[key];
    for (const other of spoilt(member)) yield { ...value, [key]: other };
  }
}

test("one wrong member of an answer is found, or does no harm to the text", () => {
  const whole = exampleStatus({
    last_interval: {
      ...{ sequence: 1, start_ms: 0, end_ms: 1000, sealed_by: "clock", frames: 1, packets: 1, bytes: 1 },
      ...{ drops: exampleStatus().drops, sampling: 1, accuracy: 1, quantities: {} },
    },
    extensions: [
      {
        ...{ name: "x", status: "running", reason: null, frames: 1, missed: 2, rows: 3, rows_lost: 0 },
        ...{ events: 0, cpu_ns: 5, labels_lost: 0, shed: 0 },
      },
    ],
  });
  const sound: unknown = JSON.parse(JSON.stringify(whole));
  assert.ok(sensorStatus.safeParse(sound).success);
  let refused = 0;
  for (const answer of spoilt(sound)) {
    if (!sensorStatus.safeParse(answer).success) {
      refused++;
      continue;
    }
    assert.doesNotThrow(() => statusText(answer as SensorStatus), JSON.stringify(answer));
  }
  assert.ok(refused > 200, `${refused} were found`);
});
