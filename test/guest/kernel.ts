/** The guest's kernel: a cloud kernel of Debian's backports, the first whose virtio_net does AF_XDP zero-copy. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Archive, GuestUnavailable, PrivateApt, run } from "./apt.js";
import { cached, cacheFolder } from "./cache.js";

const SUITE = "trixie-backports";
/** Zero-copy on virtio_net works from this release on; others of the suite are taken when it has gone from there. */
const WANTED = [6, 18] as const;
const NAME = /^linux-image-((\d+)\.(\d+)\.(\d+)\S*-cloud-amd64)$/;

export interface Kernel {
  release: string;
  /** Path of the kernel itself, and of the folder with its modules. */
  image: string;
  modules: string;
}

/** A kernel of the cache, else the newest fitting one of the archive. Throws GuestUnavailable where there is none. */
export async function kernel(archive: Archive, say: (text: string) => void): Promise<Kernel> {
  const kept = readdirSync(cacheFolder()).filter((name) => NAME.test(name));
  const name = best(kept) ?? (await fetchKernel(archive, say));
  const folder = join(cacheFolder(), name);
  const release = NAME.exec(name)![1]!;
  return {
    release,
    image: join(folder, `boot/vmlinuz-${release}`),
    modules: join(folder, `usr/lib/modules/${release}`),
  };
}

async function fetchKernel(archive: Archive, say: (text: string) => void): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sparsewire-kernel-"));
  try {
    const apt = new PrivateApt(folder, { uri: archive.uri, suite: SUITE });
    const name = best(apt.names("^linux-image-[0-9.]*.*-cloud-amd64$"));
    if (name === undefined)
      throw new GuestUnavailable(`${SUITE} has no cloud kernel from ${WANTED.join(".")} on`);
    say(`fetching ${name} (about 50 MB)`);
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

/** The newest kernel of the wanted series, else the newest after it. */
export function best(names: readonly string[]): string | undefined {
  const rank = (name: string): number[] => NAME.exec(name)!.slice(2, 5).map(Number);
  const order = (a: number[], b: number[]): number =>
    a.map((value, i) => value - b[i]!).find((difference) => difference !== 0) ?? 0;
  const fit = names
    .filter((name) => NAME.test(name) && order(rank(name), [...WANTED, 0]) >= 0)
    .sort((a, b) => order(rank(a), rank(b)));
  const isWanted = (name: string): boolean => order(rank(name).slice(0, 2), [...WANTED]) === 0;
  return fit.findLast(isWanted) ?? fit.at(-1);
}
