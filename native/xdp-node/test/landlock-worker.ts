/** A worker that tries a list of file operations; it answers with the errors' codes, "ok" where there was none. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { parentPort } from "node:worker_threads";

const OPERATIONS: Record<string, (path: string) => unknown> = {
  read: (path) => readFileSync(path),
  list: (path) => readdirSync(path),
  write: (path) => writeFileSync(path, "x"),
  append: (path) => writeFileSync(path, "x", { flag: "a" }),
  rename: (path) => renameSync(path, `${path}.new`),
  remove: (path) => rmSync(path),
};

/** Each try is [operation, path]. */
export async function attemptFiles(tries: [string, string][]): Promise<string[]> {
  const outcomes = tries.map(([operation, path]) => {
    try {
      OPERATIONS[operation]!(path);
      return "ok";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  });
  const server = createServer();
  const bound = await new Promise<string>((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code!));
    server.listen(0, "127.0.0.1", () => resolve("ok"));
  });
  server.close();
  return [...outcomes, bound];
}

parentPort?.on("message", async (tries) => parentPort!.postMessage(await attemptFiles(tries)));
parentPort?.postMessage("up");
