/**
 * Loads every program of the BPF objects in a folder with CAP_BPF and CAP_NET_ADMIN alone, as a sensor does, and prints what the
 * kernel said as JSON: node load-programs.js FOLDER. A process of its own, for capabilities do not come back.
 */
import { join } from "node:path";
import { dropCapabilities, effectiveCapabilities, XdpError, XdpProgram } from "xdp-node";

const CAPABILITIES = ["CAP_BPF", "CAP_NET_ADMIN"];
const LOG_LINES = 12;

/** By object: its programs, and the constants with which the verifier goes different ways. */
export const PROGRAMS: Readonly<
  Record<string, { programs: readonly string[]; constants: readonly Record<string, number>[] }>
> = {
  redirect: {
    programs: ["redirect", "redirect_frags"],
    constants: [{}, { shed_seed_low: 1, shed_seed_high: 2 }],
  },
  bridge: {
    programs: ["bridge", "bridge_frags", "bridge_tc"],
    // XDP_DROP, XDP_PASS, XDP_REDIRECT
    constants: [1, 2, 4].map((without_socket) => ({ ifindex_a: 7, ifindex_b: 8, without_socket })),
  },
  host: {
    programs: ["sparsewire_in", "sparsewire_out", "sparsewire_in3", "sparsewire_out3"],
    constants: [{ ring_mask: 0 }, { ring_mask: 3, shed_seed_low: 1, shed_seed_high: 2 }],
  },
  mirror: { programs: ["mirror"], constants: [{}] },
};

export interface LoadReport {
  capabilities: string[];
  loaded: number;
  /** Programs that were refused, with the kernel's last words. */
  refused: { program: string; why: string }[];
}

function load(folder: string): LoadReport {
  dropCapabilities(CAPABILITIES);
  const report: LoadReport = { capabilities: effectiveCapabilities(), loaded: 0, refused: [] };
  for (const [object, { programs, constants }] of Object.entries(PROGRAMS))
    for (const program of programs)
      for (const each of constants) {
        try {
          XdpProgram.load(join(folder, `${object}.bpf.o`), { program, constants: each }).close();
          report.loaded++;
        } catch (error) {
          const log = error instanceof XdpError ? error.log.trim().split("\n").slice(-LOG_LINES) : [];
          const name = `${object} ${program} ${JSON.stringify(each)}`;
          report.refused.push({ program: name, why: [(error as Error).message, ...log].join("\n") });
        }
      }
  return report;
}

if (process.argv[2] !== undefined) process.stdout.write(`${JSON.stringify(load(process.argv[2]))}\n`);
