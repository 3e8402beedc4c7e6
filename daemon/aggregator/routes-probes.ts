/** /metrics for Prometheus, /-/healthy and /-/ready for whoever supervises the process. */
import type { FastifyInstance } from "fastify";
import { SharedAnswer } from "../http/shared-answer.js";
import type { HttpState } from "./http.js";
import type { Metrics } from "./metrics.js";
import type { Store } from "./store.js";

/** The store is not written more often than this, however often somebody asks. */
const PROBE_EVERY_MS = 1_000;

export function probeRoutes(
  http: FastifyInstance,
  { metrics, state, store }: { metrics: Metrics; state: HttpState; store: Store },
): void {
  const text = new SharedAnswer(() => metrics.registry.metrics());
  http.get("/metrics", { config: { always: true } }, async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return text.get();
  });
  http.get("/-/healthy", { config: { right: "none", always: true } }, async () => ({ healthy: true }));
  let last: { at: number; why: Promise<string | undefined> } | undefined;
  http.get("/-/ready", { config: { right: "none", always: true } }, async (_request, reply) => {
    if (last === undefined || Date.now() - last.at > PROBE_EVERY_MS) {
      last = { at: Date.now(), why: state.open ? writable(store) : Promise.resolve("starting or stopping") };
    }
    const why = await last.why;
    if (why !== undefined) reply.code(503).header("retry-after", 2);
    return why === undefined ? { ready: true } : { ready: false, why };
  });
}

async function writable(store: Store): Promise<string | undefined> {
  try {
    await store.probe();
    return undefined;
  } catch (error) {
    return `the store cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
