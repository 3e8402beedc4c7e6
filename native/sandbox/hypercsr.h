/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HyperCSR: a run of links written as the arrays of a hypersparse matrix.
 *
 * Ap u64[nvec + 1], Ah u64[nvec] (strictly increasing rows), Aj u64[nvals] (strictly increasing in a row), and the two
 * value planes that share this pattern: packets u32[nvals], bytes u64[nvals].
 */
#ifndef SPARSEWIRE_HYPERCSR_H
#define SPARSEWIRE_HYPERCSR_H

#include "run.h"

/* links6.dict: an index and the address it stands for; sorted by index, so that a rank is a position. */
struct dict_record {
  u64 index;
  u64 address[2];
};

/* A matrix that is being written. */
struct hypercsr {
  struct reader reader;
  u32 nvec, nvals;
  u64 row; /* last row written */
};

void hypercsr_begin(struct hypercsr *csr, struct reader reader, const struct matrix *matrix);

/* Writes up to `most` links of the reader's block and gives the block back when it is read. Keys are row << 32 |
 * column: indices themselves, or (`names` not null) ranks in `names`. Returns the links written; 0 when the matrix is
 * complete, and its sizes are set. */
u32 hypercsr_write(struct hypercsr *csr, struct matrix *matrix, u32 most, const struct dict_record *names);

#endif
