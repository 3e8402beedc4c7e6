// SPDX-License-Identifier: Apache-2.0
/*
 * How long a frame is on its way: sends one at a time by an interface of one network namespace and spins (giving way) until it arrives
 * at an interface of another, both through AF_PACKET, one clock. The cost of both sockets is in the figure; measure a
 * bare cable next to what is of interest.
 *
 *   pinger NAMESPACE_A INTERFACE_A NAMESPACE_B INTERFACE_B COUNT PER_SECOND
 *
 * Prints {"sent","received","p50_us","p99_us","max_us"} (JSON). The first tenth is warming up and not in the figures.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ETHERTYPE 0x88b6 /* IEEE 802: local experiments */
#define LOST_NS 20000000ll
#define FRAME_BYTES 60

struct frame {
	unsigned char destination[6], source[6];
	unsigned short type;
	unsigned int number;
	char rest[FRAME_BYTES - 18];
} __attribute__((packed));

static void die(const char *what)
{
	fprintf(stderr, "pinger: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* A packet socket stays in the namespace it was made in. */
static int open_socket(const char *namespace, const char *interface)
{
	char path[512];

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE),
				       .sll_ifindex = (int)if_nametoindex(interface) };
	int packet = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE));

	if (packet < 0 || bind(packet, (struct sockaddr *)&address, sizeof(address)))
		die(interface);
	return packet;
}

/* Nanoseconds until frame `number` was there; -1 when it did not come. */
static long long ping(int from, int to, unsigned int number)
{
	struct frame frame = { .destination = { 2, 0, 0, 0, 0, 2 }, .source = { 2, 0, 0, 0, 0, 1 },
			       .type = htons(ETHERTYPE), .number = number }, got;
	long long start = now();

	if (send(from, &frame, sizeof(frame), 0) != sizeof(frame))
		return -1;
	while (now() - start < LOST_NS) {
		if (recv(to, &got, sizeof(got), MSG_DONTWAIT) < (ssize_t)sizeof(got)) {
			/* Whoever has the frame may have been woken on this very CPU. */
			sched_yield();
			continue;
		}
		if (got.number == number)
			return now() - start;
	}
	return -1;
}

static int ascending(const void *a, const void *b)
{
	long long difference = *(const long long *)a - *(const long long *)b;

	return difference < 0 ? -1 : difference > 0;
}

int main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(stderr, "usage: pinger NAMESPACE_A INTERFACE_A NAMESPACE_B INTERFACE_B COUNT PER_SECOND\n");
		return 2;
	}
	int from = open_socket(argv[1], argv[2]), to = open_socket(argv[3], argv[4]);
	int count = atoi(argv[5]), skip = count / 10, received = 0;
	long long interval = 1000000000ll / atoi(argv[6]), start = now();
	long long *times = calloc((size_t)count + 1, sizeof(*times));

	for (int i = 0; i < count; i++) {
		long long wait = start + i * interval - now();
		struct timespec pause = { .tv_nsec = wait > 0 ? wait % 1000000000 : 0 };

		if (wait > 0)
			nanosleep(&pause, NULL);
		long long time = ping(from, to, (unsigned int)i);

		if (time >= 0 && i >= skip)
			times[received++] = time;
	}
	qsort(times, (size_t)received, sizeof(*times), ascending);
	printf("{\"sent\":%d,\"received\":%d,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n", count - skip, received,
	       received ? times[received / 2] / 1e3 : 0, received ? times[(int)(received * 0.99)] / 1e3 : 0,
	       received ? times[received - 1] / 1e3 : 0);
	return 0;
}
