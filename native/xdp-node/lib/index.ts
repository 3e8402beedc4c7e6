/// <reference lib="esnext.disposable" preserve="true" />
export { dropCapabilities, effectiveCapabilities } from "./capabilities.js";
export { XdpError, type XdpErrorCode } from "./errors.js";
export { type FileLock, lockFile } from "./file-lock.js";
export { Frames } from "./frames.js";
export { type CapabilitySets, type HeldPrivileges, heldPrivileges, setDumpable } from "./held.js";
export { type BoundSocket, type InterfaceDetails, inspectInterface, type TcProgram } from "./inspect.js";
export {
  type Channels,
  channelsOf,
  type InterfaceReport,
  interfaceCounters,
  interfaceIndex,
  linkState,
} from "./interface.js";
export { isAtLeast } from "./kernel.js";
export { type FileRestriction, type FileRules, landlockAbi, restrictFiles } from "./landlock.js";
export { InterfaceWatch, type NetworkInterface, networkInterfaces } from "./links.js";
export { BpfMap, BpfMap as XskMap } from "./map.js";
export {
  addressOf,
  type Backing,
  type BackingOptions,
  backMemory,
  type Memory,
  mapPrivately,
  type PrivateMapping,
  pageSize,
  privateBytes,
} from "./memory.js";
export { notifyServiceManager, openNotifySocket } from "./notify.js";
export { type Check, type ProbeReport, probe } from "./probe.js";
export { type LoadOptions, redirectObject, XdpLink, XdpProgram } from "./program.js";
export { limitResources } from "./resources.js";
export { RingBuffer, type RingBufferOptions } from "./ringbuf.js";
export {
  BPF_COMMANDS,
  installSeccomp,
  type Reasoned,
  type SeccompOptions,
  type SeccompRule,
  SOCKET_FAMILIES,
  seccompProgram,
  seccompRules,
} from "./seccomp.js";
export {
  type Ring,
  type RingSizes,
  SpareSocket,
  waitForFrames,
  wakeRx,
  wakeTx,
  type XskOptions,
  XskSocket,
  type XskStatistics,
} from "./socket.js";
export {
  holdPromiscuous,
  isBpfFileSystem,
  type StandingKind,
  StandingLink,
  setPromiscuous,
} from "./standing.js";
export {
  type Direction,
  type Layer,
  TcAttacher,
  type TcAttachment,
  type TcLoadOptions,
  TcPrograms,
} from "./tc.js";
export {
  cpuNsOfThread,
  setRealtime,
  setThreadAffinity,
  setThreadName,
  setTimerSlack,
  threadCpuNs,
  threadId,
} from "./thread.js";
export { Umem, type UmemRange } from "./umem.js";
export { canMakeUring, openUrings, restartWithoutUring } from "./uring.js";
