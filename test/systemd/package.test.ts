import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT, requireProgram, temporaryFolder } from "../cli/command.js";
import { captureOf } from "../cli/traffic.js";
import { PACKAGED_NODE } from "../nodes/releases.js";

const HOME = "usr/lib/sparsewire";

test("the package has what a machine without compilers and Node.js needs, and nothing of development", (t) => {
  for (const program of ["dpkg-deb", "dpkg-shlibdeps", "strip"]) if (!requireProgram(t, program)) return;
  const folder = temporaryFolder(t);
  const run = (command: string, args: string[], options: object = {}): string => {
    const done = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
    assert.equal(done.status, 0, `${command} ${args.join(" ")}: ${done.stderr}`);
    return done.stdout;
  };
  run(process.execPath, [
    join(ROOT, "systemd/package.mjs"),
    "--as-built",
    "--output",
    folder,
    "--level",
    "1",
  ]);
  const [name] = readdirSync(folder).filter((file) => file.endsWith(".deb"));
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  assert.match(name ?? "", new RegExp(`^sparsewire_${version.replaceAll(".", "\\.")}_(amd64|arm64)\\.deb$`));
  const deb = join(folder, name!);

  const listing = run("dpkg-deb", ["-c", deb]).split("\n");
  const paths = listing.map((line) => /\.\/(\S*)/.exec(line)?.[1] ?? "");
  for (const path of [
    "usr/bin/sparsewire",
    `${HOME}/bin/node`,
    `${HOME}/dist/daemon/cli/main.js`,
    `${HOME}/native/sandbox/build/capture.wasm`,
    `${HOME}/native/graphblas-wasm/build/graphblas.wasm`,
    `${HOME}/native/xdp-node/build/Release/xdp_node.node`,
    `${HOME}/native/xdp-node/build/Release/tc-attach`,
    `${HOME}/native/extension/sparsewire_extension.h`,
    `${HOME}/native/extension/build/template.wasm`,
    ...readdirSync(join(ROOT, "bpf"))
      .filter((file) => file.endsWith(".bpf.c") && file !== "mirror.bpf.c")
      .map((file) => `${HOME}/bpf/build/${file.replace(/c$/, "o")}`),
    "lib/systemd/system/sparsewire-sensor@.service",
    "lib/systemd/system/sparsewire-aggregator.service",
    "lib/systemd/system/sparsewire-bpf.service",
    "usr/lib/sysusers.d/sparsewire.conf",
    "usr/lib/tmpfiles.d/sparsewire.conf",
    "etc/sparsewire/sensor.toml",
    "etc/sparsewire/aggregator.toml",
    "usr/share/man/man1/sparsewire.1.gz",
    "usr/share/man/man5/sparsewire-sensor.toml.5.gz",
    "usr/share/man/man5/sparsewire-aggregator.toml.5.gz",
    "usr/share/bash-completion/completions/sparsewire",
    "usr/share/zsh/vendor-completions/_sparsewire",
    "usr/share/fish/vendor_completions.d/sparsewire.fish",
    "usr/share/doc/sparsewire/copyright",
    "usr/share/doc/sparsewire/changelog.gz",
    "usr/share/doc/sparsewire/LICENSE.node.gz",
  ])
    assert.ok(paths.includes(path), path);
  // The kit of extensions is source, on purpose.
  const others = paths.filter((path) => !path.startsWith(`${HOME}/native/extension/`));
  const strange = others.filter((path) =>
    /\.(ts|map|cc|c|o\.stamp|tsbuildinfo)$|\/test\/|\bbench|\/typescript\/|biome/.test(path),
  );
  assert.deepEqual(strange, []);
  for (const line of listing.filter((text) => text !== "")) assert.match(line, / root\/root /);

  const field = (of: string): string => run("dpkg-deb", ["-f", deb, of]).trim();
  assert.match(field("Depends"), /libbpf1 .*libc6 /);
  assert.doesNotMatch(field("Depends"), /nodejs|clang|gcc \(|g\+\+/);

  const tree = join(folder, "x");
  run("dpkg-deb", ["-R", deb, tree]);
  assert.deepEqual(readFileSync(join(tree, "DEBIAN/conffiles"), "utf8").trim().split("\n"), [
    "/etc/sparsewire/aggregator.toml",
    "/etc/sparsewire/sensor.toml",
  ]);
  for (const script of ["postinst", "prerm", "postrm"]) run("sh", ["-n", join(tree, "DEBIAN", script)]);
  run("md5sum", ["--check", "--quiet", "DEBIAN/md5sums"], { cwd: tree });

  // What was unpacked runs by itself: no PATH, no environment, no file of this repository.
  const command = (args: string[]): string =>
    run(join(tree, HOME, "bin/node"), [join(tree, HOME, "dist/daemon/cli/main.js"), ...args], {
      env: {},
      cwd: folder,
    });
  assert.equal(command(["--version"]).trim(), version);
  // Whatever builds the package, it brings the release that is pinned.
  assert.equal(run(join(tree, HOME, "bin/node"), ["--version"]).trim(), `v${PACKAGED_NODE}`);
  writeFileSync(join(folder, "a.pcap"), captureOf([["10.0.0.1", "10.0.0.2", 3]]));
  mkdirSync(join(folder, "out"));
  command(["ingest", "a.pcap", "-o", "out"]);
  assert.match(command(["matrix", "export", "out", "--format", "csv"]), /^10\.0\.0\.1,10\.0\.0\.2,3,/m);
  command(["matrix", "plot", "out", "-o", "p.png"]);
  assert.ok(existsSync(join(folder, "p.png")), "the rasteriser came along");
  assert.match(command(["check-config", join(tree, "etc/sparsewire/sensor.toml")]), /ok \(sensor\)/);
  assert.match(command(["service", "install", "--prefix", "image", "--dry-run"]), /systemctl daemon-reload/);
});
