/** The two clocks of the machine, so that tests can turn them. */
export interface Clocks {
  /** ms since 1970: what somebody may set, and network time may step. */
  wall(): number;
  /** ms since some moment: only goes forwards, at the pace of time. */
  monotonic(): number;
}

export const SYSTEM_CLOCKS: Clocks = { wall: () => Date.now(), monotonic: () => performance.now() };
