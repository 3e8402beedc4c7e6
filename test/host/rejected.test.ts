/** A kernel whose verifier rejects a program rejects it at every start: the service must not be started again. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { XdpError } from "xdp-node";
import { explain } from "../../daemon/sensor/guard.js";
import { EXIT, exitCodeOf } from "../../lib/errors.js";
import { ROOT } from "../cli/command.js";

test("a program that the kernel rejects is not supported here, which no restart mends", () => {
  const rejected = new XdpError(
    "XDP_PROGRAM_REJECTED",
    "the kernel rejected the program",
    "use a newer kernel",
  );
  assert.equal(exitCodeOf(explain(rejected)), EXIT.unsupported);
  const unit = readFileSync(join(ROOT, "systemd/sparsewire-sensor@.service"), "utf8");
  const prevented = /^RestartPreventExitStatus=(.*)$/m.exec(unit)![1]!.split(" ");
  assert.ok(prevented.includes(String(EXIT.unsupported)));
});
