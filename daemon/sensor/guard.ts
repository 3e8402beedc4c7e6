/**
 * What must hold before an interface is taken: AF_XDP takes frames away from the host's stack, so an interface that
 * carries the host's own traffic is refused unless it is forced.
 */
import { type InterfaceReport, probe, XdpError } from "xdp-node";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { SensorConfig } from "./config.js";
import { useOf } from "./in-use.js";

/** The interface as it is now; throws a SparsewireError when it must not or cannot be captured. */
export function checkInterface(config: SensorConfig): InterfaceReport {
  const name = config.interface!;
  const report = inspect(name);
  if (!report.up) {
    throw new SparsewireError("INTERFACE_DOWN", `${name} is down`, {
      mend: `bring it up: ip link set ${name} up`,
    });
  }
  const why = useOf(report);
  if (!config.force && why !== undefined) {
    throw new SparsewireError(
      "INTERFACE_IN_USE",
      `refusing to capture on ${name}: ${why}, and frames that AF_XDP takes never reach this host's stack`,
      {
        exit: EXIT.usage,
        mend: "use a mirror port, or set force = true (--force) if the host may lose that traffic",
      },
    );
  }
  return report;
}

/** The RX queues to take: all, or those that the configuration names, each of which must exist. */
export function queuesToTake(config: SensorConfig, report: InterfaceReport): number[] {
  const count = report.channels.rxQueues;
  const queues = [...new Set(config.queues ?? Array.from({ length: count }, (_, queue) => queue))];
  const missing = queues.find((queue) => queue >= count);
  if (missing !== undefined) {
    throw new SparsewireError(
      "NO_QUEUE",
      `${report.name} has no RX queue ${missing}: it has ${count}, numbered from 0`,
      { exit: EXIT.usage, mend: `correct queues, or add channels: ethtool -L ${report.name} combined N` },
    );
  }
  return queues;
}

/** Refuses copies where zero-copy was demanded; `or` is the end of the mend. */
export function requireBind(
  config: SensorConfig,
  bind: "copy" | "zerocopy",
  or: string,
  name = config.interface!,
): void {
  if (config.bind !== "zerocopy" || bind === "zerocopy") return;
  throw new SparsewireError("NO_ZEROCOPY", `${name}: zero-copy was demanded, but frames would be copied`, {
    exit: EXIT.unsupported,
    mend: `set bind = "auto", ${or}`,
  });
}

function inspect(name: string): InterfaceReport {
  try {
    return probe(name).interface!;
  } catch (error) {
    throw explain(error);
  }
}

/** An interface that the sensor cannot go on with; `what`: why. */
export function interfaceGone(what: string): SparsewireError {
  return new SparsewireError("INTERFACE_GONE", what, {
    mend: "start the sensor again when the interface is back (as a service it is started again by itself)",
  });
}

const PERMISSION = new Set(["XDP_NOT_PERMITTED", "XDP_MEMLOCK"]);
/** A program that the verifier rejects once it rejects at every start. */
const UNSUPPORTED = new Set([
  "XDP_UNSUPPORTED",
  "XDP_ZEROCOPY_UNSUPPORTED",
  "XDP_NATIVE_UNSUPPORTED",
  "XDP_PROGRAM_REJECTED",
]);

/** An addon's error as one of ours, with the exit code that its kind asks for. */
export function explain(error: unknown): unknown {
  if (!(error instanceof XdpError)) return error;
  const exit = PERMISSION.has(error.code)
    ? EXIT.notPermitted
    : UNSUPPORTED.has(error.code)
      ? EXIT.unsupported
      : EXIT.failure;
  return new SparsewireError(error.code, error.message, { exit, mend: error.mend, cause: error });
}
