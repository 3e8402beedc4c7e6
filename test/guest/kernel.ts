/** The guests' kernels: cloud kernels of Debian's archive, each the first or the last of its kind that matters here. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Archive, GuestUnavailable, PrivateApt, run } from "./apt.js";
import { cached, cacheFolder } from "./cache.js";

/** Kernels `release` of a suite. */
export interface Series {
  suite: string;
  release: readonly [number, number];
  /** Whether a newer one does as well, where the suite has that release no more. */
  orNewer: boolean;
}

/** virtio_net's AF_XDP zero-copy works from this release on. */
export const ZERO_COPY: Series = { suite: "trixie-backports", release: [6, 18], orNewer: true };
/** What Debian 12 comes with: no tcx, no scoped signals, no extended BPF tokens; thousands of servers run it. */
export const STOCK: Series = { suite: "bookworm", release: [6, 1], orNewer: false };

const NAME = /^linux-image-((\d+)\.(\d+)\.(\d+)(?:-(\d+))?\S*-cloud-amd64)$/;

export interface Kernel {
  release: string;
  /** Path of the kernel itself, and of the folder with its modules. */
  image: string;
  modules: string;
}

/** A kernel of the cache, else the newest fitting one of the archive. Throws GuestUnavailable where there is none. */
export async function kernel(archive: Archive, series: Series, say: (text: string) => void): Promise<Kernel> {
  const name = best(readdirSync(cacheFolder()), series) ?? (await fetchKernel(archive, series, say));
  const folder = join(cacheFolder(), name);
  const release = NAME.exec(name)![1]!;
  // Newer packages have modules where the merged /usr has them, older ones in /lib.
  const lib = readdirSync(folder).includes("usr") && readdirSync(join(folder, "usr")).includes("lib");
  return {
    release,
    image: join(folder, `boot/vmlinuz-${release}`),
    modules: join(folder, lib ? "usr/lib" : "lib", "modules", release),
  };
}

async function fetchKernel(archive: Archive, series: Series, say: (text: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-kernel-"));
  try {
    const apt = new PrivateApt(folder, { uri: archive.uri, suite: series.suite });
    const name = best(apt.names("^linux-image-[0-9.]*.*-cloud-amd64$"), series);
    if (name === undefined)
      throw new GuestUnavailable(`${series.suite} has no cloud kernel ${series.release.join(".")}`);
    say(`fetching ${name} (up to 50 MB)`);
    const file = apt.download(name, folder);
    await cached(name, (target) => void run("dpkg-deb", ["-x", file, target]));
    return name;
  } catch (error) {
    if (error instanceof GuestUnavailable) throw error;
    throw new GuestUnavailable(`the kernel package is not to be had: ${(error as Error).message}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The newest kernel of the series, else the newest after it where that does. */
export function best(names: readonly string[], { release, orNewer }: Series): string | undefined {
  const rank = (name: string): number[] =>
    NAME.exec(name)!
      .slice(2, 6)
      .map((part) => Number(part ?? 0));
  const order = (a: readonly number[], b: readonly number[]): number =>
    a.map((value, i) => value - b[i]!).find((difference) => difference !== 0) ?? 0;
  const fit = names
    .filter((name) => NAME.test(name) && order(rank(name), [...release, 0, 0]) >= 0)
    .sort((a, b) => order(rank(a), rank(b)));
  const isWanted = (name: string): boolean => order(rank(name).slice(0, 2), release) === 0;
  return fit.findLast(isWanted) ?? (orNewer ? fit.at(-1) : undefined);
}
