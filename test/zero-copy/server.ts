/**
 * The product as it is installed in the guest: its units, its control socket, its aggregator. Polling goes by curl inside
 * the guest, since on an emulated processor a command of Node.js takes seconds.
 */
import type { summaryOf } from "../../daemon/aggregator/sensors.js";
import type { SensorStatus } from "../../daemon/sensor/status.js";
import type { Manifest } from "../../lib/manifest.js";
import { parseManifest } from "../../lib/manifest-json.js";
import type { Machine } from "../guest/machine.js";
import { sleep } from "../live/rig.js";

export const INTERFACE = "eth0";
export const SENSOR = `sparsewire-sensor@${INTERFACE}.service`;
export const AGGREGATOR = "sparsewire-aggregator.service";
const CONTROL = "curl -sSf --unix-socket /run/sparsewire/sensor*.sock http://localhost";
export const AGGREGATOR_URL = "http://127.0.0.1:8470";

export type Interval = ReturnType<typeof summaryOf>;

export class Server {
  constructor(readonly machine: Machine) {}

  /** Properties of a unit, as `systemctl show` has them. */
  async show(unit: string, ...properties: string[]): Promise<Record<string, string>> {
    const text = await this.machine.sh(`systemctl show -p ${properties.join(",")} ${unit}`);
    return Object.fromEntries(
      text
        .trim()
        .split("\n")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
  }

  /** Starts a unit; with its log in the error when that fails. */
  async start(unit: string): Promise<void> {
    const { status, stderr } = await this.machine.run(`systemctl start ${unit}`, 120);
    if (status !== 0) throw new Error(`systemctl start ${unit}: ${stderr}\n${await this.journal(unit)}`);
  }

  journal(unit: string): Promise<string> {
    return this.machine.sh(`journalctl --no-pager -o cat -u ${unit}`);
  }

  async status(): Promise<SensorStatus> {
    return JSON.parse(await this.machine.sh(`${CONTROL}/status`)) as SensorStatus;
  }

  /** Sends a batch of the payload disk out of eth1, which eth0 receives. */
  async send(batch: number, rate: number): Promise<{ frames: number; bytes: number }> {
    const text = await this.machine.sh(`/payload/replay eth1 ${rate} < /payload/batch-${batch}.pcap`, 120);
    return JSON.parse(text) as { frames: number; bytes: number };
  }

  /** Waits until `fits`, asked again and again, says yes to the sensor's status; the status then, or the last one. */
  async until(fits: (status: SensorStatus) => boolean, seconds: number): Promise<SensorStatus> {
    for (const deadline = Date.now() + seconds * 1000; ; ) {
      const status = await this.status();
      if (fits(status) || Date.now() > deadline) return status;
      await sleep(200);
    }
  }

  /** Waits until every interval that the sensor has sealed so far is at the aggregator. */
  async shipped(): Promise<void> {
    const { run, intervals } = await this.status();
    for (const deadline = Date.now() + 60_000; ; ) {
      // The oldest goes first: with this one, all of them are there.
      const [newest] = (await this.listing("limit=1")).intervals;
      if (newest?.run === run && newest.sequence >= intervals.sealed - 1) return;
      if (Date.now() > deadline)
        throw new Error(`not shipped: ${JSON.stringify((await this.status()).ship)}`);
      await sleep(200);
    }
  }

  /** The aggregator's sums over everything it has, as lines `source,destination,packets,bytes`. */
  async sums(family: 4 | 6): Promise<string[]> {
    const query = `from=-1h&to=now&family=${family}&format=csv`;
    const csv = await this.machine.sh(`curl -sSf '${AGGREGATOR_URL}/api/v1/matrix?${query}'`);
    return csv
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("src,"))
      .sort();
  }

  /** All intervals at the aggregator, oldest first. */
  async intervals(): Promise<Interval[]> {
    const found: Interval[] = [];
    for (let page = ""; ; ) {
      const { intervals, cursor } = await this.listing(`limit=1000${page}`);
      found.push(...intervals);
      if (cursor === null) return found.reverse();
      page = `&cursor=${cursor}`;
    }
  }

  /** The manifest of one of them. */
  async manifest({ sensor, run, sequence }: Interval): Promise<Manifest> {
    const url = `${AGGREGATOR_URL}/api/v1/intervals/${sensor}/${run}/${sequence}`;
    return parseManifest(await this.machine.sh(`curl -sSf '${url}' | tar -xO manifest.json`));
  }

  async listing(query: string): Promise<{ intervals: Interval[]; cursor: string | null }> {
    return JSON.parse(await this.machine.sh(`curl -sSf '${AGGREGATOR_URL}/api/v1/intervals?${query}'`));
  }
}
