/** What the doctor makes of recorded answers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Finding } from "../../daemon/cli/doctor/finding.js";
import { interfaceFindings, type Subject } from "../../daemon/cli/doctor/interface.js";
import { kernelFindings } from "../../daemon/cli/doctor/kernel.js";
import { advise, modesOf } from "../../daemon/cli/doctor/modes.js";
import { neighbourFindings } from "../../daemon/cli/doctor/neighbours.js";
import { offloadFindings } from "../../daemon/cli/doctor/offloads.js";
import { memoryFindings, processFindings } from "../../daemon/cli/doctor/process.js";
import { reportText } from "../../daemon/cli/doctor/report.js";
import { forbidden, probeOf, subjectOf, unprivilegedProbe } from "./recorded.js";

const notOk = (findings: Finding[]): string[] =>
  findings.filter(({ verdict }) => verdict !== "ok").map(({ check, verdict }) => `${verdict} ${check}`);

const ofInterface = (subject: Subject): Finding[] => [
  ...interfaceFindings(subject),
  ...offloadFindings(subject, true),
  ...neighbourFindings(subject),
];

/** The one finding that is not ok. */
function only(findings: Finding[]): Finding {
  const [finding, ...others] = findings.filter(({ verdict }) => verdict !== "ok");
  assert.deepEqual(others, []);
  return finding!;
}

test("a host as it should be has nothing to mend", () => {
  const probe = probeOf();
  assert.deepEqual(
    notOk([...kernelFindings(probe), ...processFindings(probe), ...memoryFindings(probe)]),
    [],
  );
  assert.deepEqual(notOk(ofInterface(subjectOf())), []);
});

test("each thing that the kernel lacks is named once, with what needs it", () => {
  const lacks: [Parameters<typeof probeOf>[0], string][] = [
    [{ jit: false }, "warn jit"],
    [{ unprivilegedBpfDisabled: 0 }, "warn unprivileged_bpf"],
    [{ landlock: 0 }, "warn landlock"],
    [{ landlock: 1 }, "warn landlock"],
    [{ seccomp: false }, "warn seccomp"],
    [{ ringBuffer: { ok: false, why: "the kernel does not know it (EINVAL)" } }, "bad ring_buffer"],
    [{ multiBuffer: { ok: false, why: "Linux 6.1 is older than 6.6" } }, "warn multi_buffer"],
    [{ afXdpSocket: { ok: false, why: "the kernel is built without it (EAFNOSUPPORT)" } }, "bad af_xdp"],
    [{ busyPoll: forbidden }, "unseen busy_poll"],
    [{ jit: null, unprivilegedBpfDisabled: null, seccomp: null, btf: false }, ""],
    [{ tcx: { ok: false, why: "the kernel does not know it (EINVAL)" } }, ""],
  ];
  for (const [changes, expected] of lacks)
    assert.equal(notOk(kernelFindings(probeOf(changes))).join(), expected, JSON.stringify(changes));
  const old = kernelFindings(probeOf({ kernel: "5.4.0", xdpLink: { ok: false, why: "older than 5.9" } }));
  assert.deepEqual(notOk(old), ["bad kernel", "bad xdp_link"]);
});

test("memory: limits and huge pages", () => {
  const limited = probeOf({ capabilities: { ...probeOf().capabilities, ipc_lock: false } });
  assert.match(only(processFindings(limited)).mend, /LimitMEMLOCK=infinity/);
  assert.match(only(processFindings(limited, 8)).text, /the frames of 8 queues take 1 GiB/);
  const [mirror, host] = modesOf(limited, subjectOf());
  assert.deepEqual([mirror!.possible, host!.possible], [false, true]);
  assert.match(mirror!.why, /lock too little memory/);
  assert.deepEqual(notOk(processFindings({ ...limited, memlockBytes: null })), []);
  const never = { total: 0, free: 0, bytesEach: 2 << 20, transparent: "never", shmem: "never" };
  assert.match(only(memoryFindings(probeOf({ hugePages: never }))).mend, /echo madvise/);
  const shared = (kernel: string, shmem: string): string =>
    memoryFindings(probeOf({ kernel, hugePages: { ...never, shmem } })).at(-1)!.text;
  for (const kernel of ["6.1.0-25-amd64", "6.12.41", "7.0.1"])
    assert.match(shared(kernel, "never"), /makes those that it needs/);
  assert.match(shared("5.15.0", "never"), /get none; echo advise/);
  assert.match(shared("6.12.41", "deny"), /get none; echo advise/);
  assert.deepEqual(notOk(memoryFindings(probeOf({ hugePages: { ...never, total: 64, free: 64 } }))), []);
});

test("the service that is advised is one that may run on the interface", () => {
  const mend = (report: Parameters<typeof subjectOf>[0]): string => {
    const probe = { ...unprivilegedProbe(), interface: subjectOf(report).report };
    return processFindings(probe).find(({ check }) => check === "capabilities")!.mend;
  };
  assert.match(mend({}), /service install --interface ens1f0 --now$/);
  assert.match(
    mend({ report: { addresses: { ipv4: ["192.0.2.1"], ipv6: [] } } }),
    /service install --interface ens1f0 --mode host --now$/,
  );
});

test("capabilities: which are missing for which mode", () => {
  const held = { ...probeOf().capabilities, net_raw: false, sys_admin: false };
  const noRaw = only(processFindings(probeOf({ capabilities: held })));
  assert.equal(noRaw.verdict, "warn");
  assert.match(noRaw.text, /missing for modes mirror and inline: CAP_NET_RAW/);
  const modes = modesOf(probeOf({ capabilities: held }));
  assert.deepEqual(
    modes.map(({ mode, possible }) => [mode, possible]),
    [
      ["mirror", false],
      ["host", true],
      ["inline", false],
      ["pcap", true],
    ],
  );
  const admin = probeOf({ capabilities: { ...held, net_raw: true, bpf: false, sys_admin: true } });
  assert.ok(
    modesOf(admin).every(({ possible }) => possible),
    "CAP_SYS_ADMIN stands for CAP_BPF",
  );
});

test("without rights: nothing is blamed on the kernel, and what would be best is still told", () => {
  const probe = unprivilegedProbe();
  assert.ok(kernelFindings(probe).every(({ verdict }) => verdict !== "bad"));
  const subject = subjectOf();
  const advice = advise(probe, modesOf(probe, subject), subject);
  assert.equal(advice.best, "pcap");
  assert.match(advice.why, /with the rights that it lacks: mirror$/);
});

test("the best mode follows what the interface is for", () => {
  const best = (subject: Subject, probe = probeOf()) => advise(probe, modesOf(probe, subject), subject);
  assert.deepEqual(
    [best(subjectOf()).best, best(subjectOf()).command],
    ["mirror", "sparsewire sensor --interface ens1f0 --mode mirror"],
  );
  const addressed = subjectOf({ report: { addresses: { ipv4: ["192.0.2.1"], ipv6: [] } } });
  assert.equal(best(addressed).best, "host");
  assert.equal(best(subjectOf({ report: { defaultRoute: true } })).best, "host");
  const port = subjectOf({ report: { users: [{ name: "br0", kind: "bridge", isMaster: true }] } });
  assert.equal(best(port).best, "host", "a bridge would have no network");
  assert.match(only(ofInterface(port)).text, /^br0 lives on its frames: mode mirror would take/);
  assert.equal(best(subjectOf({ report: { up: false, running: false } })).best, "host");
  assert.equal(best(subjectOf({ report: { xdp: { programId: 7, mode: "native" } } })).best, "host");
  const jumbo = subjectOf({ report: { mtu: 9000 } }, { hasMultiBuffer: false });
  assert.equal(best(jumbo).best, "host");
  const lo = subjectOf({
    report: { name: "lo", addresses: { ipv4: ["127.0.0.1"], ipv6: ["::1"] } },
    details: { loopback: true },
  });
  assert.equal(best(lo).command, "sparsewire sensor --interface lo --mode host --set host.loopback=true");
  const nothing = probeOf({ ringBuffer: { ok: false }, afXdpSocket: { ok: false } });
  assert.equal(best(subjectOf(), nothing).best, "pcap");
});

test("each fault of an interface is found, alone, with the command that mends it", () => {
  const faults: [Subject, check: string, mend: RegExp][] = [
    [subjectOf({ report: { up: false, running: false } }), "warn link", /^ip link set dev ens1f0 up$/],
    [subjectOf({ report: { running: false } }), "warn link", /cable/],
    [
      subjectOf({ details: { rings: { rx: 512, rxMax: 8160, tx: 512, txMax: 8160 } } }),
      "warn rings",
      /^ethtool -G ens1f0 rx 8160$/,
    ],
    [
      subjectOf({ details: { rss: { entries: 512, queues: [0, 1], keyBytes: 52 } } }),
      "warn rss",
      /^ethtool -X ens1f0 equal 8$/,
    ],
    [subjectOf({ report: { mtu: 9000 } }, { hasMultiBuffer: false }), "bad mtu", /mtu 1500/],
    [
      subjectOf({ report: { addresses: { ipv4: ["192.0.2.1"], ipv6: [] } } }),
      "warn addresses",
      /--mode host/,
    ],
    [subjectOf({ details: { features: { "rx-lro": true } } }), "warn lro", /^ethtool -K ens1f0 lro off$/],
    [subjectOf({ details: { features: { "rx-gro-hw": true } } }), "warn gro_hw", /rx-gro-hw off$/],
    [subjectOf({ details: { features: { "rx-vlan-hw-parse": true } } }), "warn rxvlan", /rxvlan off$/],
    [
      subjectOf({ details: { features: { "rx-vlan-filter": true } } }),
      "warn rx_vlan_filter",
      /^ethtool -K ens1f0 rx-vlan-filter off$/,
    ],
    [
      subjectOf({ details: { features: { "rx-lro": true }, fixedFeatures: ["rx-lro"] } }),
      "warn lro",
      /^sparsewire sensor --mode host --interface ens1f0$/,
    ],
    [
      subjectOf({
        report: { xdp: { programId: 42, mode: "native" } },
        details: { xdpProgramName: "filter" },
      }),
      "bad xdp_program",
      /xdpdrv off/,
    ],
    [
      subjectOf({
        details: {
          tc: {
            programs: [{ direction: "ingress", kind: "tcx", programId: 9, name: "cil_from_netdev" }],
            tcxUnseen: null,
            filtersUnseen: null,
          },
        },
      }),
      "warn tc_programs",
      /tc filter show dev ens1f0/,
    ],
    [
      subjectOf({ details: { tc: { programs: [], tcxUnseen: "EPERM", filtersUnseen: null } } }),
      "unseen tc_programs",
      /root/,
    ],
    [
      subjectOf({ details: { sockets: [{ queue: 3, zerocopy: true, inode: 1 }] } }),
      "bad xdp_sockets",
      /ss --xdp/,
    ],
    [subjectOf({ details: { sockets: null } }), "unseen xdp_sockets", /CONFIG_XDP_SOCKETS_DIAG/],
    [
      subjectOf({
        report: { counters: { rx_packets: 10, rx_missed_errors: 3 } },
        details: { rings: { rx: 4096, rxMax: 8160, tx: 512, txMax: 8160 } },
      }),
      "warn counters",
      /^ethtool -G ens1f0 rx 8160$/,
    ],
  ];
  for (const [subject, expected, mend] of faults) {
    const finding = only(ofInterface(subject));
    assert.equal(`${finding.verdict} ${finding.check}`, expected);
    assert.match(finding.mend, mend, expected);
  }
});

test("a VLAN filter that nobody can switch off is no fault: there is no command against it", () => {
  const subject = subjectOf({
    details: { features: { "rx-vlan-filter": true }, fixedFeatures: ["rx-vlan-filter"] },
  });
  assert.deepEqual(notOk(offloadFindings(subject, true)), []);
});

test("offloads that hurt only a mirror are no fault where the host uses the interface", () => {
  const subject = subjectOf({
    details: { features: { "rx-lro": true, "rx-vlan-hw-parse": true, "rx-gro": true } },
  });
  assert.deepEqual(notOk(offloadFindings(subject, false)), []);
  for (const { check, text } of offloadFindings(subject, false).filter(({ text: t }) => /: on/.test(t)))
    assert.match(text, /; host: /, check);
});

test("more queues than cores is told, not held against the host", () => {
  const finding = interfaceFindings(subjectOf({}, { cores: 2 })).find(({ check }) => check === "queues")!;
  assert.equal(finding.verdict, "ok");
  assert.match(finding.text, /8 RX queues of at most 64; all of them are captured, on 2 cores/);
});

test("text: groups in order, one column each, a shared mend once, colours only when asked for", () => {
  const probe = unprivilegedProbe();
  const findings = [...kernelFindings(probe), ...processFindings(probe)];
  const modes = modesOf(probe);
  const report = { interface: null, findings, modes, advice: advise(probe, modes) };
  const text = reportText(report, false);
  assert.ok(!text.includes("\x1b"));
  assert.match(text, /^kernel:\nok {6}\S/);
  assert.match(text, /\n\nthis process:\nbad {5}capabilities/);
  const ring = text.slice(text.indexOf("\nunseen  ring_buffer"));
  assert.match(ring, /^\nunseen +ring_buffer .*\nunseen +tcx .*\n +-> run as root/);
  const columns = text
    .split("\n")
    .filter((line) => /^(ok|warn|bad|unseen) /.test(line))
    .map((line) => /^\w+ +\w+ +/.exec(line)![0].length);
  assert.equal(new Set(columns).size, 1);
  assert.ok(reportText(report, true).includes("\x1b[31mbad   \x1b[0m"));
});
