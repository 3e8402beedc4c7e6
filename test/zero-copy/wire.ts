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
# All but the time of each frame; tcpdump writes frames to the file as replay read them.
bytes() { tcpdump -t -nn -xx -r $1 2> /dev/null | grep -P '^\\t0x'; }
same() { [ "$(bytes $1 | md5sum)" = "$(bytes $2 | md5sum)" ] && bytes $1 | grep -c 0x0000: || echo "differs: $(ls -s $1 $2 | tr '\\n' ' ')"; }
echo $(same eth3.pcap /payload/batch-${there}.pcap) $(same eth1.pcap /payload/batch-${back}.pcap)`;
