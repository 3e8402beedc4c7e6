/** What stands behind the @ of a systemd unit, and the interface that is meant (systemd-escape(1), systemd.unit(5)). */

/** Bytes that a unit's name may hold as they are; "-" too, where a part of a name and not a path is meant. */
const PLAIN = /^[A-Za-z0-9:_.-]$/;

/** `sparsewire-sensor@NAME`: NAME as it is, but for what no unit's name can hold. */
export function unitInstance(name: string): string {
  const bytes = [...new TextEncoder().encode(name)];
  return bytes
    .map((byte) => (PLAIN.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : hex(byte)))
    .join("");
}

/** The interface of an instance, also where it was escaped: eth1, br-lan and br\x2dlan are eth1, br-lan and br-lan. */
export function instanceInterface(instance: string): string {
  if (!/\\x[0-9a-f]{2}/.test(instance)) return instance;
  const bytes = new TextEncoder().encode(instance);
  const plain: number[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const escaped = /^\\x([0-9a-f]{2})/.exec(String.fromCharCode(...bytes.subarray(at, at + 4)));
    plain.push(escaped === null ? bytes[at]! : Number.parseInt(escaped[1]!, 16));
    if (escaped !== null) at += 3;
  }
  return new TextDecoder().decode(Uint8Array.from(plain));
}

const hex = (byte: number): string => `\\x${byte.toString(16).padStart(2, "0")}`;
