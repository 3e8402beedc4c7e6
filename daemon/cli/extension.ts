/** `sparsewire extension`: looks at extensions before a sensor does, and begins new ones. */
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { EXIT, SparsewireError } from "../../lib/errors.js";
import type { ExtensionDescription } from "../../lib/extension-abi.js";
import { printable } from "../../lib/printable.js";
import { examples, type Result } from "./command.js";
import { cannotWrite } from "./ingest-archives.js";
import { say } from "./output.js";

const KIT = fileURLToPath(new URL("../../../native/extension/", import.meta.url));
/** What a new extension consists of: from the kit, and its name there. */
const TEMPLATES = {
  c: [
    ["template/extension.c", "extension.c"],
    ["template/Makefile", "Makefile"],
    ["sparsewire_extension.h", "sparsewire_extension.h"],
  ],
  assemblyscript: [
    ["template/extension.ts", "extension.ts"],
    ["template/package.json", "package.json"],
    ["sparsewire.ts", "sparsewire.ts"],
  ],
} as const;

export function registerExtension(parent: Command, result: Result): void {
  const command = parent.command("extension").description("programs of your own that see every frame");
  const check = command
    .command("check")
    .description(
      "tell whether a .wasm file is an extension, what its matrix is, and everything that is wrong",
    )
    .argument("<file>", "the WebAssembly module")
    .option("--json", "print JSON for machines, also for errors")
    .action(async (file: string, options: { json?: boolean }) => {
      const report = await checkExtension(file);
      say(options.json ? `${JSON.stringify(report, null, 1)}\n` : reportText(report));
      if (report.faults.length > 0) result.code = EXIT.badInput;
    });
  examples(check, [["sparsewire extension check mine.wasm", "its imports, exports, memory and description"]]);
  const begin = command
    .command("new")
    .description("copy the template of an extension into a new folder")
    .argument("<folder>", "made if it is missing")
    .option("--assemblyscript", "in AssemblyScript instead of C")
    .action((folder: string, options: { assemblyscript?: boolean }) => {
      const files = TEMPLATES[options.assemblyscript ? "assemblyscript" : "c"];
      copyTemplate(folder, files);
      const build = options.assemblyscript ? "npm install && npm run build" : "make";
      say(
        `${files.map(([, name]) => printable(join(folder, name))).join("\n")}\nbuild it there with: ${build}\n`,
      );
    });
  examples(begin, [
    ["sparsewire extension new mine && make -C mine", "an extension in C, built with clang"],
    ["sparsewire extension new mine --assemblyscript", "the same in AssemblyScript"],
  ]);
}

interface Report {
  file: string;
  bytes: number;
  faults: string[];
  description: ExtensionDescription | null;
}

async function checkExtension(file: string): Promise<Report> {
  const [{ faultsOf, readExtension }, { tryExtension }, { extensionsOf }] = await Promise.all([
    import("../extension/files.js"),
    import("../extension/try.js"),
    import("../extension/settings.js"),
  ]);
  const bytes = readExtension(file);
  const [settings] = extensionsOf([file]);
  const faults = faultsOf(bytes, settings!.memoryMax);
  const report: Report = { file: basename(resolve(file)), bytes: bytes.length, faults, description: null };
  if (faults.length > 0) return report;
  try {
    report.description = await tryExtension(settings!);
  } catch (error) {
    faults.push((error as Error).message);
  }
  return report;
}

function reportText({ file, bytes, faults, description }: Report): string {
  if (description === null) return `${faults.map((fault) => `${printable(`${file}: ${fault}`)}\n`).join("")}`;
  const { row, column, value, combine } = description;
  return (
    `${printable(file)}: an extension (${bytes} bytes)\n` +
    `rows: ${row.name} (${row.kind}), columns: ${column.name} (${column.kind}), values: ${value}, combined by ${combine}\n`
  );
}

function copyTemplate(folder: string, files: readonly (readonly [string, string])[]): void {
  try {
    mkdirSync(folder, { recursive: true });
    for (const [, name] of files) {
      if (!existsSync(join(folder, name))) continue;
      throw new SparsewireError("EXISTS", `${join(folder, name)} is there already`, {
        exit: EXIT.usage,
        mend: "name another folder",
      });
    }
    for (const [from, name] of files) copyFileSync(join(KIT, from), join(folder, name));
  } catch (error) {
    throw error instanceof SparsewireError ? error : cannotWrite(folder, error);
  }
}
