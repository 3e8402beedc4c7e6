/**
 * A virtual machine under test: QEMU, its console in a file, and a port on which the agent inside runs scripts. Its network
 * cards are on two hubs, two on each: what eth1 sends, eth0 receives, and what eth3 sends, eth2, and back.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface MachineOptions {
  kernel: string;
  initramfs: string;
  /** Root disk; never written: changes live as long as the machine. */
  disk: string;
  /** A second disk, read-only: /dev/vdb. */
  payload: string;
  memoryMb: number;
}

export interface Answer {
  status: number;
  stdout: string;
  stderr: string;
}

const KERNEL_COMMAND_LINE = [
  "console=ttyS0",
  "panic=-1",
  "quiet",
  "net.ifnames=0",
  "tsc=reliable",
  // Nothing of this is under test, and an emulated processor takes its time over it.
  "apparmor=0",
  "audit=0",
  "systemd.show_status=no",
  // A busy host takes the guest's processors away for seconds: no fault of its kernel, which is asked for its faults.
  "nowatchdog",
  "rcupdate.rcu_cpu_stall_suppress=1",
].join(" ");
const CONSOLE_LINES = 40;

export class Machine {
  readonly #folder = mkdtempSync(join(tmpdir(), "sparsewire-guest-"));
  readonly #console = join(this.#folder, "console.log");
  readonly #server: Server;
  readonly #child: ChildProcess;
  #port: Socket | undefined;
  #received = "";
  #nextId = 0;
  #end: Error | undefined;
  #waiting = new Map<string, { resolve(answer: Answer): void; reject(error: Error): void }>();
  readonly #booted: Promise<void>;

  /** Starts the machine; `boot` waits until it answers. */
  constructor(options: MachineOptions) {
    const path = join(this.#folder, "port");
    this.#server = createServer((port) => this.#connect(port)).listen(path);
    this.#booted = new Promise((resolve, reject) =>
      this.#waiting.set("ready", { resolve: () => resolve(), reject }),
    );
    this.#booted.catch(() => {});
    const log = openSync(join(this.#folder, "qemu.log"), "w");
    this.#child = spawn("qemu-system-x86_64", qemuArguments(options, path, this.#console), {
      stdio: ["ignore", log, log],
    });
    this.#child.once("error", (error) => this.#fail(error.message));
    this.#child.once("exit", (code, signal) => this.#fail(`QEMU ended with ${signal ?? code}`));
  }

  /** What the guest's console says, and QEMU itself. */
  get console(): string {
    const read = (path: string): string => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return "";
      }
    };
    return read(join(this.#folder, "qemu.log")) + read(this.#console);
  }

  /** Waits for the agent. */
  async boot(seconds: number): Promise<void> {
    await this.#within(seconds, "the guest did not boot", this.#booted);
  }

  /** Runs a bash script in the guest; `seconds` is how long it may take. */
  async run(script: string, seconds = 60): Promise<Answer> {
    if (this.#end !== undefined) throw this.#end;
    const id = String(this.#nextId++);
    const answer = new Promise<Answer>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#port!.write(`${id} ${seconds} ${Buffer.from(script).toString("base64")}\n`);
    // The guest ends the script by itself; the rest is for a guest that does not answer at all.
    return this.#within(seconds + 60, `the guest did not answer: ${script}`, answer);
  }

  /** Like run, for a script that has to succeed: its stdout. */
  async sh(script: string, seconds = 60): Promise<string> {
    const { status, stdout, stderr } = await this.run(script, seconds);
    if (status === 0) return stdout;
    throw new Error(`in the guest: ${script}\nended with ${status}: ${stderr}${stdout}`);
  }

  /** Ends the machine and removes what it left. */
  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined) {
      const gone = new Promise((resolve) => this.#child.once("exit", resolve));
      this.#child.kill("SIGKILL");
      await gone;
    }
    this.#port?.destroy();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #connect(port: Socket): void {
    this.#port = port;
    port.setEncoding("latin1").on("data", (text: string) => {
      const lines = (this.#received + text).split("\n");
      this.#received = lines.pop()!;
      for (const line of lines) this.#take(line);
    });
    port.on("error", () => {}); // QEMU's end is told by its exit
  }

  #take(line: string): void {
    const [id, status, stdout, stderr] = line.trim().split(" ");
    const decode = (text = ""): string => Buffer.from(text.replace(/\.$/, ""), "base64").toString();
    this.#waiting
      .get(id!)
      ?.resolve({ status: Number(status), stdout: decode(stdout), stderr: decode(stderr) });
    this.#waiting.delete(id!);
  }

  #fail(what: string): void {
    const tail = this.console.split("\n").slice(-CONSOLE_LINES).join("\n");
    this.#end = new Error(`${what}; the console's last lines:\n${tail}`);
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }

  async #within<T>(seconds: number, what: string, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        const tail = this.console.split("\n").slice(-CONSOLE_LINES).join("\n");
        reject(new Error(`${what} within ${seconds} s; the console's last lines:\n${tail}`));
      }, seconds * 1000);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function qemuArguments(options: MachineOptions, port: string, console: string): string[] {
  // Without both of these virtio_net refuses zero-copy: it needs the DMA API to map frames.
  const card = "virtio-net-pci,romfile=,disable-legacy=on,iommu_platform=on";
  const drive = (name: string, file: string, more: string): string[] => [
    "-drive",
    `if=none,id=${name},file=${file},format=raw,${more}`,
    "-device",
    `virtio-blk-pci,drive=${name}`,
  ];
  return [
    ...["-accel", "tcg", "-cpu", "max", "-machine", "q35", "-smp", "2", "-m", String(options.memoryMb)],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"],
    ...["-serial", `file:${console}`],
    ...["-kernel", options.kernel, "-initrd", options.initramfs, "-append", KERNEL_COMMAND_LINE],
    ...drive("root", options.disk, "snapshot=on"),
    ...drive("payload", options.payload, "readonly=on"),
    ...[1, 1, 2, 2].flatMap((hub, i) => [
      ...["-netdev", `hubport,id=net${i},hubid=${hub}`],
      ...["-device", `${card},netdev=net${i},mac=52:54:00:00:00:0${i + 1}`],
    ]),
    ...["-device", "virtio-serial-pci", "-chardev", `socket,id=port,path=${port}`],
    ...["-device", "virtserialport,chardev=port,name=sparsewire.control"],
    ...["-device", "virtio-rng-pci"],
  ];
}
