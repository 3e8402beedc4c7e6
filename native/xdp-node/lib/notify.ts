/**
 * The service manager's notify socket. Node has no datagram sockets of AF_UNIX, and `systemd-notify` would be a process
 * for every message, which a process that may no longer exec cannot start.
 */
import { guard } from "./errors.js";
import { native } from "./native.js";

/** Makes the socket that notifyServiceManager() uses, for a process that will not be allowed to. Returns 0 or an errno. */
export function openNotifySocket(): number {
  return native.openNotify();
}

/**
 * Sends one message of sd_notify's protocol ("READY=1", "WATCHDOG=1\nSTATUS=..."). `socket` is the value of
 * NOTIFY_SOCKET: an absolute path, or @ and an abstract name. Waits at most a second for a full queue.
 * Returns 0, or the errno for which it could not be sent.
 *
 * @throws XdpError XDP_BAD_ARGUMENT for a name that is neither
 */
export function notifyServiceManager(socket: string, state: string): number {
  return guard("notify the service manager", () => native.notify(socket, state));
}
