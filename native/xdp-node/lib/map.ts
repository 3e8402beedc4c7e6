/** Maps of a loaded BPF object. */
import { badArgument, guard } from "./errors.js";
import type { NativeMapInfo, NativeProgram } from "./native.js";

/** enum bpf_map_type of linux/bpf.h. */
const BPF_MAP_TYPE_XSKMAP = 17;

/** A map of a loaded program, alive as long as its program. Keys and values are in the host's byte order. */
export class BpfMap {
  /** enum bpf_map_type. */
  readonly type: number;
  /** Bytes; for a per-CPU map the value of one CPU. */
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** Possible CPUs of a per-CPU map; 0 for another map. */
  readonly cpus: number;
  #program: NativeProgram;

  constructor(
    program: NativeProgram,
    readonly name: string,
  ) {
    const info: NativeMapInfo = guard(`find map ${name}`, () => program.mapInfo(name));
    this.#program = program;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.cpus = info.cpus;
  }

  /** The value of a key; of a per-CPU map those of all CPUs, each padded to 8 bytes. undefined: no key. */
  lookup(key: Uint8Array | number): Uint8Array | undefined {
    return guard(`look up in map ${this.name}`, () => this.#program.lookup(this.name, this.#key(key)));
  }

  /** Sets the value of a key; of a per-CPU map the values of all CPUs, each padded to 8 bytes. */
  update(key: Uint8Array | number, value: Uint8Array): void {
    guard(`update map ${this.name}`, () => this.#program.update(this.name, this.#key(key), value));
  }

  /** Removes a key. False when it was not there; an XSKMAP does not tell, and says true. */
  delete(key: Uint8Array | number): boolean {
    return guard(`delete from map ${this.name}`, () => this.#program.remove(this.name, this.#key(key)));
  }

  /** Of an XSKMAP: gives the frames of an RX queue to a socket bound to that queue. */
  set(queue: number, socket: { readonly fd: number }): void {
    if (this.type !== BPF_MAP_TYPE_XSKMAP) throw badArgument(`map ${this.name} is no XSKMAP`);
    if (socket.fd < 0) throw badArgument("the socket is closed", "open a new one");
    this.update(queue, wordOf(socket.fd));
  }

  #key(key: Uint8Array | number): Uint8Array {
    return typeof key === "number" ? wordOf(key) : key;
  }
}

function wordOf(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
