/**
 * A crowd in a process of its own: argv is kind, count and URL; it prints how often it connected when its input ends.
 */
import { crowd, type Kind } from "./peers.js";

const [kind, count, url] = process.argv.slice(2);
const stop = new AbortController();
process.stdin.resume().once("end", () => stop.abort());
process.stdout.write(`${JSON.stringify(await crowd(kind as Kind, Number(count), url!, stop.signal))}\n`);
