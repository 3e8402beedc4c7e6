/* SPDX-License-Identifier: Apache-2.0 */
/* The generator's command line. */
#ifndef SPARSEWIRE_GENERATOR_OPTIONS_H
#define SPARSEWIRE_GENERATOR_OPTIONS_H

#include "sequence.h"

#define WORKERS_MAX 16

struct options {
	const char *interface;
	const char *truth; /* base name of the truth files, or NULL */
	struct sequence sequence;
	double zipf_exponent;
	double rate; /* frames a second, all workers together; 0: as fast as it goes */
	double seconds; /* 0: until `count` */
	__u64 count; /* 0: until `seconds` */
	__u32 batch;
	__u32 workers;
	int nice; /* scheduling priority: a sender that is outside the machine would not wait for it either */
	int cpus[WORKERS_MAX];
};

/* Parses argv; prints one line and exits with 2 when it makes no sense. */
void parse_options(int argc, char **argv, struct options *options);

#endif
