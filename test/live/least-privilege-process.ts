/** Loads one program of an object with the rights that the unit grants, and no other: OBJECT PROGRAM. */
import { dropCapabilities, type XdpError, XdpProgram } from "xdp-node";

/** Of the verifier's log, which tells of every instruction. */
const LOG_LINES = 8;

const [object, program] = process.argv.slice(2) as [string, string];
dropCapabilities(["net_admin", "net_raw", "bpf"]);
try {
  XdpProgram.load(object, { program }).close();
} catch (error) {
  const { message, log = "" } = error as XdpError;
  process.stderr.write(`${message}\n${log.trim().split("\n").slice(-LOG_LINES).join("\n")}\n`);
  process.exitCode = 1;
}
