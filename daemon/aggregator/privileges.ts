/** What a running aggregator is left with: its store and the files that a reload reads. It never calls anybody. */
import { resolve } from "node:path";
import { credentials, installation, type PrivilegePlan, reloadable, runtime } from "../privileges/plan.js";
import type { AggregatorConfig } from "./config.js";

/** The plan of an aggregator with this configuration, read from `configFile` if from a file. */
export function aggregatorPrivileges(
  config: AggregatorConfig,
  configFile: string | undefined,
): PrivilegePlan {
  const { token_file, read_token_file, listen, store } = config;
  return {
    families: [],
    bpf: [],
    read: [
      ...installation(),
      ...runtime(),
      ...reloadable([configFile], "the configuration, read again at a reload"),
      ...reloadable([token_file, read_token_file], "tokens, read again at a reload"),
      ...reloadable([listen.tls_cert, listen.tls_key], "certificate and key, read again at a reload"),
      ...credentials(process.env),
    ],
    write: [{ path: resolve(store.path), why: "the archives" }],
    unlink: [],
    tcpConnect: false,
  };
}
