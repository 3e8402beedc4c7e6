/** The wire of mode inline: from eth1 by eth0 and eth2 to eth3, and back. tcpdump is the witness at both ends. */
import type { Machine } from "../guest/machine.js";

/**
 * Sends a batch of the payload disk each way, at the same time. How many frames came out, of each way, where each byte of
 * them is as it was sent; else what differs.
 */
export async function passing(machine: Machine, [there, back]: readonly [number, number]): Promise<string> {
  return (await machine.sh(script(there, back), 240)).trim();
}

const script = (there: number, back: number): string => `
cd /run; pids=
for card in eth1 eth3; do
  tcpdump -i $card -Q in -B 16384 -w $card.pcap 2> $card.log & pids="$pids $!"
  until grep -q listening $card.log; do sleep 0.1; done
done
/payload/replay eth1 4000 < /payload/batch-${there}.pcap > sent-1 & sending=$!
/payload/replay eth3 4000 < /payload/batch-${back}.pcap > sent-2
wait $sending; sleep 2; kill $pids; wait $pids
# A line a frame, all but its time; sorted, for this network changes the places of a few by itself.
frames() {
  tcpdump -t -nn -xx -r $1 2> /dev/null |
    awk '/^\\t0x0000/ { if (line) print line; line = "" } /^\\t0x/ { $1 = ""; line = line $0 } END { print line }' | sort
}
same() {
  if [ "$(frames $1 | md5sum)" = "$(frames $2 | md5sum)" ]; then frames $1 | grep -c .
  else echo "differs: $(ls -s $1 $2 | tr '\\n' ' ')"; fi
}
echo $(same eth3.pcap /payload/batch-${there}.pcap) $(same eth1.pcap /payload/batch-${back}.pcap)`;
