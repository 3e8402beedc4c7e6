// SPDX-License-Identifier: Apache-2.0
/*
 * Sends every frame of a classic little-endian Ethernet pcap on standard input out of an interface through
 * AF_PACKET, exactly as it is, at most `rate` frames a second (0: as fast as it goes). replay.ts makes that
 * stream of any capture. Reports JSON: frames and bytes sent, and how often the device asked to wait.
 *
 * usage: replay INTERFACE RATE < capture.pcap
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PCAP_MAGIC 0xa1b2c3d4u
#define FRAME_BYTES_MAX (1 << 18)
#define RETRY_NS 20000
#define RETRIES_MAX 50000 /* one second */

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, link_type;
};

struct record_header {
	uint32_t seconds, fraction, captured, length;
};

static void die(const char *what)
{
	fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	if (!address.sll_ifindex)
		die(interface);
	if (fd < 0)
		die("AF_PACKET socket");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die("bind");
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("PACKET_QDISC_BYPASS");
	return fd;
}

/* Sleeps until frame `number` is due. */
static void pace(double rate, uint64_t number, const struct timespec *start)
{
	if (rate <= 0)
		return;
	uint64_t due = (uint64_t)(number * 1e9 / rate) + start->tv_nsec;
	struct timespec until = { start->tv_sec + due / 1000000000, due % 1000000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* With the queueing discipline bypassed a full device answers ENOBUFS; nothing is lost, it is sent again. */
static uint64_t send_frame(int fd, const uint8_t *frame, uint32_t length)
{
	struct timespec pause = { .tv_nsec = RETRY_NS };

	for (uint64_t retries = 0; retries < RETRIES_MAX; retries++) {
		if (send(fd, frame, length, 0) == (ssize_t)length)
			return retries;
		if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			break;
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "replay: cannot send a frame of %u bytes: %s\n", length, strerror(errno));
	exit(1);
}

int main(int argc, char **argv)
{
	static uint8_t frame[FRAME_BYTES_MAX];
	struct file_header file;
	struct record_header record;
	struct timespec start;
	uint64_t frames = 0, bytes = 0, retries = 0;

	if (argc != 3) {
		fputs("usage: replay INTERFACE RATE < capture.pcap\n", stderr);
		return 2;
	}
	double rate = atof(argv[2]);
	int fd = open_socket(argv[1]);

	if (fread(&file, sizeof(file), 1, stdin) != 1 || file.magic != PCAP_MAGIC || file.link_type != 1) {
		fputs("replay: standard input is not a little-endian Ethernet pcap\n", stderr);
		return 3;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (fread(&record, sizeof(record), 1, stdin) == 1) {
		if (record.captured > FRAME_BYTES_MAX || fread(frame, 1, record.captured, stdin) != record.captured) {
			fputs("replay: cut or absurd record\n", stderr);
			return 3;
		}
		pace(rate, frames, &start);
		retries += send_frame(fd, frame, record.captured);
		frames++;
		bytes += record.captured;
	}
	printf("{\"frames\":%lu,\"bytes\":%lu,\"retries\":%lu}\n", frames, bytes, retries);
	return 0;
}
