/** `sparsewire matrix diff`: what changed from one sum to another, link by link. */
import type { Command } from "commander";
import type { ByteOrder } from "../../lib/address.js";
import { EXIT } from "../../lib/errors.js";
import { type LinkList, linksOf } from "../../lib/links.js";
import { byteOrderOption, examples, familyOption, type Result, withOutput } from "./command.js";
import { emit } from "./output.js";
import { warnSampled } from "./sampled-text.js";
import { requireSame, sumSources } from "./sum.js";

interface Options {
  byteOrder: ByteOrder;
  force?: boolean;
  family: "4" | "6";
  output?: string;
  json?: boolean;
}

/** A link that is not the same in both; packets and bytes are B minus A. */
interface Change {
  change: "gained" | "lost" | "changed";
  src: string;
  dst: string;
  packets: bigint;
  bytes: bigint;
}

export function registerDiff(parent: Command, result: Result): void {
  const command = parent
    .command("diff")
    .description("links gained, lost and changed from A to B, with signed differences of packets and bytes")
    .argument("<a>", "archive, folder or capture")
    .argument("<b>", "the same; what is new here is gained")
    .addOption(familyOption())
    .addOption(byteOrderOption())
    .option("--force", "compare archives whose addresses are anonymised differently")
    .action(async (a: string, b: string, options: Options) => {
      const family = options.family === "4" ? 4 : 6;
      const before = await sumSources([a], options);
      const after = await sumSources([b], options);
      if (!options.force && after.manifest !== undefined) {
        requireSame(b, before.manifest?.anonymization, after.manifest);
      }
      for (const { manifest } of [before, after])
        warnSampled(
          manifest,
          "what was counted is compared; a link may be missing only because none of its packets was",
        );
      const changes = changesBetween(
        linksOf(before.traffic, family, before.byteOrder),
        linksOf(after.traffic, family, after.byteOrder),
      );
      await emit(options.output, options.json ? asJson(changes) : asCsv(changes));
      for (const { traffic, grb, damaged } of [before, after]) {
        traffic.dispose();
        grb.dispose();
        if (damaged) result.code = EXIT.badInput;
      }
    });
  withOutput(command);
  examples(command, [
    ["sparsewire matrix diff monday.tar tuesday.tar", "change,src,dst,packets,bytes"],
    ["sparsewire matrix diff a.tar b.tar | grep ^gained", "links that are new in B"],
  ]);
}

interface Link {
  src: bigint;
  dst: bigint;
  srcText: () => string;
  dstText: () => string;
  packets: bigint;
  bytes: bigint;
}

function* each(list: LinkList): Generator<Link, undefined> {
  for (const { length, src, dst, packets, bytes } of list.batches()) {
    for (let at = 0; at < length; at++) {
      const [from, to] = [src[at]!, dst[at]!];
      yield {
        src: list.address(from),
        dst: list.address(to),
        srcText: () => list.text(from),
        dstText: () => list.text(to),
        packets: BigInt(packets(at)),
        bytes: BigInt(bytes(at)),
      };
    }
  }
}

/** A merge of two lists in the same order. */
function* changesBetween(before: LinkList, after: LinkList): Generator<Change> {
  const left = each(before);
  const right = each(after);
  let a = left.next().value;
  let b = right.next().value;
  while (a !== undefined || b !== undefined) {
    const order = a === undefined ? 1 : b === undefined ? -1 : compare(a, b);
    if (order === 0) {
      const packets = b!.packets - a!.packets;
      const bytes = b!.bytes - a!.bytes;
      if (packets !== 0n || bytes !== 0n) yield change("changed", b!, packets, bytes);
    } else if (order < 0) yield change("lost", a!, -a!.packets, -a!.bytes);
    else yield change("gained", b!, b!.packets, b!.bytes);
    if (order <= 0) a = left.next().value;
    if (order >= 0) b = right.next().value;
  }
}

function compare(a: Link, b: Link): number {
  if (a.src !== b.src) return a.src < b.src ? -1 : 1;
  return a.dst === b.dst ? 0 : a.dst < b.dst ? -1 : 1;
}

function change(kind: Change["change"], link: Link, packets: bigint, bytes: bigint): Change {
  return { change: kind, src: link.srcText(), dst: link.dstText(), packets, bytes };
}

const PIECE_CHARS = 1 << 16;

function* asCsv(changes: Iterable<Change>): Generator<string> {
  let text = "change,src,dst,packets,bytes\n";
  for (const { change: kind, src, dst, packets, bytes } of changes) {
    text += `${kind},${src},${dst},${packets},${bytes}\n`;
    if (text.length >= PIECE_CHARS) {
      yield text;
      text = "";
    }
  }
  yield text;
}

function* asJson(changes: Iterable<Change>): Generator<string> {
  let text = "[";
  let before = "\n";
  for (const { change: kind, src, dst, packets, bytes } of changes) {
    text += `${before}{"change":"${kind}","src":"${src}","dst":"${dst}","packets":${packets},"bytes":${bytes}}`;
    before = ",\n";
    if (text.length >= PIECE_CHARS) {
      yield text;
      text = "";
    }
  }
  yield `${text}\n]\n`;
}
