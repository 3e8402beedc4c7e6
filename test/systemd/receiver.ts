/**
 * A service manager as far as messages go: a datagram socket, read by a few lines of Python (Node has none of AF_UNIX).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { requireProgram, temporaryFolder } from "../cli/command.js";

const SCRIPT = `
import json, socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
receiver.bind("\\0" + name[1:] if name[0] == "@" else name)
print(json.dumps("bound"), flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`;

export interface Receiver {
  /** For NOTIFY_SOCKET. */
  path: string;
  /** Each message with the ms since 1970 at which it was seen. */
  messages: { at: number; text: string }[];
  /** Waits for a message that matches, from the `from`th on; undefined when none came in time. */
  wait(pattern: RegExp, milliseconds: number, from?: number): Promise<string | undefined>;
}

/** Opens a notify socket; undefined, and the test is skipped, where there is no Python. */
export async function openReceiver(t: TestContext, abstractName?: string): Promise<Receiver | undefined> {
  if (!requireProgram(t, "python3")) return undefined;
  const path = abstractName === undefined ? join(temporaryFolder(t), "notify") : `@${abstractName}`;
  const child: ChildProcess = spawn("python3", ["-c", SCRIPT, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill());
  const messages: Receiver["messages"] = [];
  let text = "";
  let bound: () => void;
  const ready = new Promise<void>((resolve) => {
    bound = resolve;
  });
  child.stdout!.setEncoding("utf8").on("data", (piece: string) => {
    const lines = (text + piece).split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const message = JSON.parse(line) as string;
      if (message === "bound") bound();
      else messages.push({ at: Date.now(), text: message });
    }
  });
  await ready;
  return {
    path,
    messages,
    async wait(pattern, milliseconds, from = 0) {
      for (const deadline = Date.now() + milliseconds; Date.now() < deadline; ) {
        const found = messages.slice(from).find((message) => pattern.test(message.text));
        if (found !== undefined) return found.text;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return undefined;
    },
  };
}
