/** Mutations of manifests: every field at its extremes, and what only sums may say. */
import type { Dice, Draft, Loose, Mutation } from "./hostile.js";

const EXTREMES = [
  0,
  1,
  2 ** 31,
  2 ** 32,
  2 ** 48,
  2 ** 53 - 2,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 64,
  -1,
  0.5,
  1e308,
  null,
  "7",
  [],
];

const set = (
  name: string,
  refused: boolean,
  change: (manifest: Loose, dice: Dice, draft: Draft) => void,
): Mutation => ({
  name,
  refused,
  make(draft, dice) {
    change(draft.manifest, dice, draft);
    return true;
  },
});

/** Only where the archive has the section. */
const within = (
  name: string,
  section: string,
  refused: boolean,
  change: (section: Loose, dice: Dice, manifest: Loose) => void,
): Mutation => ({
  name,
  refused,
  make({ manifest }, dice) {
    if (manifest[section] === undefined || manifest[section] === null) return false;
    change(manifest[section], dice, manifest);
    return true;
  },
});

const many = (count: number, item: (at: number) => [string, unknown]): Loose =>
  Object.fromEntries(Array.from({ length: count }, (_, at) => item(at)));
const runOf = (at: number): string => at.toString(16).padStart(16, "0");

export const MANIFEST_MUTATIONS: readonly Mutation[] = [
  set("parts of another sensor", true, (m) => {
    m.parts = [{ sensor: "honest-0", run: runOf(0xaa), ranges: [[0, 1_000_000]] }];
  }),
  set("parts of its own", true, (m) => {
    m.parts = [{ sensor: m.sensor, run: m.run, ranges: [[m.sequence, m.sequence]] }];
  }),
  set("no parts", true, (m) => {
    m.parts = [];
  }),
  set("several intervals", true, (m, dice) => {
    m.intervals = dice.pick([0, 2, 1000, 2 ** 53 - 1]);
  }),
  set("mode of a sum", true, (m, dice) => {
    m.mode = dice.pick(["sum", "rollup"]);
  }),
  set("saturated", true, (m) => {
    m.saturated = ["frames"];
    m.frames = 2 ** 53 - 1;
  }),
  set("extensions omitted", true, (m) => {
    m.extensions_omitted = 3;
  }),
  set("other identity", true, (m, dice) => {
    m[dice.pick(["sensor", "run", "sequence"])] = dice.pick(["honest-0", runOf(0xfff7), 2 ** 53 - 1]);
  }),
  set("little-endian", true, (m) => {
    m.byte_order = "little";
  }),
  set("times", false, (m, dice) => {
    m[dice.pick(["start", "end"])] = dice.pick([
      0n,
      1n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n,
      2n ** 64n,
    ]);
  }),
  set("a counter at an extreme", false, (m, dice) => {
    m[dice.pick(["frames", "packets", "bytes", "late", "sampling"])] = dice.pick(EXTREMES);
  }),
  set("counters that agree and are not those of its matrices", true, (m, dice) => {
    const more = dice.pick([1, 1000, 2 ** 52]);
    m.reasons.ipv4 += more;
    [m.frames, m.packets] = [m.frames + more, m.packets + more];
  }),
  set("bytes that are not those of its matrices", true, (m, dice) => {
    m.bytes = m.bytes + dice.pick([1, 2 ** 40]);
  }),
  set("frames without an address near 2^53", false, (m, dice) => {
    const more = dice.pick([2 ** 52, 2 ** 53 - 1 - m.frames]);
    m.reasons.arp += more;
    m.frames += more;
  }),
  set("drops near 2^53", false, (m, dice) => {
    m.drops[dice.pick(["rx_dropped", "interface_missed", "uncounted"])] = 2 ** 53 - 1 - dice.below(3);
  }),
  set("lost near 2^53", false, (m) => {
    m.lost = { spool_full: 2 ** 53 - 1 };
  }),
  set("very many causes of loss", true, (m) => {
    m.lost = many(3000, (at) => [`cause-${at}`, at]);
  }),
  set("very many runs before", true, (m, dice) => {
    m.previous = Array.from({ length: dice.pick([200, 5000]) }, (_, at) => ({
      run: runOf(at),
      sequence: at,
      ended: "crash",
    }));
  }),
  set("very many extensions", true, (m) => {
    m.extensions = many(200, (at) => [`e-${at}`, recordOf(at)]);
  }),
  set("an extension of its own keys", false, (m, dice) => {
    m.extensions = { ...m.extensions, [dice.pick(["ports", "other"])]: recordOf(dice.below(5)) };
  }),
  set("a version of an extension", true, (m) => {
    m.extensions = { "ports@01234567": recordOf(1) };
  }),
  set("a sampling rate of nearly nothing", true, (m, dice) => {
    m.sampling = dice.pick([5e-324, 1e-300, 2 ** -20]);
  }),
  set("sampled, without a word about it", false, (m) => {
    m.sampling = 0.125;
  }),
  within("very many protocols", "shed", true, (shed, dice) => {
    shed.protocols = many(dice.pick([17, 400]), (at) => [`p_${at}`, [1, 1]]);
  }),
  within("protocols of other names", "shed", false, (shed) => {
    shed.protocols = many(16, (at) => [
      `ipv${at % 2 === 0 ? 4 : 6}_x${Math.floor(Math.random() * 1e6)}`,
      [1, 1],
    ]);
  }),
  within("shed near 2^53", "shed", false, (shed, dice, m) => {
    shed.packets = m.drops.shed = 2 ** 53 - 1;
    shed.protocols.other = [2 ** 53 - 1, 2 ** 53 - 1];
    shed.unseen = dice.pick([0, 2 ** 53 - 1]);
  }),
  within("other rates", "shed", false, (shed, dice) => {
    shed[dice.pick(["rate_min", "rate_max"])] = dice.pick([1e-300, 0.999999, 0.5, 0.25]);
  }),
  within("IPv6 of another key", "ipv6", false, (ipv6, dice) => {
    ipv6.key_id = dice.pick(["deadbeef", "", "x".repeat(128)]);
  }),
  within("other number of addresses", "ipv6", true, (ipv6, dice) => {
    ipv6.addresses += 1 + dice.below(2 ** 31);
  }),
  within("nothing said of IPv6", "ipv6", true, (_, __, m) => {
    m.ipv6 = null;
  }),
  set("IPv6 of which there is nothing", false, (m) => {
    m.ipv6 = { hash: "siphash-2-4/60", key_id: "deadbeef", addresses: 2 ** 53 - 1, collisions: 2 ** 53 - 1 };
  }),
  set("a list of members that lies", true, (m, dice, { members }) => {
    m.lies = Array.from({ length: dice.pick([0, members.length + 1, 5000]) }, (_, at) => ({
      name: `links${at}.grb`,
      size: dice.pick(EXTREMES),
      sha256: "0".repeat(64),
    }));
  }),
  set("a long manifest", true, (m, dice) => {
    m.padding = "x".repeat(dice.pick([1.1e6, 3e6]));
  }),
  {
    name: "a deep manifest",
    refused: true,
    make(draft, dice) {
      const depth = dice.pick([10_000, 400_000]);
      draft.text = `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
      return true;
    },
  },
  {
    name: "a manifest that is something else",
    refused: true,
    make(draft, dice) {
      draft.text = dice.pick([
        "",
        "null",
        "[]",
        "{}",
        "\u0000",
        "1e999",
        '{"format":"sparsewire-interval/2"}',
      ]);
      return true;
    },
  },
];

const recordOf = (at: number): Loose => ({
  status: "running",
  frames: 2 ** 53 - 1,
  missed: 2 ** 53 - 1,
  rows: 1,
  rows_lost: 0,
  events: 0,
  row: { name: `row${at}`, kind: "port" },
  column: { name: "column", kind: "text" },
  value: "v",
  combine: "max",
});
