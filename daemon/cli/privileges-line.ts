/** The line of `sparsewire status` about privileges: what the process holds. */
import type { PrivilegesStatus } from "../privileges/confine.js";

export function privilegesText(held: PrivilegesStatus): string {
  const { capabilities, landlock, seccomp } = held;
  const sets = [
    capabilities.effective,
    capabilities.permitted,
    capabilities.inheritable,
    capabilities.ambient,
  ];
  const names = [...new Set(sets.flat())];
  const held_ =
    names.length > 6 ? `${names.length} capabilities` : names.map((name) => `cap_${name}`).join(" ");
  return [
    `uid ${held.uid}`,
    names.length === 0 ? "no capabilities" : held_,
    held.no_new_privs ? "no_new_privs" : "new privileges possible",
    seccomp.mode === "none"
      ? "no seccomp filter"
      : `seccomp ${seccomp.mode}${seccomp.filters > 1 ? ` (${seccomp.filters})` : ""}`,
    landlock === null
      ? "no Landlock"
      : `Landlock ABI ${landlock.abi}: writes ${[...landlock.write].join(", ") || "nothing"}`,
    `${held.threads} threads`,
  ].join(", ");
}
