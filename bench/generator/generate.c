// SPDX-License-Identifier: Apache-2.0
/*
 * The packet generator: real frames out of an interface, without sockets and without a second machine.
 *
 * Each worker is a thread pinned to a CPU that stays inside one BPF_PROG_TEST_RUN system call; the program
 * (generate.bpf.c) makes, paces and redirects the frames. The main thread only watches the mapped state, and
 * ends the call with a signal. What was sent is reported as JSON: what the program redirected, and what the
 * device says it handed to its peer.
 *
 * Exit code 0; 1 when it cannot run; 2 usage; 3 when frames were redirected that the device did not hand over.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "generate.h"
#include "options.h"
#include "truth.h"

#define REPEAT_MAX (1u << 30)
#define WATCH_NS 1000000

struct worker {
	struct bpf_object *object;
	volatile struct generate_state *state;
	pthread_t thread;
	const struct options *options;
	int program;
	int cpu;
	int ifindex;
	int error;
	double cpu_seconds;
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static void on_wake(int signal)
{
	(void)signal; /* only there to end the test run with EINTR */
}

static double now_seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	const char *mend = errno == EPERM ? " (run it as root)" : "";

	fprintf(stderr, "generate: %s: %s%s\n", what, strerror(errno), mend);
	exit(1);
}

static void *map_array(struct bpf_object *object, const char *name, size_t bytes)
{
	int fd = bpf_object__find_map_fd_by_name(object, name);
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		die(name);
	return memory;
}

static void object_path(char *path, size_t bytes)
{
	ssize_t length = readlink("/proc/self/exe", path, bytes - 32);

	if (length < 0)
		die("/proc/self/exe");
	path[length] = 0;
	strcpy(strrchr(path, '/') + 1, "generate.bpf.o");
}

static struct generate_config worker_config(const struct options *options, __u32 index, int ifindex)
{
	double interval = options->rate > 0 ? (1e9 * (1 << PACE_SHIFT)) * options->workers / options->rate : 0;
	__u64 share = options->count / options->workers + (index < options->count % options->workers);

	return (struct generate_config){
		.sequence = options->sequence,
		.count = options->count ? share : ~0ull,
		.interval = (__u64)(interval + 0.5),
		.gap_min = (__u64)(interval / 2),
		.ifindex = ifindex,
		.batch = options->batch,
		.first = index,
		.stride = options->workers,
	};
}

static void load_worker(struct worker *worker, const struct options *options, __u32 index)
{
	char path[4096];
	__u32 aliases = options->sequence.distribution == DISTRIBUTION_ZIPF ? options->sequence.links : 1;
	struct generate_config config = worker_config(options, index, worker->ifindex);
	struct bpf_map *map;

	object_path(path, sizeof(path));
	worker->object = bpf_object__open_file(path, NULL);
	if (!worker->object)
		die(path);
	bpf_object__for_each_map(map, worker->object)
		if (strstr(bpf_map__name(map), ".rodata"))
			bpf_map__set_initial_value(map, &config, sizeof(config));
	bpf_map__set_max_entries(bpf_object__find_map_by_name(worker->object, "alias_map"), aliases);
	if (bpf_object__load(worker->object))
		die("cannot load the BPF program");
	worker->program = bpf_program__fd(bpf_object__find_program_by_name(worker->object, "generate"));
	worker->state = map_array(worker->object, "state_map", sizeof(*worker->state));
	if (aliases > 1) {
		struct alias *table = map_array(worker->object, "alias_map", aliases * sizeof(*table));

		if (fill_alias_table(table, aliases, options->zipf_exponent))
			die("zipf table");
	}
}

/* Stays in the kernel until the watcher's signal; a foreign signal only means another round. */
static void *run_worker(void *argument)
{
	struct worker *worker = argument;
	__u32 size = worker->options->sequence.size_min + worker->options->sequence.size_span - 1;
	__u8 frame[4096] = { 0x02, 0, 0, 0, 0, 0x02, 0x02, 0, 0, 0, 0, 0x01 };
	struct xdp_md context = { .data_end = size, .ingress_ifindex = worker->ifindex };
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	if ((errno = pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus)))
		worker->error = errno;
	setpriority(PRIO_PROCESS, gettid(), worker->options->nice);
	while (!worker->error && !worker->state->stop && !worker->state->done) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = REPEAT_MAX,
			    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = worker->options->batch);
		int result = bpf_prog_test_run_opts(worker->program, &run);

		if (result && errno != EINTR && errno != EAGAIN)
			worker->error = errno;
	}
	worker->cpu_seconds = now_seconds(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static int any_running(const struct worker *workers, __u32 count)
{
	for (__u32 i = 0; i < count; i++)
		if (!workers[i].state->done && !workers[i].error)
			return 1;
	return 0;
}

/* Seconds from the first frame of any worker to the last of any. */
static double sending_seconds(const struct worker *workers, __u32 count, double stopped)
{
	double start = stopped, end = 0;

	for (__u32 i = 0; i < count; i++) {
		double first = workers[i].state->start_ns / 1e9, last = workers[i].state->end_ns / 1e9;

		if (first > 0 && first < start)
			start = first;
		end = last == 0 ? stopped : last > end ? last : end;
	}
	return end > start ? end - start : 0;
}

/* Waits for the count, the time or a signal, then ends every worker. Returns the seconds it sent. */
static double watch(struct worker *workers, const struct options *options)
{
	double elapsed = 0;
	struct timespec pause = { .tv_nsec = WATCH_NS };

	while (!interrupted && any_running(workers, options->workers)) {
		elapsed = sending_seconds(workers, options->workers, now_seconds(CLOCK_MONOTONIC));
		if (options->seconds > 0 && elapsed >= options->seconds)
			break;
		nanosleep(&pause, NULL);
	}
	for (__u32 i = 0; i < options->workers; i++)
		workers[i].state->stop = 1;
	double stopped = now_seconds(CLOCK_MONOTONIC);

	for (__u32 i = 0; i < options->workers; i++)
		while (pthread_kill(workers[i].thread, SIGUSR1), pthread_tryjoin_np(workers[i].thread, NULL))
			nanosleep(&pause, NULL);
	return sending_seconds(workers, options->workers, stopped);
}

static int report(const struct worker *workers, const struct options *options, struct device_counts before,
		  double seconds, const struct alias *alias)
{
	static const char *const names[] = { "uniform", "zipf", "distinct" };
	struct device_counts after = read_device(options->interface);
	__u64 sent[WORKERS_MAX], redirected = 0, bytes = 0, calls = 0, lag = 0;
	__u32 burst = 0;
	double cpu = 0;
	long links = -1;

	for (__u32 i = 0; i < options->workers; i++) {
		volatile struct generate_state *state = workers[i].state;

		redirected += sent[i] = state->sent;
		bytes += state->bytes;
		calls += state->calls;
		lag = state->lag_max_ns > lag ? state->lag_max_ns : lag;
		burst = state->burst_max > burst ? state->burst_max : burst;
		cpu += workers[i].cpu_seconds;
	}
	__u64 handed = after.known ? after.handed - before.handed : redirected, errors = after.errors - before.errors;

	if (options->truth && (links = write_truth(options->truth, &options->sequence, alias, sent, options->workers)) < 0)
		die(options->truth);
	printf("{\"interface\":\"%s\",\"distribution\":\"%s\",\"frames\":%llu,\"bytes\":%llu,\"redirected\":%llu,"
	       "\"xmit_errors\":%llu,\"redirect_errors\":%lld,\"exact\":%s,\"seconds\":%.6f,\"rate\":%.1f,"
	       "\"rate_asked\":%.1f,\"lag_max_us\":%.1f,\"burst_max\":%u,\"calls\":%llu,\"cpu_ns_per_frame\":%.1f,"
	       "\"truth_links\":%ld}\n",
	       options->interface, names[options->sequence.distribution], handed, bytes, redirected, errors,
	       (long long)(redirected - handed - errors), handed == redirected ? "true" : "false", seconds,
	       seconds > 0 ? handed / seconds : 0, options->rate, lag / 1e3, burst, calls, redirected ? cpu * 1e9 / redirected : 0, links);
	return handed == redirected ? 0 : 3;
}

int main(int argc, char **argv)
{
	static struct worker workers[WORKERS_MAX];
	struct options options;

	parse_options(argc, argv, &options);
	int ifindex = if_nametoindex(options.interface);

	if (!ifindex)
		die(options.interface);
	signal(SIGINT, on_interrupt);
	signal(SIGTERM, on_interrupt);
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_wake }, NULL);
	for (__u32 i = 0; i < options.workers; i++) {
		workers[i] = (struct worker){ .options = &options, .cpu = options.cpus[i], .ifindex = ifindex };
		load_worker(&workers[i], &options, i);
	}
	struct alias *alias = NULL;

	if (options.sequence.distribution == DISTRIBUTION_ZIPF)
		alias = map_array(workers[0].object, "alias_map", options.sequence.links * sizeof(*alias));
	struct device_counts before = read_device(options.interface);

	for (__u32 i = 0; i < options.workers; i++)
		if ((errno = pthread_create(&workers[i].thread, NULL, run_worker, &workers[i])))
			die("pthread_create");
	double seconds = watch(workers, &options);

	for (__u32 i = 0; i < options.workers; i++)
		if ((errno = workers[i].error))
			die("live-frame test run");
	return report(workers, &options, before, seconds, alias);
}
