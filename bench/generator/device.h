/* SPDX-License-Identifier: Apache-2.0 */
/* What the sending device itself counted: frames it handed to its peer and frames it could not. */
#ifndef SPARSEWIRE_GENERATOR_DEVICE_H
#define SPARSEWIRE_GENERATOR_DEVICE_H

#include <linux/types.h>

struct device_counts {
	int known; /* the driver has per-queue XDP transmit counters (veth has) */
	__u64 handed; /* sum of *xdp_xmit */
	__u64 errors; /* sum of *xdp_xmit_errors: the peer's ring was full, or the peer was down */
};

/* Reads the counters through ETHTOOL_GSTATS; `known` is 0 where the driver has none of that name. */
struct device_counts read_device(const char *interface);

#endif
