/** Small helpers for workers and benches; each acts on the thread that calls it. */
import { guard } from "./errors.js";
import { native } from "./native.js";

/** CPU time that the calling thread has used, in nanoseconds. */
export function threadCpuNs(): bigint {
  return native.threadCpuNs();
}

/** Binds the calling thread to one CPU. */
export function setThreadAffinity(cpu: number): void {
  guard(`bind the thread to CPU ${cpu}`, () => native.setThreadAffinity(cpu));
}

/** Names the calling thread, as top and /proc show it; 15 bytes are kept. */
export function setThreadName(name: string): void {
  native.setThreadName(name);
}

/** The kernel's id of the calling thread. */
export function threadId(): number {
  return native.threadId();
}

/** CPU time of another thread of this process, ns; -1 when it is gone. */
export function cpuNsOfThread(id: number): number {
  return guard(`ask for the CPU time of thread ${id}`, () => native.cpuNsOfThread(id));
}

/** How late short sleeps of the calling thread may end, ns; the default is 50,000. */
export function setTimerSlack(ns: number): void {
  guard("set the timer slack", () => native.setTimerSlack(ns));
}

/**
 * Real-time scheduling (SCHED_FIFO) for the calling thread, 1 to 99: it runs before everything that is not.
 * @throws XdpError XDP_NOT_PERMITTED without CAP_SYS_NICE and RLIMIT_RTPRIO
 */
export function setRealtime(priority: number): void {
  guard("schedule this thread in real time", () => native.setRealtime(priority));
}
