/** A sandbox that reads files, and what it sealed in plain JavaScript values, for the tests of the file reader. */
import { configureSandbox } from "../../daemon/capture/configure.js";
import { ControlView } from "../../daemon/capture/control-view.js";
import { Sandbox, sandboxMemory } from "../../daemon/capture/sandbox.js";
import type { ByteSource } from "../../daemon/ingest/byte-source.js";
import { FileFeeder, type FileSandbox, type FileSummary } from "../../daemon/ingest/file-feeder.js";
import { type CounterName, memoryLayout, type SealCause } from "../../lib/abi.js";
import { ipv4Text, ipv6TextOfBytes } from "../../lib/address.js";
import { readDict } from "../../lib/dict.js";
import { IPV6_HASH_KEY_DEFAULT, keyWords } from "../../lib/ipv6-index.js";
import type { Random } from "../pcap/fuzz.js";

export interface Interval {
  cause: SealCause;
  start: bigint;
  end: bigint;
  counters: Record<CounterName, number>;
  /** "src,dst" -> packets and bytes. */
  links4: Map<string, [packets: number, bytes: number]>;
  links6: Map<string, [packets: number, bytes: number]>;
}
export interface Reading extends FileSummary {
  intervals: Interval[];
}

const FILE_BUFFER_BYTES = 2 << 20;
const LINK_BUDGET = 1 << 18;
const ADDRESS_BUDGET = 1 << 12;

export class FileReaderUnderTest {
  readonly sandbox: FileSandbox & { control: ControlView };

  constructor() {
    const sizes = { logEntries: 1 << 17, linkBudget: LINK_BUDGET, addressBudget: ADDRESS_BUDGET };
    const layout = memoryLayout({ ...sizes, fileBufferBytes: FILE_BUFFER_BYTES });
    const memory = sandboxMemory(layout.pages);
    const control = new ControlView(memory);
    configureSandbox(control, layout, {
      ...sizes,
      hashKey: keyWords(IPV6_HASH_KEY_DEFAULT as Uint8Array),
      queues: 0,
    });
    this.sandbox = new Sandbox(memory) as unknown as FileSandbox & { control: ControlView };
  }

  /** Reads a whole file. One after another: intervals never go over from one to the next. */
  async read(
    source: ByteSource,
    options: { bufferBytes?: number; windowNs?: bigint; windowPackets?: number } = {},
  ): Promise<Reading> {
    const { control } = this.sandbox;
    control.setU32("file_buffer_bytes", options.bufferBytes ?? FILE_BUFFER_BYTES);
    control.setU64("window_ns", options.windowNs ?? 0n);
    control.setU64("window_packets", BigInt(options.windowPackets ?? 0));
    const intervals: Interval[] = [];
    const summary = await new FileFeeder(this.sandbox, source).run(({ slot, cause }) => {
      intervals.push(this.#take(slot, cause));
      control.freeSlot(slot);
    });
    return { ...summary, intervals };
  }

  #take(slot: number, cause: SealCause): Interval {
    const sealed = this.sandbox.control.slot(slot);
    const dict = readDict(sealed.dict.slice());
    return {
      cause,
      start: sealed.startNs,
      end: sealed.endNs,
      counters: sealed.counters,
      links4: linksOf(sealed.v4, (index) => ipv4Text(Number(index))),
      links6: linksOf(sealed.v6, (index) => ipv6TextOfBytes(dict.lookup(index)!)),
    };
  }
}

function linksOf(
  matrix: {
    Ap: BigUint64Array;
    Ah: BigUint64Array;
    Aj: BigUint64Array;
    packets: Uint32Array;
    bytes: BigUint64Array;
  },
  text: (index: bigint) => string,
): Map<string, [number, number]> {
  const links = new Map<string, [number, number]>();
  for (let row = 0; row < matrix.Ah.length; row++) {
    for (let k = Number(matrix.Ap[row]); k < Number(matrix.Ap[row + 1]); k++) {
      links.set(`${text(matrix.Ah[row]!)},${text(matrix.Aj[k]!)}`, [
        matrix.packets[k]!,
        Number(matrix.bytes[k]),
      ]);
    }
  }
  return links;
}

/** Sums links of several intervals, or of lines "src,dst,packets,bytes". */
export function addLink(
  links: Map<string, [number, number]>,
  link: string,
  packets: number,
  bytes: number,
): void {
  const sum = links.get(link);
  if (sum === undefined) links.set(link, [packets, bytes]);
  else [sum[0], sum[1]] = [sum[0] + packets, sum[1] + bytes];
}

export function sumLinks(
  intervals: readonly Interval[],
  family: "links4" | "links6",
): Map<string, [number, number]> {
  const sum = new Map<string, [number, number]>();
  for (const interval of intervals) {
    for (const [link, [packets, bytes]] of interval[family]) addLink(sum, link, packets, bytes);
  }
  return sum;
}

export const sumCounter = (intervals: readonly Interval[], name: CounterName): number =>
  intervals.reduce((sum, { counters }) => sum + counters[name], 0);

/** Bytes in memory, dealt out in pieces: all that is asked for, or (with `random`) 1 to 700 bytes. */
export function memorySource(bytes: Uint8Array, random?: Random): ByteSource {
  let at = 0;
  return {
    name: "memory",
    format: "plain",
    damage: undefined,
    bytesTotal: bytes.length,
    get bytesRead() {
      return at;
    },
    fill(view) {
      const wanted = random === undefined ? view.length : Math.min(view.length, 1 + random.int(700));
      const piece = bytes.subarray(at, at + wanted);
      view.set(piece);
      at += piece.length;
      return piece.length;
    },
    close() {},
  };
}
