/** The demonstration with root: namespaces, a mirror port, a live sensor; or a real interface. */
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { watchLinks } from "../cli/top.js";
import { sensorFeed } from "../cli/top-model.js";
import { forward } from "./forward.js";
import type { DemoOptions } from "./main.js";
import { type Namespace, NetworkLab } from "./netns.js";
import { aggregatorToml, freePort, get, Scratch, type Start, sensorToml, startHere } from "./services.js";

/** Ports inside the namespace, where nothing else listens. */
const AGGREGATOR_PORT = 8470;
const MIRROR_IFINDEX = "4242";
const MIRROR_OBJECT = fileURLToPath(new URL("../../../bpf/build/mirror.bpf.o", import.meta.url));
const TRAFFIC = fileURLToPath(new URL("./traffic.js", import.meta.url));
const FORWARD = fileURLToPath(new URL("./forward.js", import.meta.url));

interface Stage {
  /** Starts children where the sensor's interface is. */
  start: Start;
  interface: string;
  beginTraffic(): void;
  close(): void;
}

export async function liveDemo(options: DemoOptions): Promise<void> {
  const scratch = new Scratch();
  let stage: Stage | undefined;
  const close: (() => void)[] = [];
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  process.on("SIGINT", stop).on("SIGTERM", stop).on("SIGHUP", stop);
  if (options.seconds !== undefined) setTimeout(stop, options.seconds * 1000).unref();
  try {
    stage = options.interface === undefined ? buildStage(scratch) : realStage(options.interface);
    const outside = await startServices(scratch, stage, options, close);
    stage.beginTraffic();
    const ready = async (): Promise<boolean> => (await get(outside.sensor, "/-/ready")) === "ready\n";
    await scratch.until("sensor", ready);
    await watchLinks(await sensorFeed(scratch.file("sensor.sock")), {
      notes: outside.notes,
      signal: abort.signal,
    });
  } finally {
    // Ports that stay open would keep a demonstration alive whose sensor did not start.
    for (const each of close) each();
    await scratch.close();
    stage?.close();
    process.off("SIGINT", stop).off("SIGTERM", stop).off("SIGHUP", stop);
  }
}

/** Two namespaces, a veth with traffic between them, and a mirror port of it that the sensor watches. */
function buildStage(scratch: Scratch): Stage {
  const lab = new NetworkLab("sparsewire-demo-", false);
  try {
    const clients = lab.namespace("clients");
    const servers = lab.namespace("servers");
    lab.veth(clients, "link0", servers, "link1", { addresses: ["10.0.0.1/30", "10.0.0.2/30"] });
    for (const [namespace, name, own, other] of [
      [clients, "link0", 1, 2],
      [servers, "link1", 2, 1],
    ] as const) {
      addBlocks(namespace, name, own, other);
    }
    // The mirror port: tc copies what passes link1, both ways, to span0, whose other end the sensor takes.
    servers.exec(
      "ip",
      "link",
      "add",
      "span0",
      "index",
      MIRROR_IFINDEX,
      "type",
      "veth",
      "peer",
      "name",
      "span1",
    );
    for (const end of ["span0", "span1"]) {
      servers.exec("ip", "link", "set", "dev", end, "arp", "off", "multicast", "off", "addrgenmode", "none");
      servers.exec("ip", "link", "set", "dev", end, "up");
    }
    servers.exec("tc", "qdisc", "add", "dev", "link1", "clsact");
    for (const way of ["ingress", "egress"]) {
      servers.exec(
        "tc",
        "filter",
        "add",
        "dev",
        "link1",
        way,
        "bpf",
        "da",
        "obj",
        MIRROR_OBJECT,
        "sec",
        "tc",
      );
    }
    const startIn =
      (namespace: Namespace): Start =>
      (command, args, stdio) =>
        namespace.spawn(command, args, stdio);
    return {
      start: startIn(servers),
      interface: "span1",
      beginTraffic() {
        scratch.start("servers", startIn(servers), [TRAFFIC, "serve"]);
        scratch.start("clients", startIn(clients), [TRAFFIC, "drive"]);
      },
      close: () => lab.close(),
    };
  } catch (error) {
    lab.close();
    throw error;
  }
}

/** Every address of 10.OWN.0.0/16 and fd00:OWN::/64 is this namespace's; the other block is behind the veth. */
function addBlocks(namespace: Namespace, name: string, own: number, other: number): void {
  const gateway = own === 1 ? 2 : 1;
  namespace.exec("sh", "-c", `echo 0 > /proc/sys/net/ipv6/conf/${name}/disable_ipv6`);
  namespace.exec("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6");
  namespace.exec("ip", "route", "add", "local", `10.${own}.0.0/16`, "dev", "lo");
  namespace.exec("ip", "route", "add", `10.${other}.0.0/16`, "via", `10.0.0.${gateway}`);
  namespace.exec("ip", "-6", "addr", "add", `fd00::${own}/64`, "dev", name, "nodad");
  namespace.exec("ip", "-6", "route", "add", "local", `fd00:${own}::/64`, "dev", "lo");
  namespace.exec("ip", "-6", "route", "add", `fd00:${other}::/64`, "via", `fd00::${gateway}`);
}

function realStage(interfaceName: string): Stage {
  return {
    start: startHere,
    interface: interfaceName,
    beginTraffic: () => undefined,
    close: () => undefined,
  };
}

interface Outside {
  /** The sensor's control socket. */
  sensor: { socketPath: string };
  notes: string[];
}

/** Aggregator and sensor where the interface is, and their ports brought out to this machine's loopback; `close` grows. */
async function startServices(
  scratch: Scratch,
  stage: Stage,
  options: DemoOptions,
  close: (() => void)[],
): Promise<Outside> {
  const isolated = stage.start !== startHere;
  const port = isolated ? AGGREGATOR_PORT : await freePort();
  scratch.startCli("aggregator", stage.start, aggregatorToml(scratch.path, port));
  const force = options.force === true ? { force: true } : {};
  scratch.startCli(
    "sensor",
    stage.start,
    sensorToml(scratch.path, { interface: stage.interface, ...force }, port),
  );
  const sensor = { socketPath: scratch.file("sensor.sock") };
  let apiPort = port;
  if (isolated) {
    scratch.start("forward", stage.start, [FORWARD, scratch.file("aggregator.sock"), String(port)]);
    apiPort = await bringOut({ path: scratch.file("aggregator.sock") }, AGGREGATOR_PORT, close);
  }
  const metricsPort = await bringOut({ path: sensor.socketPath }, 9470, close);
  await scratch.until("sensor", async () => (await get(sensor, "/status")) !== "");
  await scratch.until("aggregator", async () => (await get({ port: apiPort }, "/-/healthy")) !== "");
  return {
    sensor,
    notes: [
      `metrics  http://127.0.0.1:${metricsPort}/metrics`,
      `API      http://127.0.0.1:${apiPort}/api/v1/sensors  /api/v1/top?from=-1m  /metrics`,
    ],
  };
}

/** Listens on loopback, on `port` or a free one, and forwards to a Unix socket. */
function bringOut(target: { path: string }, port: number, close: (() => void)[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    forward(server, target);
    server.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") server.listen(0, "127.0.0.1");
      else reject(error);
    });
    server.on("listening", () => resolve((server.address() as { port: number }).port));
    server.listen(port, "127.0.0.1");
    close.push(() => server.close());
  });
}
