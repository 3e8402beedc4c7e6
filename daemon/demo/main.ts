/**
 * `npm start`: the whole pipeline, for real, on one machine. Two network namespaces exchange TCP and UDP traffic; a
 * mirror port copies it to a sensor with AF_XDP; an aggregator collects what it ships; the terminal shows the links.
 */
import { Command } from "commander";
import { errorLine, exitCodeOf } from "../../lib/errors.js";
import { liveDemo } from "./live-demo.js";
import { offlineDemo } from "./offline-demo.js";

export interface DemoOptions {
  interface?: string;
  force?: boolean;
  seconds?: number;
}

const program = new Command("npm start --")
  .description("runs a sensor, an aggregator and real traffic on this machine, and shows the links live")
  .option("--interface <name>", "capture from a real interface instead of the demonstration's own")
  .option("--force", "take an interface that has addresses; its frames no longer reach this host")
  .option("--seconds <n>", "stop by itself after so long", Number)
  .action(async (options: DemoOptions) => {
    if (process.getuid?.() === 0) return liveDemo(options);
    if (options.interface !== undefined) {
      process.stderr.write(
        "demo: capturing from an interface needs root; run: sudo npm start -- --interface ...\n",
      );
      process.exitCode = 4;
      return;
    }
    process.stderr.write(
      "demo: not root, so no AF_XDP and no network namespaces here: running the same pipeline on a generated capture file\n",
    );
    return offlineDemo();
  });

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`demo: ${errorLine(error)}\n`);
  process.exitCode = exitCodeOf(error);
});
