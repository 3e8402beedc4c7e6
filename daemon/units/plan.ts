/** Which steps install the services on a host, and which remove them. Looks at files, changes nothing. */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { instanceInterface, unitInstance } from "../../lib/unit-name.js";
import { exampleConfig } from "../config/example.js";
import { KINDS, type Kind, type KindOfConfig } from "../config/kinds.js";
import { readToml } from "../config/toml.js";
import { pinnedInterface, pinsOf, UNIT_PINS } from "../sensor/pins.js";
import type { Step } from "./step.js";

/** systemd/ of the repository. */
const SOURCES = fileURLToPath(new URL("../../../systemd/", import.meta.url));
const UNITS = [
  "sparsewire-sensor@.service",
  "sparsewire-aggregator.service",
  "sparsewire-bpf.service",
] as const;
const WHAT = [
  "the unit of a sensor; its instance is the interface",
  "the unit of the aggregator",
  "a BPF file system for mode inline",
];
const UNIT_FOLDER = "/etc/systemd/system";
const PACKAGED = ["/lib/systemd/system", "/usr/lib/systemd/system"];
const CONFIG_FOLDER = "/etc/sparsewire";
/** What the units start. */
const COMMAND = "/usr/bin/sparsewire";
const METRICS_PORT = 9470;
/** Folders that the units hide from what they start (ProtectHome=, PrivateTmp=). */
const HIDDEN = /^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/;

/** Modes that an interface's name is all there is to say about. */
export const SERVICE_MODES = ["mirror", "host"] as const;
export type ServiceMode = (typeof SERVICE_MODES)[number];

export interface InstallOptions {
  /** Everything goes below this folder, and nothing is run: for images and tests. */
  prefix?: string | undefined;
  interface?: string | undefined;
  mode?: ServiceMode | undefined;
  aggregator?: boolean | undefined;
  now?: boolean | undefined;
  /** The interpreter and the command of this very program. */
  launcher?: { node: string; main: string };
}

/** Whether a Debian package has brought the units: they are its business then. */
export const arePackaged = (prefix = ""): boolean =>
  PACKAGED.some((folder) => existsSync(join(prefix, folder, UNITS[0])));

/**
 * The steps of `sparsewire service install`.
 *
 * @throws SparsewireError UNREACHABLE (failure) when the units could not start this program where it lies
 */
export function installPlan(options: InstallOptions, kinds: Record<Kind, KindOfConfig>): Step[] {
  const { prefix = "", now = false } = options;
  const at = (path: string): string => join(prefix, path);
  // A package has brought files and configurations, and looks after them.
  const steps: Step[] = arePackaged(prefix) ? [] : [...fileSteps(options, at), ...configSteps(at, kinds)];
  steps.push(
    { kind: "run", command: ["systemd-sysusers"], why: "makes the user sparsewire" },
    { kind: "run", command: ["systemd-tmpfiles", "--create", "sparsewire.conf"], why: "makes the folders" },
    { kind: "run", command: ["systemctl", "daemon-reload"], why: "lets systemd read the units" },
  );
  const enable = (unit: string, what: string): Step => ({
    kind: "run",
    command:
      prefix === ""
        ? ["systemctl", "enable", ...(now ? ["--now"] : []), unit]
        : ["systemctl", `--root=${prefix}`, "enable", unit],
    why: `${what}, at every boot${now && prefix === "" ? " and now" : ""}`,
    isOffline: prefix !== "",
  });
  if (options.interface !== undefined)
    steps.push(
      ...ownConfig(options.interface, options.mode, at, kinds.sensor),
      enable(
        `sparsewire-sensor@${unitInstance(options.interface)}.service`,
        `a sensor on ${options.interface}`,
      ),
    );
  if (options.aggregator === true) steps.push(enable(UNITS[1], "the aggregator"));
  return steps;
}

function configSteps(at: (path: string) => string, kinds: Record<Kind, KindOfConfig>): Step[] {
  return KINDS.map((kind) => ({
    kind: "config",
    path: at(`${CONFIG_FOLDER}/${kind}.toml`),
    content: exampleConfig(kind, kinds[kind]),
    why: `default configuration of ${kind === "sensor" ? "sensors" : "the aggregator"}, every key explained`,
  }));
}

/** Units, user and folders: what a package would bring. */
function fileSteps(
  { prefix, launcher = thisProgram() }: InstallOptions,
  at: (path: string) => string,
): Step[] {
  if (prefix === undefined) requireReachable(launcher);
  const start = [launcher.node, launcher.main].map(unitWord).join(" ");
  const units = UNITS.map((unit, i): Step => {
    const text = readFileSync(join(SOURCES, unit), "utf8");
    return {
      kind: "file",
      path: at(`${UNIT_FOLDER}/${unit}`),
      content: text.replaceAll(COMMAND, () => start),
      why: WHAT[i]!,
    };
  });
  const others = [
    ["sysusers.d/sparsewire.conf", "the user that sensors run as"],
    ["tmpfiles.d/sparsewire.conf", "the folders of both"],
  ] as const;
  return [
    ...units,
    ...others.map(([name, why]): Step => {
      const content = readFileSync(join(SOURCES, name), "utf8");
      return { kind: "file", path: at(`/etc/${name}`), content, why };
    }),
  ];
}

function thisProgram(): { node: string; main: string } {
  return { node: process.execPath, main: fileURLToPath(new URL("../cli/main.js", import.meta.url)) };
}

/** A word of an ExecStart= line. */
function unitWord(word: string): string {
  const text = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  return /^[\w%$./@+-]+$/.test(text) ? text : `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
}

/** The service's user must get at the program: not in a home, and readable all the way down. */
function requireReachable({ node, main }: { node: string; main: string }): void {
  for (const path of [node, main].map((given) => realpathSync(given))) {
    const why = HIDDEN.test(path) ? "the units hide that folder from services" : closedFolder(path);
    if (why === undefined) continue;
    throw new SparsewireError("UNREACHABLE", `a service could not start ${path}: ${why}`, {
      exit: EXIT.failure,
      mend: "put it below /opt, or install the package that npm run package makes",
    });
  }
}

function closedFolder(path: string): string | undefined {
  if ((statSync(path).mode & 0o004) === 0) return "others may not read it";
  for (let folder = dirname(path); folder !== "/"; folder = dirname(folder))
    if ((statSync(folder).mode & 0o001) === 0) return `others may not enter ${folder}`;
  return undefined;
}

/**
 * The second sensor of a host needs a configuration of its own: two cannot serve metrics on one port. So does one whose mode
 * is given: the common file is everybody's.
 */
function ownConfig(
  name: string,
  mode: ServiceMode | undefined,
  at: (path: string) => string,
  kind: KindOfConfig,
): Step[] {
  const path = at(`${CONFIG_FOLDER}/sensor-${name}.toml`);
  const others = instancesIn(at).filter((other) => other !== name);
  const has = existsSync(path);
  if (mode === undefined && (has || others.length === 0)) return [];
  const ports = new Set([
    METRICS_PORT,
    ...others.map((other) => metricsPort(at(`${CONFIG_FOLDER}/sensor-${other}.toml`))),
  ]);
  let port = METRICS_PORT;
  while (others.length > 0 && ports.has(port)) port++;
  // What is there may be ours of before: then it is the same again, and stays.
  if (has) port = metricsPort(path);
  const set = {
    ...kind.set,
    interface: JSON.stringify(name),
    "metrics.port": String(port),
    ...(mode === undefined ? {} : { mode: JSON.stringify(mode) }),
  };
  return [
    {
      kind: "config",
      path,
      content: exampleConfig("sensor", { ...kind, set }),
      why:
        `configuration of the sensor on ${name} alone: ${mode === undefined ? "" : `mode ${mode}, `}its metrics on port ${port}` +
        (others.length === 0 ? "" : `, for ${others.join(", ")} has another`),
    },
  ];
}

function metricsPort(path: string): number {
  try {
    const { metrics } = readToml(readFileSync(path, "utf8")).value as { metrics?: { port?: unknown } };
    return typeof metrics?.port === "number" ? metrics.port : METRICS_PORT;
  } catch {
    return METRICS_PORT;
  }
}

/** Instances that are enabled or have a configuration. */
export function instancesIn(at: (path: string) => string): string[] {
  const enabled = enabledUnits(at).map((unit) => {
    const instance = /^sparsewire-sensor@(.+)\.service$/.exec(unit)?.[1];
    return instance === undefined ? undefined : instanceInterface(instance);
  });
  const configured = namesIn(at(CONFIG_FOLDER)).map((name) => /^sensor-(.+)\.toml$/.exec(name)?.[1]);
  return [...new Set([...enabled, ...configured])].filter((name) => name !== undefined).sort();
}

/** Our units that some target wants. */
function enabledUnits(at: (path: string) => string): string[] {
  const folder = at(UNIT_FOLDER);
  const wants = namesIn(folder).filter((name) => name.endsWith(".wants"));
  const units = wants.flatMap((name) => namesIn(join(folder, name)));
  return [
    ...new Set(units.filter((unit) => /^sparsewire-(sensor@.+|aggregator)\.service$/.test(unit))),
  ].sort();
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** What sensors of mode inline left bridging goes with the command that could end it. */
function bridgeSteps(): Step[] {
  const { node, main } = thisProgram();
  const release = [node, main, "sensor", "--release", "--config", "/dev/null", "--interface"];
  return [
    ...namesIn(pinsOf(UNIT_PINS)).map((name): Step => {
      const wire = pinnedInterface(name);
      return { kind: "run", command: [...release, wire], why: `ends the bridging of ${wire}` };
    }),
    {
      kind: "run",
      command: ["systemctl", "stop", "sparsewire-bpf*.service"],
      why: "takes the BPF file system of mode inline away",
    },
  ];
}

/** The steps of `sparsewire service uninstall`. Configurations, spools and the store stay, unless `purge`. */
export function uninstallPlan({
  prefix = "",
  purge = false,
}: {
  prefix?: string | undefined;
  purge?: boolean;
}): Step[] {
  const at = (path: string): string => join(prefix, path);
  const enabled = enabledUnits(at);
  const steps: Step[] = [
    {
      kind: "run",
      // Patterns: a unit that is not there any more is no fault then.
      command: ["systemctl", "stop", "sparsewire-sensor@*.service", "sparsewire-aggregator*.service"],
      why: "ends what runs; the last interval is sealed and spooled",
    },
    ...(prefix === "" ? bridgeSteps() : []),
  ];
  const root = prefix === "" ? [] : [`--root=${prefix}`];
  if (enabled.length > 0)
    steps.push({
      kind: "run",
      command: ["systemctl", ...root, "disable", ...enabled],
      why: "none starts at boot any more",
      isOffline: prefix !== "",
    });
  if (!arePackaged(prefix)) {
    const files = [
      ...UNITS.map((unit) => `${UNIT_FOLDER}/${unit}`),
      "/etc/sysusers.d/sparsewire.conf",
      "/etc/tmpfiles.d/sparsewire.conf",
    ];
    for (const path of files) steps.push({ kind: "remove", path: at(path), why: "came with install" });
  }
  steps.push({ kind: "run", command: ["systemctl", "daemon-reload"], why: "lets systemd forget the units" });
  if (purge)
    steps.push({
      kind: "run",
      command: [
        "rm",
        "-rf",
        CONFIG_FOLDER,
        "/var/lib/sparsewire",
        "/var/lib/private/sparsewire",
        "/run/sparsewire",
      ].map((word) => (word.startsWith("/") ? at(word) : word)),
      why: "configurations, spools and the store, for good",
      isOffline: prefix !== "",
    });
  return steps;
}
