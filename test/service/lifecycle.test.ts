import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { channel } from "node:diagnostics_channel";
import { createServer } from "node:http";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { nodeHttp, TrafficMatrix } from "sparsewire";
import { Collected, until } from "./support.js";

const run = promisify(execFile);
const MODULE = new URL("../../daemon/service/index.js", import.meta.url).href;

/** Runs a script in a process of its own that may take 10 s; its output. */
async function script(body: string): Promise<string> {
  const text = `import { TrafficMatrix } from ${JSON.stringify(MODULE)};
    const options = { intervalMs: 100, onInterval: (_, { packets }) => console.log("interval", packets) };
    ${body}`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", text], { timeout: 10_000 });
  return stdout;
}

describe("life of a TrafficMatrix", () => {
  it("never keeps a process alive", async () => {
    const output = await script(`
      const matrix = new TrafficMatrix(options);
      matrix.observe("10.0.0.1", "10.0.0.2", 1);
      process.on("exit", (code) => console.log("exit", code));`);
    assert.match(output, /exit 0\n$/);
  });

  it("seals the last interval when it is closed, and the process then ends", async () => {
    const output = await script(`
      const matrix = new TrafficMatrix({ ...options, intervalMs: 3_600_000 });
      matrix.observe("10.0.0.1", "10.0.0.2", 1);
      await matrix.close();
      console.log("closed");`);
    assert.equal(output, "interval 1\nclosed\n");
  });

  it("counts what comes after close(), which may be called twice", async () => {
    const { matrix, intervals } = new Collected();
    matrix.observe("10.0.0.1", "10.0.0.2", 1);
    await Promise.all([matrix.close(), matrix.close()]);
    matrix.observe("10.0.0.1", "10.0.0.2", 1);
    matrix.observe("2001:db8::1", "10.0.0.2", 1);
    assert.deepEqual([matrix.figures().late, matrix.figures().accepted], [2, 1]);
    const count = intervals.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(intervals.length, count);
  });

  it("closes by itself at the end of an `await using` block", async () => {
    let inner: TrafficMatrix;
    {
      await using matrix = new Collected().matrix;
      matrix.observe("10.0.0.1", "10.0.0.2", 1);
      inner = matrix;
    }
    assert.equal(inner.figures().sealed.observations, 1);
  });

  it("leaves nothing behind, however often it is made and closed", async () => {
    const before = process.getActiveResourcesInfo().length;
    const server = createServer();
    const had = channel("http.server.response.finish").hasSubscribers;
    for (let k = 0; k < 4; k++) {
      const { matrix } = new Collected();
      const observation = nodeHttp(server, matrix);
      matrix.observe("10.0.0.1", "10.0.0.2", 1);
      observation.stop();
      await matrix.close();
    }
    await until(() => process.getActiveResourcesInfo().length <= before);
    assert.equal(channel("http.server.response.finish").hasSubscribers, had);
    assert.equal(server.listenerCount("connection"), createServer().listenerCount("connection"));
  });

  it("survives callbacks that throw", async () => {
    let calls = 0;
    const matrix = new TrafficMatrix({
      onInterval: () => {
        throw new Error("mine");
      },
      onError: () => {
        calls++;
        throw new Error("mine, too");
      },
    });
    await matrix.close();
    assert.deepEqual([matrix.figures().errors, calls], [{ CALLBACK_FAILED: 1 }, 1]);
  });

  it("counts an interval that does not fit its memory as lost, and goes on", async () => {
    const { matrix, intervals, errors } = new Collected({
      memoryBytesMax: 64 << 20,
      linksMax: 1 << 24,
      intervalMs: 3_600_000,
    });
    const n = 3_000_000;
    for (let i = 0; i < n; i++) matrix.observe4(i, i, 1);
    await until(() => matrix.figures().lostObservations > 0, 20_000);
    matrix.observe("10.0.0.1", "10.0.0.2", 1);
    await matrix.close();
    const { accepted, sealed, lostObservations } = matrix.figures();
    assert.deepEqual([accepted, sealed.observations + lostObservations], [n + 1, n + 1]);
    assert.ok(errors.some(({ code }) => code === "INTERVAL_LOST"));
    assert.ok((intervals.at(-1)!.manifest.lost?.matrix_worker ?? 0) >= 1);
  });

  it("goes on with another worker when one dies, and tells what was lost with it", async () => {
    const workers: Worker[] = [];
    const onWorker = (worker: Worker) => void workers.push(worker);
    process.on("worker", onWorker);
    const { matrix, intervals, errors } = new Collected({ intervalMs: 100 });
    await until(() => intervals.length > 0);
    const run = intervals[0]!.manifest.run;
    matrix.observe("10.0.0.1", "10.0.0.2", 1);
    await workers[0]!.terminate();
    await until(() => errors.some(({ code }) => code === "WORKER_DIED"));
    matrix.observe("10.0.0.1", "10.0.0.3", 1);
    await until(() => intervals.at(-1)!.manifest.run !== run);
    matrix.observe("10.0.0.1", "10.0.0.4", 1);
    await matrix.close();
    process.off("worker", onWorker);
    const { accepted, sealed, lostObservations } = matrix.figures();
    assert.equal(workers.length, 2);
    assert.deepEqual([accepted, sealed.observations + lostObservations], [3, 3]);
    assert.ok(sealed.observations >= 1);
  });
});
