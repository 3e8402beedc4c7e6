/**
 * One of several sensors of a host, as `sparsewire-sensor@NAME` runs it: its configuration, and defaults that keep it
 * out of the others' way.
 */
import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { instanceInterface } from "../../lib/unit-name.js";
import type { Override } from "../config/load.js";
import { UNIT_PINS } from "../sensor/pins.js";
import { RUN_FOLDER, usage } from "./command.js";

const CONFIG_FOLDER = "/etc/sparsewire";
const STATE_FOLDER = "/var/lib/sparsewire";
/** What may be an interface's name, as far as it can be a file's. */
const NAME = /^(?!\.{1,2}$)[^/\s%]{1,15}$/;

export const isInstanceName = (name: string): boolean => NAME.test(name);

export interface Instance {
  /** sensor-NAME.toml, else sensor.toml; undefined without either. */
  path: string | undefined;
  overrides: Override[];
}

/**
 * What `--instance NAME` means; NAME may be escaped, as systemd-escape does it. The interface is NAME, unless the instance has a configuration of its own that says
 * otherwise; name, control socket and spool follow NAME where the configuration does not set them, and what mode inline
 * pins is where the units let it.
 */
export function instanceOf(
  given: string,
  {
    folder = CONFIG_FOLDER,
    state = process.env.STATE_DIRECTORY ?? join(STATE_FOLDER, `sensor-${given}`),
  } = {},
): Instance {
  const name = instanceInterface(given);
  if (!isInstanceName(name))
    throw usage(`--instance ${JSON.stringify(given)} is no interface name`, "as in --instance eth1");
  const own = join(folder, `sensor-${name}.toml`);
  const shared = join(folder, "sensor.toml");
  const hasOwn = existsSync(own);
  const fallback = (key: string, value: string, unless = [key]): Override => ({
    key,
    flag: `--instance ${name}`,
    value,
    unless,
  });
  return {
    path: hasOwn ? own : existsSync(shared) ? shared : undefined,
    overrides: [
      fallback("interface", name, hasOwn ? ["interface", "interfaces", "file"] : []),
      fallback("sensor", sensorNameOf(name)),
      fallback("control.socket", join(RUN_FOLDER, `sensor-${name}.sock`)),
      fallback("spool.path", join(state, "spool")),
      fallback("inline.pins", UNIT_PINS),
    ],
  };
}

/** HOST-NAME, as far as a sensor may bear it. */
function sensorNameOf(name: string): string {
  return `${hostname()}-${name}`
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .replace(/^[^A-Za-z0-9]+/, "")
    .slice(-63)
    .replace(/^[^A-Za-z0-9]+/, "");
}
