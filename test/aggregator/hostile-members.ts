/** Mutations of members: which are there, what their blobs claim, which entries and values they hold. */
import type { AnyType, Matrix } from "graphblas-wasm";
import { DICT_RECORD_BYTES, MEMBERS } from "../../lib/archive.js";
import { DIMENSION4 } from "../../lib/traffic.js";
import type { Dice, Draft, Mutation } from "./hostile.js";
import { grb } from "./traffic.js";

const HEADER = 160;
const WORDS = [
  0n,
  1n,
  2n,
  255n,
  2n ** 20n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 40n,
  2n ** 53n,
  2n ** 60n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const blobs = ({ members }: Draft) => members.filter(({ name }) => name.endsWith(".grb"));
const indexOf = (draft: Draft, name: string): number =>
  draft.members.findIndex((member) => member.name === name);

/** A change of one blob. */
const blob = (
  name: string,
  refused: boolean,
  change: (data: Uint8Array, dice: Dice) => Uint8Array,
): Mutation => ({
  name,
  refused,
  make(draft, dice) {
    const member = dice.pick(blobs(draft));
    if (member === undefined) return false;
    member.data = change(member.data, dice);
    return true;
  },
});

/** Makes the matrix of a member anew, from its entries; false where it has too few. */
const entries = (
  name: string,
  refused: boolean,
  members: readonly string[],
  change: (matrix: Matrix, dice: Dice) => Matrix<AnyType>,
  least = 1,
): Mutation => ({
  name,
  refused,
  make(draft, dice) {
    const at = indexOf(draft, dice.pick(members));
    if (at < 0) return false;
    const matrix = decoded(draft.members[at]!.data);
    if (matrix === undefined || matrix.nvals < least) return false;
    draft.members[at]!.data = change(matrix, dice).serialize();
    return true;
  },
});

/** A mutation before this one may have spoilt the blob. */
function decoded(data: Uint8Array): Matrix | undefined {
  try {
    return grb().deserialize(data);
  } catch {
    return undefined;
  }
}

const wide = (X: ArrayLike<number | bigint>): BigUint64Array =>
  BigUint64Array.from({ length: X.length }, (_, at) => BigInt(X[at]!));

const rebuilt = (matrix: Matrix, change: { dimension?: bigint; J?: BigUint64Array; X?: BigUint64Array }) => {
  const { I, J, X } = matrix.extractTuples();
  const dimension = change.dimension ?? matrix.nrows;
  const values = change.X ?? wide(X);
  return grb().build("UINT64", dimension, dimension, I, change.J ?? J, values, "plus");
};
const valued = (matrix: Matrix, change: (value: bigint, at: number) => bigint) =>
  rebuilt(matrix, {
    X: wide(matrix.extractTuples().X).map(change),
  });

/** More than archives may hold, all of one source, one packet each. */
const BOMB_LINKS = 5_000_000;
let bombBlob: Uint8Array | undefined;
function bomb(): Uint8Array {
  if (bombBlob !== undefined) return bombBlob;
  const matrix = grb().fromHyperCSR("UINT64", DIMENSION4, DIMENSION4, {
    Ap: Uint32Array.of(0, BOMB_LINKS),
    Ah: Uint32Array.of(0xcb000000),
    Aj: Uint32Array.from({ length: BOMB_LINKS }, (_, at) => at),
    Ax: new BigUint64Array(BOMB_LINKS).fill(1n),
  });
  bombBlob = matrix.serialize();
  matrix.dispose();
  return bombBlob;
}

const COUNTED = [MEMBERS.packets4, MEMBERS.bytes4, MEMBERS.packets6, MEMBERS.bytes6];

export const MEMBER_MUTATIONS: readonly Mutation[] = [
  {
    name: "a foreign member",
    refused: true,
    make(draft, dice) {
      const name = dice.pick([
        "links4.packets.grb2",
        "ext.none.grb",
        "a/b",
        "links8.bytes.grb",
        "x".repeat(90),
      ]);
      draft.members.push({ name, data: new Uint8Array(dice.pick([0, 100, 50_000])) });
      return true;
    },
  },
  {
    name: "a member that is there twice",
    refused: true,
    make(draft, dice) {
      draft.members.push(dice.pick(draft.members));
      return true;
    },
  },
  {
    name: "one plane of a pair",
    refused: true,
    make(draft, dice) {
      const at = indexOf(draft, dice.pick(COUNTED));
      if (at < 0) return false;
      draft.members.splice(at, 1);
      return true;
    },
  },
  {
    name: "planes exchanged",
    refused: true,
    make(draft) {
      const [a, b] = [indexOf(draft, MEMBERS.packets4), indexOf(draft, MEMBERS.bytes4)];
      const [one, other] = [draft.members[a], draft.members[b]];
      if (one === undefined || other === undefined || draft.manifest.packets === draft.manifest.bytes)
        return false;
      if (draft.manifest.reasons.ipv4 === 0) return false;
      [one.data, other.data] = [other.data, one.data];
      return true;
    },
  },
  {
    name: "columns out of order, or twice",
    refused: true,
    make(draft, dice) {
      const member = draft.members[indexOf(draft, dice.pick(COUNTED))];
      const matrix = member && decoded(member.data);
      if (matrix === undefined) return false;
      const { Ap } = matrix.toHyperCSR();
      const row = Ap.findIndex((start, at) => at > 0 && start - Ap[at - 1]! > 1n);
      if (row < 0) return false;
      member!.data = matrix.serialize({ compression: "none" });
      const view = new DataView(member!.data.buffer);
      const sizes = [0, 1, 2].map((section) => Number(view.getBigUint64(64 + 8 * section, true)));
      const blocks = [0, 1, 2, 3, 4].map((section) => view.getInt32(120 + 8 * section, true));
      const content = HEADER + 8 * blocks.reduce((sum, one) => sum + one, 0);
      const at = content + sizes.reduce((sum, one) => sum + one, 0) + 8 * Number(Ap[row - 1]);
      const [first, second] = [view.getBigUint64(at, true), view.getBigUint64(at + 8, true)];
      view.setBigUint64(at, second, true);
      view.setBigUint64(at + 8, dice.pick([first, second]), true);
      return true;
    },
  },
  {
    name: "a few bytes that are very many links",
    refused: true,
    make(draft, dice) {
      // It takes a second to make and is 30 kB: made once, taken rarely.
      if (dice.below(8) > 0) return false;
      const at = [MEMBERS.packets4, MEMBERS.bytes4].map((name) => indexOf(draft, name));
      if (at.some((one) => one < 0)) return false;
      for (const one of at) draft.members[one]!.data = bomb();
      Object.assign(draft.manifest, { packets: BOMB_LINKS, bytes: BOMB_LINKS, frames: BOMB_LINKS });
      draft.manifest.reasons = { ipv4: BOMB_LINKS };
      return true;
    },
  },
  blob("a field of a blob's header at an extreme", false, (data, dice) => {
    if (data.length < HEADER) return data;
    const view = new DataView(data.buffer, data.byteOffset);
    if (dice.below(2) === 0) view.setBigUint64(8 * dice.below(HEADER / 8), dice.pick(WORDS), true);
    else view.setUint32(4 * dice.below(HEADER / 4), Number(dice.pick(WORDS) & 0xffffffffn), true);
    return data;
  }),
  blob("bits of a blob", false, (data, dice) => {
    if (data.length > 0)
      for (let left = 1 + dice.below(4); left > 0; left--)
        data[dice.below(data.length)]! ^= 1 << dice.below(8);
    return data;
  }),
  blob("a blob that is cut", true, (data, dice) => data.subarray(0, dice.below(data.length))),
  blob("a blob that is longer", true, (data, dice) =>
    Buffer.concat([data, new Uint8Array(1 + dice.below(64))]),
  ),
  {
    name: "a few bytes that claim very many links",
    refused: true,
    make(draft, dice) {
      // One row of consecutive columns, one value: it is compressed to next to nothing.
      const at = [MEMBERS.packets4, MEMBERS.bytes4].map((name) => indexOf(draft, name));
      if (at.some((one) => one < 0)) return false;
      const claimed = dice.pick([5e7, 2 ** 29, 2 ** 33]);
      for (const one of at) {
        const { data } = draft.members[one]!;
        if (data.length < HEADER) return false;
        new DataView(data.buffer, data.byteOffset).setBigUint64(88, BigInt(claimed * 8), true);
      }
      return true;
    },
  },
  entries("planes of other links", true, COUNTED, (matrix) => {
    const { J } = matrix.extractTuples();
    return rebuilt(matrix, { J: J.map((column, at) => (at === 0 ? (column ^ 1n) + 2n : column)) });
  }),
  entries("other dimensions", true, COUNTED, (matrix) => rebuilt(matrix, { dimension: matrix.nrows - 1n })),
  entries("another type", true, COUNTED, (matrix, dice) =>
    matrix.apply("identity", { type: dice.pick(["FP64", "INT64", "BOOL"] as const) }),
  ),
  entries("a link without a packet", true, [MEMBERS.packets4, MEMBERS.packets6], (matrix) =>
    valued(matrix, (value, at) => (at === 0 ? 0n : value)),
  ),
  entries("values near 2^64", true, COUNTED, (matrix, dice) =>
    valued(matrix, () => 2n ** 64n - 1n - BigInt(dice.below(2))),
  ),
  entries(
    "values whose sum wraps to what the manifest says",
    true,
    COUNTED,
    (matrix) => valued(matrix, (value, at) => (at < 2 ? BigInt.asUintN(64, value + 2n ** 63n) : value)),
    2,
  ),
  entries(
    "estimates of something else",
    true,
    [MEMBERS.estimatePackets4, MEMBERS.estimateBytes4],
    (matrix, dice) => valued(matrix, (value) => value * BigInt(2 + dice.below(1000))),
  ),
  {
    name: "counts near 2^53 that agree",
    refused: false,
    make(draft) {
      const at = indexOf(draft, MEMBERS.bytes4);
      const matrix = at < 0 ? undefined : decoded(draft.members[at]!.data);
      if (matrix === undefined || matrix.nvals === 0) return false;
      const more = 2 ** 53 - 1 - draft.manifest.bytes;
      draft.members[at]!.data = valued(matrix, (value, k) =>
        k === 0 ? value + BigInt(more) : value,
      ).serialize();
      draft.manifest.bytes += more;
      return true;
    },
  },
  {
    name: "a dictionary that is not sound",
    refused: true,
    make(draft, dice) {
      const member = draft.members[indexOf(draft, MEMBERS.dict6)];
      if (member === undefined || member.data.length < 2 * DICT_RECORD_BYTES) return false;
      const record = DICT_RECORD_BYTES * dice.below(member.data.length / DICT_RECORD_BYTES);
      const kind = dice.below(4);
      if (kind === 0) member.data = member.data.subarray(0, member.data.length - 1 - dice.below(20));
      else if (kind === 1) member.data[record + 8 + dice.below(16)]! ^= 1 + dice.below(255);
      else if (kind === 2) member.data.fill(255, record, record + 8);
      else
        member.data = Buffer.concat([
          member.data.subarray(DICT_RECORD_BYTES),
          member.data.subarray(0, DICT_RECORD_BYTES),
        ]);
      return true;
    },
  },
  {
    name: "a dictionary of an extension that is not sound",
    refused: true,
    make(draft, dice) {
      if (indexOf(draft, "ext.ports.grb") < 0 || indexOf(draft, "ext.ports.dict") >= 0) return false;
      draft.members.push({ name: "ext.ports.dict", data: new Uint8Array(1 + dice.below(9)).fill(9) });
      return true;
    },
  },
  {
    name: "quantities of something else",
    refused: false,
    make(draft, dice) {
      const member = draft.members[indexOf(draft, MEMBERS.quantities)];
      if (member === undefined) return false;
      member.data = new Uint8Array(dice.pick([0, 10, 60_000]));
      return true;
    },
  },
];
