// SPDX-License-Identifier: Apache-2.0
#include "truth.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most rows of an all-distinct truth: 24 bytes each. */
#define DISTINCT_ROWS_MAX (1ull << 25)

struct row {
	__u64 pair; /* source << 32 | destination */
	__u64 packets;
	__u64 bytes;
	__u32 v6;
};

int fill_alias_table(struct alias *alias, __u32 links, double exponent)
{
	double *scaled = malloc(links * sizeof(*scaled));
	__u32 *small = malloc(links * sizeof(*small)), *large = malloc(links * sizeof(*large));
	__u32 smalls = 0, larges = 0;
	double sum = 0;

	if (!scaled || !small || !large) {
		free(scaled), free(small), free(large);
		return -1;
	}
	for (__u32 k = 0; k < links; k++)
		sum += scaled[k] = pow(k + 1.0, -exponent);
	for (__u32 k = 0; k < links; k++) {
		scaled[k] *= links / sum;
		alias[k] = (struct alias){ .threshold = ~0u, .link = k };
		if (scaled[k] < 1)
			small[smalls++] = k;
		else
			large[larges++] = k;
	}
	while (smalls && larges) {
		__u32 s = small[--smalls], l = large[larges - 1];

		alias[s] = (struct alias){ .threshold = (__u32)(scaled[s] * 0x1p32), .link = l };
		scaled[l] -= 1 - scaled[s];
		if (scaled[l] < 1)
			small[smalls++] = large[--larges];
	}
	free(scaled), free(small), free(large);
	return 0;
}

static int by_pair(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->v6 != y->v6)
		return x->v6 < y->v6 ? -1 : 1;
	return (x->pair > y->pair) - (x->pair < y->pair);
}

static void fill_rows(struct row *rows, const struct sequence *sequence, const struct alias *alias, const __u64 *sent,
		      __u32 workers)
{
	size_t next = 0;

	for (__u32 w = 0; w < workers; w++)
		for (__u64 i = 0; i < sent[w]; i++) {
			__u64 number = w + i * workers, word = frame_word(sequence, number);
			__u32 link = link_column(sequence, word);

			if (sequence->distribution == DISTRIBUTION_ZIPF && (__u32)word >= alias[link].threshold)
				link = alias[link].link;
			struct row *row = &rows[sequence->distribution == DISTRIBUTION_DISTINCT ? next++ : link];

			if (!row->packets) {
				struct frame_spec spec;

				if (sequence->distribution == DISTRIBUTION_DISTINCT)
					distinct_addresses(sequence, word, &spec);
				else
					link_addresses(sequence, link, &spec);
				row->pair = (__u64)spec.source << 32 | spec.destination;
				row->v6 = spec.v6;
			}
			row->packets++;
			row->bytes += frame_size(sequence, number);
		}
}

/* Writes a 2001:db8::/96 address as RFC 5952 does: the zeros at the end are part of the longest run. */
static int format_v6(char *text, __u32 low)
{
	int length = sprintf(text, "%x:%x::", V6_PREFIX_HIGH >> 16, V6_PREFIX_HIGH & 0xffff);

	if (low >> 16)
		length += sprintf(text + length, "%x:%x", low >> 16, low & 0xffff);
	else if (low)
		length += sprintf(text + length, "%x", low);
	return length;
}

static int format_v4(char *text, __u32 a)
{
	return sprintf(text, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static int write_family(const char *base, const char *suffix, const struct row *rows, size_t count, __u32 v6)
{
	char path[4096], source[64], destination[64];

	snprintf(path, sizeof(path), "%s.%s.csv", base, suffix);
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	fputs("src,dst,packets,bytes\n", file);
	for (size_t i = 0; i < count; i++) {
		if (!rows[i].packets || rows[i].v6 != v6)
			continue;
		(v6 ? format_v6 : format_v4)(source, rows[i].pair >> 32);
		(v6 ? format_v6 : format_v4)(destination, (__u32)rows[i].pair);
		fprintf(file, "%s,%s,%llu,%llu\n", source, destination, rows[i].packets, rows[i].bytes);
	}
	return fclose(file);
}

long write_truth(const char *base, const struct sequence *sequence, const struct alias *alias, const __u64 *sent,
		 __u32 workers)
{
	__u64 count = sequence->links, links = 0;

	if (sequence->distribution == DISTRIBUTION_DISTINCT) {
		count = 0;
		for (__u32 w = 0; w < workers; w++)
			count += sent[w];
		if (count > DISTINCT_ROWS_MAX) {
			errno = EFBIG;
			return -1;
		}
	}
	struct row *rows = calloc(count ? count : 1, sizeof(*rows));

	if (!rows)
		return -1;
	fill_rows(rows, sequence, alias, sent, workers);
	qsort(rows, count, sizeof(*rows), by_pair);
	for (__u64 i = 0; i < count; i++)
		links += rows[i].packets != 0;
	int failed = write_family(base, "v4", rows, count, 0) || write_family(base, "v6", rows, count, 1);

	free(rows);
	return failed ? -1 : (long)links;
}
