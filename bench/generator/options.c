// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one page of a live-frame test run can carry beside its bookkeeping and the skb_shared_info. */
#define FRAME_BYTES_MAX 3000
#define V6_FRAME_BYTES_MIN (ETHERNET_BYTES + IPV6_BYTES)
#define V4_FRAME_BYTES_MIN (ETHERNET_BYTES + IPV4_BYTES)

static const char usage[] =
	"usage: generate --interface IF (--seconds S | --count N) [options]\n"
	"  --rate PPS             paced inside the program; 0 (default): as fast as it goes\n"
	"  --distribution D       uniform (default), zipf, distinct\n"
	"  --links N              links of uniform and zipf (default 262144, at most 2^24)\n"
	"  --exponent S           of zipf (default 1.0)\n"
	"  --ipv6 SHARE           share of IPv6, 0..1 (default 0)\n"
	"  --size BYTES[-BYTES]   frame length without FCS (default 60)\n"
	"  --seed N               of the frame sequence (default 1)\n"
	"  --cpus LIST            one sending thread per CPU, e.g. 0 or 0,1 (default 0)\n"
	"  --nice N               scheduling priority of the sending threads, -20..19 (default 0)\n"
	"  --batch N              frames between two flushes (default 64)\n"
	"  --truth BASE           writes BASE.v4.csv and BASE.v6.csv: src,dst,packets,bytes\n";

static void fail(const char *what, const char *value)
{
	fprintf(stderr, "generate: %s%s%s; see generate --help\n", what, value ? ": " : "", value ? value : "");
	exit(2);
}

static double number_in(const char *text, double low, double high, const char *name)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= low && value <= high))
		fail(name, text);
	return value;
}

static __u64 integer_in(const char *text, __u64 low, __u64 high, const char *name)
{
	char *end;

	errno = 0;
	__u64 value = strtoull(text, &end, 0);

	if (end == text || *end || errno || *text == '-' || value < low || value > high)
		fail(name, text);
	return value;
}

static void parse_sizes(char *text, struct sequence *sequence)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = 0;
	sequence->size_min = integer_in(text, V4_FRAME_BYTES_MIN, FRAME_BYTES_MAX, "--size is 34..3000 bytes");
	__u32 size_max =
		dash ? integer_in(dash + 1, sequence->size_min, FRAME_BYTES_MAX, "--size is LOW-HIGH, up to 3000") :
		       sequence->size_min;
	sequence->size_span = size_max - sequence->size_min + 1;
}

static void parse_cpus(char *text, struct options *options)
{
	options->workers = 0;
	for (char *item = strtok(text, ","); item; item = strtok(NULL, ",")) {
		if (options->workers == WORKERS_MAX)
			fail("--cpus names more than 16", NULL);
		options->cpus[options->workers++] = integer_in(item, 0, 1023, "--cpus is a list of CPU numbers");
	}
	if (!options->workers)
		fail("--cpus is empty", NULL);
}

static void parse_distribution(const char *text, struct sequence *sequence)
{
	static const char *const names[] = { "uniform", "zipf", "distinct" };

	for (__u32 i = 0; i < 3; i++)
		if (!strcmp(text, names[i])) {
			sequence->distribution = i;
			return;
		}
	fail("--distribution is uniform, zipf or distinct", text);
}

static void check(struct options *options)
{
	struct sequence *sequence = &options->sequence;

	if (!options->interface)
		fail("--interface is missing", NULL);
	if (!options->count && options->seconds <= 0)
		fail("--seconds or --count is missing", NULL);
	if (sequence->v6_threshold && sequence->size_min < V6_FRAME_BYTES_MIN)
		fail("IPv6 needs --size of at least 54", NULL);
	while ((1ull << (2 * sequence->source_bits)) < sequence->links)
		sequence->source_bits++;
}

void parse_options(int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{ "interface", 1, 0, 'i' },    { "seconds", 1, 0, 't' }, { "count", 1, 0, 'n' },
		{ "rate", 1, 0, 'r' },	       { "links", 1, 0, 'l' },	 { "exponent", 1, 0, 'e' },
		{ "distribution", 1, 0, 'd' }, { "ipv6", 1, 0, '6' },	 { "size", 1, 0, 's' },
		{ "seed", 1, 0, 'x' },	       { "cpus", 1, 0, 'c' },	 { "batch", 1, 0, 'b' },
		{ "truth", 1, 0, 'T' },	       { "nice", 1, 0, 'N' },
		{ "help", 0, 0, 'h' },	 { 0 },
	};
	struct sequence *sequence = &options->sequence;
	char default_cpus[] = "0", default_size[] = "60";

	*options = (struct options){ .zipf_exponent = 1.0, .batch = 64 };
	sequence->links = 1 << 18;
	sequence->seed = 1;
	parse_cpus(default_cpus, options);
	parse_sizes(default_size, sequence);
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (c) {
		case 'i': options->interface = optarg; break;
		case 'T': options->truth = optarg; break;
		case 't': options->seconds = number_in(optarg, 0, 86400, "--seconds is 0..86400"); break;
		case 'n': options->count = integer_in(optarg, 1, 1ull << 40, "--count is 1..2^40"); break;
		case 'r': options->rate = number_in(optarg, 0, 1e8, "--rate is 0..1e8 frames a second"); break;
		case 'l': sequence->links = integer_in(optarg, 1, LINKS_MAX, "--links is 1..2^24"); break;
		case 'e': options->zipf_exponent = number_in(optarg, 0, 10, "--exponent is 0..10"); break;
		case 'd': parse_distribution(optarg, sequence); break;
		case '6': sequence->v6_threshold = (__u64)(number_in(optarg, 0, 1, "--ipv6 is 0..1") * 0x1p32); break;
		case 's': parse_sizes(optarg, sequence); break;
		case 'x': sequence->seed = integer_in(optarg, 0, ~0ull, "--seed is a number"); break;
		case 'c': parse_cpus(optarg, options); break;
		case 'b': options->batch = integer_in(optarg, 1, 256, "--batch is 1..256"); break;
		case 'N': options->nice = (int)number_in(optarg, -20, 19, "--nice is -20..19"); break;
		case 'h': fputs(usage, stdout); exit(0);
		default: exit(2);
		}
	}
	if (optind < argc)
		fail("unexpected argument", argv[optind]);
	check(options);
}
