/** Attaches the program of bpf/bridge.bpf.c to two interfaces, with no socket in its map, until stdin ends. */
import { fileURLToPath } from "node:url";
import { interfaceIndex, StandingLink, XdpProgram } from "xdp-node";

const XDP_REDIRECT = 4;
const [a, b] = process.argv.slice(2) as [string, string];
const object = fileURLToPath(new URL("../../../bpf/build/bridge.bpf.o", import.meta.url));
const program = XdpProgram.load(object, {
  program: "bridge",
  constants: {
    ifindex_a: interfaceIndex(a),
    ifindex_b: interfaceIndex(b),
    without_socket: XDP_REDIRECT,
  },
});
const links = [a, b].map((name) => StandingLink.attach(program, name, "xdp-native"));
process.stdout.write("ready\n");
process.stdin.resume().once("end", () => {
  for (const link of links) link.detach();
  program.close();
});
