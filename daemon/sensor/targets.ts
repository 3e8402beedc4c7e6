/** The transport that a configuration asks for. Other kinds of targets are chosen here. */
import { readFileSync } from "node:fs";
import { filePathOf } from "../config/credential.js";
import { readToken } from "../http/tokens.js";
import type { SensorConfig } from "./config.js";
import { HttpTransport } from "./http-transport.js";
import type { Transport } from "./transport.js";

/** Undefined when nothing is to be shipped. Throws when a token or CA file cannot be used. */
export function openTransport(
  aggregator: Omit<SensorConfig["aggregator"], "archive_bytes_max">,
): Transport | undefined {
  if (aggregator.url === undefined) return undefined;
  return new HttpTransport({
    url: aggregator.url,
    timeoutMs: aggregator.timeout,
    ...(aggregator.token_file === undefined ? {} : { token: readToken(aggregator.token_file) }),
    ...(aggregator.ca_file === undefined ? {} : { ca: readFileSync(filePathOf(aggregator.ca_file), "utf8") }),
  });
}
