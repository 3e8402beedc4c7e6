/** Things to put right before the process ends by a signal: temporary files, the terminal's state. */

const pending = new Set<() => void>();
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs `undo` if a signal ends the process before the returned function is called. */
export function untilDone(undo: () => void): () => void {
  if (pending.size === 0) for (const signal of SIGNALS) process.on(signal, endBySignal);
  pending.add(undo);
  return () => {
    pending.delete(undo);
    if (pending.size === 0) for (const signal of SIGNALS) process.off(signal, endBySignal);
  };
}

/** Undoes everything, then dies of the same signal, so that shells see what happened. */
function endBySignal(signal: NodeJS.Signals): void {
  for (const undo of [...pending].reverse()) undo();
  pending.clear();
  for (const name of SIGNALS) process.off(name, endBySignal);
  process.kill(process.pid, signal);
}
