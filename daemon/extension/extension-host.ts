/**
 * All extensions of a source: starts and watches them, gathers what each made of an interval, ends them. The main thread's
 * part; it never waits for an extension longer than it says.
 */
import { closeSync } from "node:fs";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import { EXTENSION_MODES, extensionLayout } from "../../lib/extension-abi.js";
import { holdsText } from "../../lib/extension-keys.js";
import type { Manifest } from "../../lib/manifest.js";
import { Admission } from "./admission.js";
import type { HeldMemory } from "./held-memory.js";
import { HeldView } from "./held-view.js";
import { ExtensionMember, type MemberEvents } from "./member.js";
import type { ExtensionSettings } from "./protocol.js";

/** How often calls are looked at: what a stuck one costs is frames of its own, not of anybody else. */
const WATCH_MS = 50;
/** An interval waits so long for what extensions made of it, then goes without. */
const COLLECT_MS = 500;
const SHED = "such intervals go without its part; lower its rows_max or labels_bytes_max";

export interface ExtensionConfig extends ExtensionSettings {
  file: string;
  /** ms after which a suspended one starts again; 0: never. */
  restartMs: number;
}

export interface ExtensionHostOptions {
  mode: (typeof EXTENSION_MODES)[number];
  /** Files: nothing is skipped, and an interval waits for its extensions. */
  isLossless: boolean;
  /** Name of the extension that gives verdicts. */
  verdict?: string;
  /** One that does not come up is suspended, and everything else goes on; but for the one that gives verdicts. */
  goesOnWithout: boolean;
  /** Addresses are anonymised: text cannot be, so it is not taken, nor shown in events. */
  isAnonymizing: boolean;
  log: (level: "info" | "warn" | "error", fields: Record<string, unknown>, message: string) => void;
}

type Records = NonNullable<Manifest["extensions"]>;

/** What extensions add to an interval's archive. */
export interface ExtensionParts {
  records: Records;
  parts: { name: string; blob: Uint8Array<ArrayBuffer>; dict: Uint8Array<ArrayBuffer> }[];
}

export interface ExtensionStatus {
  name: string;
  status: string;
  reason: string | null;
  frames: number;
  missed: number;
  rows: number;
  rows_lost: number;
  labels_lost: number;
  /** Intervals whose archive had no room for its part. */
  shed: number;
  events: number;
  cpu_ns: number;
}

export class ExtensionHost {
  readonly #configs: readonly ExtensionConfig[];
  readonly #options: ExtensionHostOptions;
  readonly #admission: Admission;
  #members: ExtensionMember[] = [];
  #fds: number[] = [];
  #held: HeldView[] = [];
  /** Where the interval before ended, in each ring. */
  #ends: number[] = [];
  #watch: NodeJS.Timeout | undefined;
  readonly #restarts = new Set<NodeJS.Timeout>();
  /** Suspensions so far, by extension and cause. */
  readonly suspensions = new Map<string, number>();

  /** Reads and checks the modules: throws CANNOT_READ, or BAD_EXTENSION where nothing goes on without it. */
  constructor(configs: readonly ExtensionConfig[], options: ExtensionHostOptions) {
    this.#configs = configs;
    this.#options = options;
    this.#admission = new Admission(configs, (name) => this.#isNeeded(name));
  }

  #isNeeded(name: string): boolean {
    return !this.#options.goesOnWithout || name === this.#options.verdict;
  }

  get count(): number {
    return this.#configs.length;
  }

  /** Starts every extension; the sandboxes have not run init() yet. Throws BAD_EXTENSION when one does not come up. */
  async start(shared: readonly HeldMemory[]): Promise<void> {
    await this.#admission.compile();
    const ranges = shared.flatMap(({ ring, frames }) => [ring, ...frames]);
    this.#fds = ranges.map(({ fd }) => fd);
    this.#held = shared.map(({ memory }) => new HeldView(memory));
    this.#ends = shared.map(() => 0);
    const ownBytes = Math.max(...this.#configs.map(({ memoryMax }) => memoryMax));
    const layout = extensionLayout(
      ownBytes,
      ranges.map(({ bytes }) => bytes),
    );
    for (const [i, { place }] of ranges.entries()) place?.(layout.regions[i]!.offset);
    const rings = shared.map(({ memory, ring }) => ({ memory, region: ranges.indexOf(ring) }));
    const { mode, isLossless, verdict } = this.#options;
    this.#members = this.#configs.map(
      (settings, index) =>
        new ExtensionMember(
          {
            settings,
            wasm: this.#admission.modules[index]!.wasm,
            layout,
            fds: this.#fds,
            rings,
            index,
            mode: EXTENSION_MODES.indexOf(mode),
            isLossless,
            givesVerdicts: settings.name === verdict,
          },
          this.#events,
        ),
    );
    const started = await Promise.allSettled(this.#members.map((member, i) => this.#begin(member, i)));
    const failed = started.find(({ status }) => status === "rejected");
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    for (const member of this.#members) this.#requireMappable(member);
    this.#watch = setInterval(() => {
      for (const member of this.#members) member.watch();
    }, WATCH_MS);
    this.#watch.unref();
  }

  async #begin(member: ExtensionMember, index: number): Promise<void> {
    const { fault } = this.#admission.modules[index]!;
    if (fault !== undefined) return member.refuse("refused", withoutName(member, fault));
    try {
      await member.start();
    } catch (error) {
      if (this.#isNeeded(member.name)) throw error;
      member.refuse("failed", withoutName(member, error as Error));
    }
  }

  #requireMappable({ name, description }: ExtensionMember): void {
    if (!this.#options.isAnonymizing || description === undefined) return;
    const { row, column } = description;
    if (!holdsText(row.kind) && !holdsText(column.kind)) return;
    throw new SparsewireError(
      "EXTENSION_TEXT",
      `extension ${name}: its keys are text, which cannot be anonymised`,
      {
        exit: EXIT.badInput,
        mend: "run it in a sensor without anonymisation, or give it keys of other kinds",
      },
    );
  }

  readonly #events: MemberEvents = {
    suspended: (member, suspension, detail) => {
      const { name } = member;
      const key = `${name} ${suspension}`;
      this.suspensions.set(key, (this.suspensions.get(key) ?? 0) + 1);
      const config = this.#configs.find((each) => each.name === name)!;
      const restartMs = suspension === "refused" ? 0 : config.restartMs;
      const next = restartMs === 0 ? "it stays so" : `it starts again in ${restartMs / 1000} s`;
      this.#options.log(
        "error",
        { extension: name, suspension },
        `extension ${name} is suspended: ${detail}; ${next}`,
      );
      if (restartMs > 0) this.#restart(member, restartMs);
    },
    event: ({ name }, level, text) => {
      if (this.#options.isAnonymizing) return;
      this.#options.log(
        (["info", "warn", "error"] as const)[level] ?? "info",
        { extension: name, event: text },
        text,
      );
    },
    late: ({ name }, detail) =>
      this.#options.log(
        "warn",
        { extension: name },
        `extension ${name} is late: ${detail}; intervals go without its part`,
      ),
  };

  #restart(member: ExtensionMember, ms: number): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      member.start().then(
        () => this.#options.log("info", { extension: member.name }, `extension ${member.name} runs again`),
        (error: Error) => member.refuse("failed", withoutName(member, error)),
      );
    }, ms);
    timer.unref();
    this.#restarts.add(timer);
  }

  /** What each made of the interval that seal number `seal` ended (1 is the first). Call it once for each, in order. */
  async collect(seal: number): Promise<ExtensionParts> {
    const ends = this.#held.map((held) => held.sealAt(seal));
    const offered = ends.reduce((sum, end, ring) => sum + ((end - this.#ends[ring]!) >>> 0), 0);
    this.#ends = ends;
    const ms = this.#options.isLossless ? Number.POSITIVE_INFINITY : COLLECT_MS;
    const results = await Promise.all(this.#members.map((member) => member.result(seal, ms)));
    const records: Records = {};
    const parts: ExtensionParts["parts"] = [];
    for (const [i, member] of this.#members.entries()) {
      const result = results[i];
      const frames = result?.frames ?? 0;
      // One that never came up has not said what its keys are: only log, status and metrics tell of it.
      if (member.description === undefined) {
        member.told.missed += offered;
        continue;
      }
      const { row, column, value, combine } = member.description;
      const status = result !== undefined ? "running" : member.status === "running" ? "late" : "suspended";
      records[member.name] = {
        status,
        ...(status === "suspended" ? { reason: member.reason ?? "it is starting" } : {}),
        frames,
        missed: Math.max(0, offered - frames),
        rows: result?.rows ?? 0,
        rows_lost: result?.rowsLost ?? 0,
        ...(result === undefined || result.labelsLost === 0 ? {} : { labels_lost: result.labelsLost }),
        events: result?.events ?? 0,
        ...{ row, column, value, combine },
      };
      if (result !== undefined) parts.push({ name: member.name, blob: result.blob, dict: result.dict });
    }
    return { records, parts };
  }

  /** An interval is encoded: what its manifest says is what counts, also of what its archive had no room for. */
  encoded(records: Manifest["extensions"] = {}): void {
    for (const { name, told } of this.#members) {
      const record = records[name];
      if (record === undefined) continue;
      if (record.shed !== undefined && told.shed === 0)
        this.#options.log("warn", { extension: name }, `extension ${name} is ${record.reason}: ${SHED}`);
      for (const key of Object.keys(told) as (keyof typeof told)[]) told[key] += record[key] ?? 0;
    }
  }

  status(): ExtensionStatus[] {
    return this.#members.map((member) => ({
      name: member.name,
      status: member.status,
      reason: member.reason ?? null,
      ...member.told,
      cpu_ns: member.vital("cpuNs"),
    }));
  }

  /** Ends all of them. Nothing is collected afterwards. */
  async stop(): Promise<void> {
    clearInterval(this.#watch);
    for (const timer of this.#restarts) clearTimeout(timer);
    await Promise.all(this.#members.map((member) => member.stop()));
    for (const fd of this.#fds.splice(0)) closeSync(fd);
  }
}

/** The line of the log names it already. */
const withoutName = ({ name }: ExtensionMember, { message }: Error): string =>
  message.replace(`extension ${name}: `, "");
