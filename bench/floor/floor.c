// SPDX-License-Identifier: Apache-2.0
/*
 * The floor of AF_XDP reception: the least a user-space program can do with a frame is to give its chunk back.
 * One thread, one queue; optionally it reads the addresses of each frame (--touch), which is the least a
 * traffic matrix needs; or it does a capture thread's whole work natively (--count): parse, log, sort, fold, merge, seal.
 *
 * Wake-up policies: `sleep` (clock_nanosleep for a fixed time whenever the ring is empty), `adaptive` (sleep
 * for as long as it takes about `--wake-frames` frames to arrive), `poll` (poll(2) when empty), `spin`.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "count.h"
#include "socket.h"

enum wake { WAKE_SLEEP, WAKE_ADAPTIVE, WAKE_POLL, WAKE_SPIN };
static const char *const wake_names[] = { "sleep", "adaptive", "poll", "spin" };

/* Bounds of the adaptive sleep: the sensor's defaults. */
#define SLEEP_US_MIN 500
#define SLEEP_US_MAX 5000
#define BREATH_FRAMES 4096
#define IPV4_ADDRESSES 26

struct options {
	const char *interface;
	double seconds;
	uint32_t sleep_us;
	uint32_t wake_frames;
	int wake;
	int cpu;
	int touch;
	const char *count;
	uint32_t xdp_flags;
	struct socket_options socket;
};

struct totals {
	uint64_t frames, bytes, breaths, wakeups, batch_max;
	uint64_t check; /* of the touched addresses, so that they are really read */
};

static volatile sig_atomic_t stopped;

static void on_stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Takes what the RX ring has, up to `max` frames, and puts each chunk back into the fill ring. */
static uint32_t recycle(struct xdp_socket *s, uint32_t max, int touch, struct totals *totals)
{
	uint32_t mask = s->rx.size - 1, consumer = *s->rx.consumer, fill = *s->fill.producer;
	uint32_t ready = __atomic_load_n(s->rx.producer, __ATOMIC_ACQUIRE) - consumer;
	uint32_t count = ready < max ? ready : max;
	const struct xdp_desc *descriptors = s->rx.descriptors;
	uint64_t *chunks = s->fill.descriptors, check = 0, bytes = 0;

	for (uint32_t i = 0; i < count; i++) {
		const struct xdp_desc *descriptor = &descriptors[(consumer + i) & mask];
		uint64_t pair;

		bytes += descriptor->len;
		if (touch) {
			memcpy(&pair, s->umem + descriptor->addr + IPV4_ADDRESSES, sizeof(pair));
			check += pair;
		}
		chunks[(fill + i) & mask] = descriptor->addr & ~(uint64_t)(s->chunk_bytes - 1);
	}
	__atomic_store_n(s->rx.consumer, consumer + count, __ATOMIC_RELEASE);
	__atomic_store_n(s->fill.producer, fill + count, __ATOMIC_RELEASE);
	totals->frames += count;
	totals->bytes += bytes;
	totals->check += check;
	totals->breaths++;
	totals->batch_max = count > totals->batch_max ? count : totals->batch_max;
	return count;
}

static void wait_for_frames(struct xdp_socket *s, const struct options *options, uint32_t sleep_us)
{
	struct timespec pause = { .tv_nsec = sleep_us * 1000l };
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };

	if (options->wake == WAKE_POLL)
		poll(&poll_fd, 1, 100);
	else if (options->wake != WAKE_SPIN)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	if (__atomic_load_n(s->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP)
		recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

/* Half the sleep when twice the wanted frames have gathered, a quarter more when too few have. */
static uint32_t adapt(uint32_t sleep_us, uint64_t waiting, uint32_t wanted)
{
	if (waiting > 2ull * wanted)
		sleep_us /= 2;
	else if (waiting < wanted)
		sleep_us += sleep_us / 4;
	return sleep_us < SLEEP_US_MIN ? SLEEP_US_MIN : sleep_us > SLEEP_US_MAX ? SLEEP_US_MAX : sleep_us;
}

static uint32_t frames_waiting(const struct xdp_socket *s)
{
	return __atomic_load_n(s->rx.producer, __ATOMIC_ACQUIRE) - *s->rx.consumer;
}

static uint32_t take(struct xdp_socket *s, const struct options *options, struct totals *totals)
{
	if (!options->count)
		return recycle(s, BREATH_FRAMES, options->touch, totals);
	totals->breaths++;
	uint32_t taken = count_breathe(BREATH_FRAMES, now_ns(CLOCK_MONOTONIC));

	totals->frames = count_packets();
	return taken;
}

static void receive(struct xdp_socket *s, const struct options *options, struct totals *totals)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + (uint64_t)(options->seconds * 1e9);
	uint32_t sleep_us = options->sleep_us;

	while (!stopped) {
		if (take(s, options, totals))
			continue;
		if (now_ns(CLOCK_MONOTONIC) >= end)
			break;
		wait_for_frames(s, options, sleep_us);
		if (options->wake == WAKE_ADAPTIVE)
			sleep_us = adapt(sleep_us, frames_waiting(s), options->wake_frames);
		totals->wakeups++;
	}
}

static int attach(const struct options *options, const struct xdp_socket *s)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 32);

	if (length < 0)
		die("/proc/self/exe");
	path[length] = 0;
	strcpy(strrchr(path, '/') + 1, "floor.bpf.o");
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (!object || bpf_object__load(object))
		die(path);
	uint32_t queue = options->socket.queue;

	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "sockets"), &queue, &s->fd, BPF_ANY))
		die("XSKMAP");
	LIBBPF_OPTS(bpf_link_create_opts, link, .flags = options->xdp_flags);
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "floor_redirect"));
	int fd = bpf_link_create(program, options->socket.ifindex, BPF_XDP, &link);

	if (fd < 0)
		die("attach of the XDP program");
	return fd;
}

static uint32_t power_of_two(const char *text)
{
	unsigned long value = strtoul(text, NULL, 0);

	if (value < 64 || value > 1 << 20 || value & (value - 1)) {
		fprintf(stderr, "floor: %s is not a power of two between 64 and 2^20\n", text);
		exit(2);
	}
	return value;
}

static int wake_of(const char *text)
{
	for (int i = 0; i < 4; i++)
		if (!strcmp(text, wake_names[i]))
			return i;
	fprintf(stderr, "floor: --wake is sleep, adaptive, poll or spin\n");
	exit(2);
}

static struct options parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "interface", 1, 0, 'i' }, { "queue", 1, 0, 'q' }, { "seconds", 1, 0, 't' }, { "wake", 1, 0, 'w' },
		{ "sleep-us", 1, 0, 'u' },  { "wake-frames", 1, 0, 'f' }, { "ring", 1, 0, 'r' }, { "chunk", 1, 0, 'k' },
		{ "huge", 0, 0, 'H' },	    { "touch", 0, 0, 'T' }, { "cpu", 1, 0, 'c' },    { "generic", 0, 0, 'g' },
		{ "count", 1, 0, 'C' },	    { 0 },
	};
	struct options o = { .seconds = 1e9, .sleep_us = 1000, .wake_frames = 768, .cpu = -1 };

	o.xdp_flags = XDP_FLAGS_DRV_MODE;
	o.socket = (struct socket_options){ .ring_size = 32768, .chunk_bytes = 2048 };
	o.socket.bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP;
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'i': o.interface = optarg; break;
		case 'q': o.socket.queue = atoi(optarg); break;
		case 't': o.seconds = atof(optarg); break;
		case 'w': o.wake = wake_of(optarg); break;
		case 'u': o.sleep_us = atoi(optarg); break;
		case 'f': o.wake_frames = atoi(optarg); break;
		case 'r': o.socket.ring_size = power_of_two(optarg); break;
		case 'k': o.socket.chunk_bytes = power_of_two(optarg); break;
		case 'H': o.socket.huge = 1; break;
		case 'T': o.touch = 1; break;
		case 'C': o.count = optarg; break;
		case 'c': o.cpu = atoi(optarg); break;
		case 'g': o.xdp_flags = XDP_FLAGS_SKB_MODE; break;
		default: exit(2);
		}
	}
	o.socket.ifindex = o.interface ? if_nametoindex(o.interface) : 0;
	if (!o.socket.ifindex) {
		fprintf(stderr, "floor: --interface is missing or does not exist\n");
		exit(2);
	}
	return o;
}

static void report(const struct xdp_socket *s, const struct options *o, const struct totals *t, uint64_t cpu_ns)
{
	struct xdp_statistics statistics = { 0 };
	socklen_t length = sizeof(statistics);

	getsockopt(s->fd, SOL_XDP, XDP_STATISTICS, &statistics, &length);
	printf("{\"frames\":%lu,\"bytes\":%lu,\"rx_dropped\":%llu,\"rx_invalid_descs\":%llu,\"rx_ring_full\":%llu,"
	       "\"rx_fill_ring_empty_descs\":%llu,\"cpu_ns\":%lu,\"cpu_ns_per_frame\":%.2f,\"breaths\":%lu,"
	       "\"wakeups\":%lu,\"frames_per_wakeup\":%.1f,\"batch_max\":%lu,\"wake\":\"%s\",\"check\":%lu}\n",
	       t->frames, t->bytes, statistics.rx_dropped, statistics.rx_invalid_descs, statistics.rx_ring_full,
	       statistics.rx_fill_ring_empty_descs, cpu_ns, t->frames ? (double)cpu_ns / t->frames : 0, t->breaths,
	       t->wakeups, t->wakeups ? (double)t->frames / t->wakeups : 0, t->batch_max, wake_names[o->wake], t->check);
}

int main(int argc, char **argv)
{
	struct options options = parse(argc, argv);
	struct totals totals = { 0 };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(options.cpu < 0 ? 0 : options.cpu, &cpus);
	if (options.cpu >= 0 && sched_setaffinity(0, sizeof(cpus), &cpus))
		die("CPU affinity");
	prctl(PR_SET_TIMERSLACK, 1000);
	struct count_layout layout = { 0 };

	if (options.count) {
		layout = count_layout_of(options.count);
		count_reserve(&layout, &options.socket);
	}
	struct xdp_socket s = open_xdp_socket(&options.socket);

	if (options.count)
		count_start(&layout, &s);
	int link = attach(&options, &s);

	sigaction(SIGINT, &(struct sigaction){ .sa_handler = on_stop }, NULL);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_stop }, NULL);
	fputs("ready\n", stderr);
	uint64_t cpu_start = now_ns(CLOCK_THREAD_CPUTIME_ID);

	receive(&s, &options, &totals);
	uint64_t cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_start;

	close(link);
	while (take(&s, &options, &totals))
		continue;
	report(&s, &options, &totals, cpu_ns);
	return 0;
}
