/** The demonstration without root: the same sensor, aggregator and archives, fed from a generated capture file. */
import { spawnSync } from "node:child_process";
import { writeCapture } from "./capture-file.js";
import { aggregatorToml, CLI, freePort, get, Scratch, sensorToml, startHere } from "./services.js";

const PACKETS = 1_000_000;
const PER_SECOND = 100_000;

export async function offlineDemo(): Promise<void> {
  const scratch = new Scratch();
  const stop = (): void => void scratch.close().then(() => process.exit(130));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    const capture = scratch.file("demo.pcap");
    writeCapture(capture, PACKETS, PER_SECOND);
    const port = await freePort();
    scratch.startCli("aggregator", startHere, aggregatorToml(scratch.path, port));
    await scratch.until("aggregator", async () => (await get({ port }, "/-/ready")) !== "");
    const config = sensorToml(scratch.path, { mode: "pcap", file: capture }, port);
    const sensor = scratch.startCli("sensor", startHere, config);
    await new Promise((resolve) => sensor.once("exit", resolve));
    const sensors = JSON.parse(await get({ port }, "/api/v1/sensors")) as unknown;
    process.stdout.write(
      `aggregator  http://127.0.0.1:${port}/api/v1/sensors\n${JSON.stringify(sensors, null, 1)}\n`,
    );
    const store = `${scratch.path}/store/raw`;
    for (const args of [
      ["matrix", "top", store, "-n", "10"],
      ["matrix", "quantities", store],
    ]) {
      process.stdout.write(`\nsparsewire ${args.join(" ")}\n`);
      spawnSync(process.execPath, [CLI, ...args], { stdio: ["ignore", "inherit", "inherit"] });
    }
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await scratch.close();
  }
}
