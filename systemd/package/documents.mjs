/** What a Debian package says about itself: copyright, changelog, man pages, completions. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { nodeFolder, PACKAGED_NODE } from "../../native/nodes.mjs";

export const MAINTAINER = "Sparsewire maintainers <sparsewire@users.noreply.github.com>";

/** Writes one file, with the folders above it. */
export function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode: 0o644 });
}

/** gzip as policy wants it: best, without name and time. Not by Node's zlib, whose releases compress differently. */
function compressed(text) {
  const { stdout, status, error } = spawnSync("gzip", ["-9n"], { input: text, maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`gzip failed (${error?.code ?? status})`);
  return stdout;
}

/** Man pages and completions are made from the command tree and the configurations' schemas: they cannot be out of date. */
export async function writeManuals(root, tree) {
  const load = (path) => import(pathToFileURL(join(root, path)).href);
  const { manualPages } = await load("dist/daemon/cli/manual/pages.js");
  const { completionScript } = await load("dist/daemon/cli/completion/scripts.js");
  for (const { name, section, text } of await manualPages()) {
    write(join(tree, `usr/share/man/man${section}/${name}.${section}.gz`), compressed(text));
  }
  const places = {
    bash: "usr/share/bash-completion/completions/sparsewire",
    zsh: "usr/share/zsh/vendor-completions/_sparsewire",
    fish: "usr/share/fish/vendor_completions.d/sparsewire.fish",
  };
  for (const [shell, path] of Object.entries(places)) write(join(tree, path), completionScript(shell));
}

/** changelog.gz: one entry, for the version that is packaged. */
export function writeChangelog(tree, version, epoch) {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const text = `sparsewire (${version}) stable; urgency=medium

  * Built from the sources of version ${version}; their history says what changed.

 -- ${MAINTAINER}  ${date}
`;
  write(join(tree, "usr/share/doc/sparsewire/changelog.gz"), compressed(text));
}

/** The machine-readable copyright file: ours, Node.js, and every package that goes along. */
export function writeCopyright(root, tree, modules) {
  const stanzas = [
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: sparsewire",
    "Files: *\nCopyright: Sparsewire contributors\nLicense: Apache-2.0",
    "Files: usr/lib/sparsewire/bpf/*\nCopyright: Sparsewire contributors\nLicense: GPL-2.0-only or BSD-2-Clause",
    "Files: usr/lib/sparsewire/native/graphblas-wasm/*\nCopyright: Sparsewire contributors; Meta Platforms, Inc. (ZSTD)\n" +
      "License: Apache-2.0 and BSD-3-Clause\nComment: see NOTICE in that folder",
    `Files: usr/lib/sparsewire/bin/node\nCopyright: Node.js contributors, and the authors of what it contains\nLicense: Expat\n` +
      `Comment: Node.js ${PACKAGED_NODE} as its authors build it; all of its licences are in\n` +
      " /usr/share/doc/sparsewire/LICENSE.node.gz",
    ...modules.map(moduleStanza(root)),
  ];
  const ids = new Set(modules.map(({ license }) => licenseName(license)));
  for (const id of ["Apache-2.0", "GPL-2.0-only", "BSD-2-Clause", "BSD-3-Clause", "Expat"]) ids.add(id);
  for (const id of [...ids].sort()) stanzas.push(`License: ${id}\n${licenseText(id)}`);
  write(join(tree, "usr/share/doc/sparsewire/copyright"), `${stanzas.join("\n\n")}\n`);
  write(join(tree, "usr/share/doc/sparsewire/LICENSE.node.gz"), compressed(nodeLicense()));
}

const licenseName = (license) =>
  license === "MIT" ? "Expat" : String(license ?? "unknown").replace(/[()]/g, "");

function moduleStanza(root) {
  return ({ folder, name, version, license }) => {
    const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? "" : readFileSync(join(root, folder, file), "utf8");
    const holders = [...text.matchAll(/^.*copyright (?:\(c\)|©|\d{4}).*$/gim)].map(([line]) => line.trim());
    const copyright = holders.length > 0 ? holders.join("\n ") : `the authors of ${name}`;
    return `Files: usr/lib/sparsewire/${folder}/*\nCopyright: ${copyright}\nLicense: ${licenseName(license)}\nComment: ${name} ${version}`;
  };
}

/** Debian has the long ones; of the others the terms lie beside the code they belong to. */
function licenseText(id) {
  const common = { "Apache-2.0": "Apache-2.0", "GPL-2.0-only": "GPL-2" }[id];
  if (common !== undefined) return ` On Debian systems the text is in /usr/share/common-licenses/${common}.`;
  return " The text is in the LICENSE file of each component below /usr/lib/sparsewire/node_modules, and for Node.js and\n ZSTD in LICENSE.node.gz and native/graphblas-wasm/NOTICE.";
}

function nodeLicense() {
  return readFileSync(join(nodeFolder(PACKAGED_NODE), "LICENSE"), "utf8");
}
