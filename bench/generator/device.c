// SPDX-License-Identifier: Apache-2.0
#include "device.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Most counters a driver may offer: a bound against nonsense. */
#define COUNTERS_MAX 65536

static int ask(int fd, const char *interface, void *command)
{
	struct ifreq request = { 0 };

	strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
	request.ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, &request);
}

static int ends_with(const char *name, size_t length, const char *suffix)
{
	size_t tail = strlen(suffix);

	return length >= tail && !memcmp(name + length - tail, suffix, tail);
}

static void sum_counters(int fd, const char *interface, __u32 count, struct device_counts *counts)
{
	struct ethtool_gstrings *names = calloc(1, sizeof(*names) + (size_t)count * ETH_GSTRING_LEN);
	struct ethtool_stats *values = calloc(1, sizeof(*values) + (size_t)count * sizeof(__u64));

	if (names && values) {
		names->cmd = ETHTOOL_GSTRINGS;
		names->string_set = ETH_SS_STATS;
		names->len = values->n_stats = count;
		values->cmd = ETHTOOL_GSTATS;
		if (!ask(fd, interface, names) && !ask(fd, interface, values) && values->n_stats == count)
			for (__u32 i = 0; i < count; i++) {
				const char *name = (const char *)names->data + (size_t)i * ETH_GSTRING_LEN;
				size_t length = strnlen(name, ETH_GSTRING_LEN);

				if (ends_with(name, length, "xdp_xmit")) {
					counts->known = 1;
					counts->handed += values->data[i];
				} else if (ends_with(name, length, "xdp_xmit_errors")) {
					counts->errors += values->data[i];
				}
			}
	}
	free(names);
	free(values);
}

struct device_counts read_device(const char *interface)
{
	struct device_counts counts = { 0 };
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return counts;
	if (!ask(fd, interface, &driver) && driver.n_stats && driver.n_stats <= COUNTERS_MAX)
		sum_counters(fd, interface, driver.n_stats, &counts);
	close(fd);
	return counts;
}
