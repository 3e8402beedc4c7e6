export { dropCapabilities, effectiveCapabilities } from "./capabilities.js";
export { XdpError, type XdpErrorCode } from "./errors.js";
export { Frames } from "./frames.js";
export { type Channels, type InterfaceReport, interfaceCounters } from "./interface.js";
export { BpfMap, BpfMap as XskMap } from "./map.js";
export { addressOf, type Backing, type BackingOptions, backMemory, type Memory, pageSize } from "./memory.js";
export { notifyServiceManager } from "./notify.js";
export { type Check, type ProbeReport, probe } from "./probe.js";
export { type LoadOptions, redirectObject, XdpLink, XdpProgram } from "./program.js";
export {
  type Ring,
  type RingSizes,
  wakeRx,
  type XskOptions,
  XskSocket,
  type XskStatistics,
} from "./socket.js";
export { setThreadAffinity, setThreadName, threadCpuNs } from "./thread.js";
export { Umem, type UmemRange } from "./umem.js";
