/** Which running sensor a command means: the one named with --socket, else the only one there is. */
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { RUN_FOLDER, usage } from "./command.js";

/** The option's text, the same everywhere. */
export const SOCKET_HELP = `control socket of the sensor (default: that of the only one running, in ${RUN_FOLDER})`;
const USUAL = "sensor.sock";
const ANSWER_MS = 1000;

/**
 * The control socket to ask. Without a `given` one: the only socket of a sensor in the folder at which somebody answers.
 * With none, or a folder that may not be read, the usual place, so that asking there says what is wrong.
 *
 * @throws SparsewireError USAGE when several sensors run
 */
export async function socketOf(given: string | undefined, folder = RUN_FOLDER): Promise<string> {
  if (given !== undefined) return given;
  const usual = join(folder, USUAL);
  const paths = socketsIn(folder);
  if (paths.length <= 1) return paths[0] ?? usual;
  // A sensor that was killed leaves its socket behind.
  const answers = await Promise.all(paths.map(isAnswering));
  const running = paths.filter((_, at) => answers[at]);
  if (running.length <= 1) return running[0] ?? paths[0]!;
  throw usage(
    `${running.length} sensors run here: ${running.join(", ")}`,
    `say which one with --socket ${running[0]}`,
  );
}

function socketsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name === USUAL || /^sensor-.+\.sock$/.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(ANSWER_MS, () => done(true)); // it took the connection up to its queue: somebody is there
    socket.once("connect", () => done(true));
    // Not permitted to ask is not the same as nobody there.
    socket.once("error", ({ code }: NodeJS.ErrnoException) => done(code === "EACCES" || code === "EPERM"));
  });
}
