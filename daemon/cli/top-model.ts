/** What the live view shows, from a sensor's control socket or an aggregator's API. */
import type { GraphBLAS } from "graphblas-wasm";
import type { z } from "zod";
import { decodeArchive } from "../../lib/archive.js";
import { SparsewireError } from "../../lib/errors.js";
import { Sampling } from "../../lib/sampling.js";
import { type Estimated, type TopAddress, type TopLink, topOf } from "../../lib/top.js";
import { type Traffic, trafficOf } from "../../lib/traffic.js";
import type { SensorStatus } from "../sensor/status.js";
import { aggregatorQuantities, aggregatorSensors, aggregatorTop } from "./answers.js";
import { askAggregator, askControl, askStatus } from "./control.js";
import { effectiveText } from "./status.js";

export type Sort = "packets" | "bytes";

/** One picture. Values of links and addresses are per second. */
export interface TopModel {
  /** "edge-1  eth1  mirror, native XDP, copy, 2 queues". */
  title: string;
  packetsPerSecond: number;
  bytesPerSecond: number;
  links: number;
  sources: number;
  destinations: number;
  /** Packets lost since the start, and by which cause, where there are any. */
  drops: number;
  dropCauses: string[];
  /** "1 in 16 of the packets counted: values are estimates"; empty where everything was counted. */
  sampled: string;
  /** "1,234 sealed, spool 0". */
  intervals: string;
  topLinks: TopLink[];
  topSources: TopAddress[];
  topDestinations: TopAddress[];
}

/** Entries asked for of each kind; no terminal shows more. */
const TOP_N = 200;

export interface Feed {
  look(sort: Sort): Promise<TopModel>;
}

/** A running sensor: its status, and the matrices of the last sealed interval. */
export async function sensorFeed(socket: string): Promise<Feed> {
  const { load } = await import("graphblas-wasm");
  const grb = await load();
  return {
    async look(sort) {
      const status = await askStatus(socket);
      const archive = await lastInterval(socket);
      return sensorModel(grb, status, archive, sort);
    },
  };
}

/** Undefined as long as none is sealed. */
async function lastInterval(socket: string): Promise<Buffer | undefined> {
  try {
    return await askControl(socket, "/interval");
  } catch (error) {
    if (error instanceof SparsewireError && (error.code === "NO_INTERVAL" || error.code === "HTTP_404"))
      return undefined;
    throw error;
  }
}

/** Makes a picture of a status and an archive's bytes. */
export function sensorModel(
  grb: GraphBLAS,
  status: SensorStatus,
  archive: Uint8Array | undefined,
  sort: Sort,
): TopModel {
  const drops = Object.entries(status.drops).filter(([, count]) => count > 0);
  const model = emptyModel(`${status.sensor}  ${status.interface}  ${status.mode}${effectiveText(status)}`);
  model.drops = drops.reduce((total, [, count]) => total + count, 0);
  model.dropCauses = drops.map(([cause]) => cause);
  const lost = Object.values(status.intervals.lost).reduce((total, count) => total + count, 0);
  const parts = [`${status.intervals.sealed} sealed`];
  if (lost > 0) parts.push(`${lost} lost`);
  if (status.spool !== null) parts.push(`spool ${status.spool.depth}`);
  if (status.ship !== null) parts.push(`acknowledged ${status.ship.acknowledged}`);
  model.intervals = parts.join(", ");
  if (archive === undefined) return model;
  const decoded = decodeArchive(archive, { verify: false });
  const seconds = Math.max(Number(decoded.manifest.end - decoded.manifest.start) / 1e9, 1e-3);
  const traffic = trafficOf(grb, decoded);
  try {
    fill(model, traffic, sort, seconds, Sampling.of(decoded.manifest));
  } finally {
    traffic.dispose();
  }
  const { packets, bytes, shed, sampling } = decoded.manifest;
  model.packetsPerSecond = (packets + (shed?.packets ?? 0)) / seconds;
  model.bytesPerSecond = (bytes + (shed?.bytes ?? 0)) / seconds;
  if (shed !== undefined)
    model.sampled = `1 in ${Math.round(1 / sampling)} of the packets counted: estimates`;
  return model;
}

export function emptyModel(title: string): TopModel {
  return {
    title,
    packetsPerSecond: 0,
    bytesPerSecond: 0,
    links: 0,
    sources: 0,
    destinations: 0,
    drops: 0,
    dropCauses: [],
    sampled: "",
    intervals: "",
    topLinks: [],
    topSources: [],
    topDestinations: [],
  };
}

function fill(
  model: TopModel,
  traffic: Traffic,
  sort: Sort,
  seconds: number,
  sampling: Sampling | undefined,
): void {
  for (const planes of [traffic.v4, traffic.v6]) {
    if (planes === undefined) continue;
    const { n_links, n_sources, n_destinations } = planes.packets.quantities();
    model.links += n_links;
    model.sources += n_sources;
    model.destinations += n_destinations;
  }
  const tops = ([4, 6] as const).map((family) => topOf(traffic, { by: sort, n: TOP_N, family, sampling }));
  const perSecond = <T extends Entry>(lists: T[][]): T[] =>
    lists
      .flat()
      .map((entry) => rateOf(entry, seconds))
      .sort((a, b) => b[sort] - a[sort])
      .slice(0, TOP_N);
  model.topLinks = perSecond(tops.map((top) => top.links));
  model.topSources = perSecond(tops.map((top) => top.sources));
  model.topDestinations = perSecond(tops.map((top) => top.destinations));
}

type Entry = { packets: number; bytes: number; estimated?: Estimated };

/** What was offered a second: the estimate, where some of it was sampled. */
function rateOf<T extends Entry>(entry: T, seconds: number): T {
  const { estimated, ...rest } = entry;
  const { packets, bytes } = estimated ?? entry;
  return { ...rest, packets: packets / seconds, bytes: bytes / seconds } as T;
}

/** Seconds of an aggregator's traffic in one picture: shorter, and slow shippers would flicker. */
const AGGREGATOR_WINDOW_S = 10;

interface AggregatorTop {
  /** Share of the traffic that was counted on purpose. */
  sampling?: number;
  links: TopLink[];
  sources: TopAddress[];
  destinations: TopAddress[];
}

/** An aggregator: the last seconds of all its sensors together. */
export function aggregatorFeed(url: string, token?: string): Feed {
  const get = <T>(path: string, shape: z.ZodType): Promise<T> => askAggregator(url, path, shape, token);
  return {
    async look(sort) {
      const range = `from=-${AGGREGATOR_WINDOW_S}s&to=now`;
      const query = (family: number) => `api/v1/top?${range}&by=${sort}&n=${TOP_N}&family=${family}`;
      const [four, six, quantities, sensors] = await Promise.all([
        get<AggregatorTop>(query(4), aggregatorTop),
        get<AggregatorTop>(query(6), aggregatorTop),
        get<unknown>(`api/v1/quantities?${range}`, aggregatorQuantities),
        get<{ sensors: unknown[] }>("api/v1/sensors", aggregatorSensors),
      ]);
      const known = sensors.sensors.length;
      const model = emptyModel(
        `aggregator ${url}  ${known} sensor${known === 1 ? "" : "s"}  last ${AGGREGATOR_WINDOW_S} s`,
      );
      addQuantities(model, quantities, AGGREGATOR_WINDOW_S);
      if ((four.sampling ?? 1) < 1) model.sampled = "some of it sampled: links are estimates";
      const merge = <T extends Entry>(a: T[] = [], b: T[] = []): T[] =>
        [...a, ...b]
          .map((entry) => rateOf(entry, AGGREGATOR_WINDOW_S))
          .sort((left, right) => right[sort] - left[sort]);
      model.topLinks = merge(four.links, six.links);
      model.topSources = merge(four.sources, six.sources);
      model.topDestinations = merge(four.destinations, six.destinations);
      return model;
    },
  };
}

/** Takes the quantities of every matrix in an answer, wherever in it they stand. */
function addQuantities(model: TopModel, answer: unknown, seconds: number): void {
  if (typeof answer !== "object" || answer === null) return;
  for (const [name, value] of Object.entries(answer)) {
    if (!/^links[46]\.(packets|bytes)$/.test(name)) {
      addQuantities(model, value, seconds);
      continue;
    }
    const { n_packets = 0, n_links = 0, n_sources = 0, n_destinations = 0 } = value as Record<string, number>;
    if (name.endsWith(".bytes")) {
      model.bytesPerSecond += n_packets / seconds;
      continue;
    }
    model.packetsPerSecond += n_packets / seconds;
    model.links += n_links;
    model.sources += n_sources;
    model.destinations += n_destinations;
  }
}
