/** What this process may do, and giving it up. */
import { readFileSync } from "node:fs";
import { badArgument, guard } from "./errors.js";
import { native } from "./native.js";

/** Names by number, without CAP_. Source: linux/capability.h. */
const NAMES = (
  "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable " +
  "net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot " +
  "sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease " +
  "audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read " +
  "perfmon bpf checkpoint_restore"
).split(" ");

/** The names of the capabilities in a set as /proc writes it: 16 hexadecimal digits. */
export function namesOf(set: string): string[] {
  const bits = BigInt(`0x${set}`);
  const names: string[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if ((bits >> BigInt(bit)) & 1n) names.push(NAMES[bit] ?? `cap_${bit}`);
  }
  return names;
}

/** Effective capabilities of the calling thread, lower case, without "cap_". */
export function effectiveCapabilities(): string[] {
  const status = readFileSync("/proc/thread-self/status", "latin1");
  return namesOf(/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? "0");
}

/**
 * Gives up every capability but those named, for good and for all threads of this process: effective,
 * permitted, inheritable and ambient sets, and the bounding set where CAP_SETPCAP allows it. When it returns,
 * every thread that is alive has dropped (workers, V8's and libuv's included), and threads inherit from the
 * one that starts them. To wake an open AF_XDP socket, to read its statistics and to look into maps no
 * capability is needed (Linux 5.18; before, looking into maps takes bpf).
 * @param keep such as ["net_admin", "CAP_BPF"]
 * @returns the effective capabilities that remain
 * @throws XdpError XDP_BAD_ARGUMENT for an unknown name; XDP_SYSTEM if a thread does not answer within 2 s:
 *   end the process then, some of its threads still have what they had
 */
export function dropCapabilities(keep: string[]): string[] {
  const numbers = keep.map((name) => {
    const number = NAMES.indexOf(name.toLowerCase().replace(/^cap_/, ""));
    if (number < 0) throw badArgument(`there is no capability ${name}`, "see capabilities(7)");
    return number;
  });
  guard("drop capabilities", () => native.dropCapabilities(numbers));
  return effectiveCapabilities();
}
