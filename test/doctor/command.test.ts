/** The command itself, on this host. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Finding } from "../../daemon/cli/doctor/finding.js";
import { sparsewire } from "../cli/command.js";

interface Report {
  interface: string | null;
  verdict: string;
  findings: Finding[];
  modes: { mode: string; possible: boolean }[];
  best: { best: string; command: string };
}

/** Names that scripts may rely on: take none away. */
const HOST_CHECKS =
  "kernel bpf xdp xdp_link xskmap af_xdp need_wakeup multi_buffer busy_poll ring_buffer tcx btf jit unprivileged_bpf " +
  "landlock seccomp capabilities memlock huge_pages transparent_huge_pages shmem_huge_pages";
const INTERFACE_CHECKS =
  "link driver speed queues rss rings coalescing mtu addresses promiscuous counters lro gro_hw gro tso rxvlan " +
  "rx_vlan_filter xdp_program tc_programs xdp_sockets";
const MODE_CHECKS = "mode_mirror mode_host mode_inline mode_pcap best_mode";

const read = (args: string[]): { code: number | null; report: Report } => {
  const { code, out, err } = sparsewire(["doctor", ...args, "--json"]);
  assert.equal(err, "");
  return { code, report: JSON.parse(out) as Report };
};

test("--json: every check under its name, a mend wherever a verdict is not ok", () => {
  const { code, report } = read(["lo"]);
  assert.equal(report.interface, "lo");
  assert.equal(
    report.findings.map(({ check }) => check).join(" "),
    [HOST_CHECKS, INTERFACE_CHECKS, MODE_CHECKS].join(" "),
  );
  for (const { check, verdict, text, mend, group } of report.findings) {
    assert.match(verdict, /^(ok|warn|bad|unseen)$/, check);
    assert.ok(text.length > 3 && group.length > 3, check);
    assert.equal(mend === "", verdict === "ok", check);
  }
  assert.deepEqual(
    report.modes.map(({ mode }) => mode),
    ["mirror", "host", "inline", "pcap"],
  );
  const isLive = report.modes.some(({ mode, possible }) => possible && mode !== "pcap");
  assert.equal(code, isLive ? 0 : 5);
  assert.equal(report.best.best === "pcap", !isLive);
  assert.equal(report.findings.find(({ check }) => check === "addresses")!.verdict, "warn");
});

test("without an interface: the host alone", () => {
  const { report } = read([]);
  assert.equal(report.interface, null);
  assert.equal(report.findings.map(({ check }) => check).join(" "), `${HOST_CHECKS} ${MODE_CHECKS}`);
});

test("an interface that is not there: exit 1, one line", () => {
  const { code, err } = sparsewire(["doctor", "no-such-if"]);
  assert.equal(code, 1);
  assert.match(err, /^sparsewire: [^\n]*no interface no-such-if; [^\n]*\n$/);
});

test("--try: which bind mode is to be had", (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root, to open an AF_XDP socket");
  const { out, err } = sparsewire(["doctor", "lo", "--try"]);
  if (/bad +af_xdp/.test(out)) return t.skip("this kernel has no AF_XDP sockets");
  assert.match(out, /^ok +bind_copy +queue 0 binds in copy mode$/m, err);
  assert.match(out, /^warn +bind_zerocopy .*EOPNOTSUPP/m);
});

test("without rights: exit 5, what is missing, and what could not be seen", (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root, to become somebody else");
  const { code, out } = sparsewire(["doctor", "lo"], { uid: 65_534 });
  assert.equal(code, 5);
  assert.match(out, /^bad +capabilities +missing: CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF\n +-> run as root/m);
  assert.match(out, /^unseen +ring_buffer .*this process may not ask$/m);
  assert.match(out, /^bad +best_mode +pcap: .*with the rights that it lacks: host$/m);
});
