/* SPDX-License-Identifier: Apache-2.0 */
/* Runs to HyperCSR arrays. See hypercsr.h for shapes. */
#include "hypercsr.h"

void hypercsr_begin(struct hypercsr *csr, struct reader reader, const struct matrix *matrix) {
  *csr = (struct hypercsr){.reader = reader};
  *(u64 *)at(matrix->ap) = 0;
}

/* A row's end is stored with each of its links: no branch, and the last store is right. */
SW_INLINE void write_links(struct hypercsr *csr, const struct matrix *matrix, const struct block *block, u32 n,
                           const struct dict_record *names) {
  u64 *ap = at(matrix->ap), *ah = at(matrix->ah), *aj = at(matrix->aj), row = csr->row;
  u32 nvec = csr->nvec, nvals = csr->nvals, from = csr->reader.position;
  for (u32 i = 0; i < n; i++) {
    u64 key = block->keys[from + i], key_row = key >> 32, column = key & 0xffffffff;
    nvec += (key_row != row) | (nvec == 0);
    ah[nvec - 1] = names == NULL ? key_row : names[key_row].index;
    ap[nvec] = nvals + i + 1;
    aj[nvals + i] = names == NULL ? column : names[column].index;
    row = key_row;
  }
  __builtin_memcpy((u32 *)at(matrix->packets) + nvals, block->packets + from, n * sizeof(u32));
  __builtin_memcpy((u64 *)at(matrix->bytes) + nvals, block->bytes + from, n * sizeof(u64));
  csr->nvec = nvec;
  csr->nvals = nvals + n;
  csr->row = row;
}

u32 hypercsr_write(struct hypercsr *csr, struct matrix *matrix, u32 most, const struct dict_record *names) {
  if (csr->reader.left == 0) {
    matrix->nvec = csr->nvec;
    matrix->nvals = csr->nvals;
    return 0;
  }
  u32 n = min32(reader_available(&csr->reader), most);
  const struct block *block = pool_block(csr->reader.block);
  /* Two calls, so that each loop is compiled for its kind of key. */
  if (names == NULL) write_links(csr, matrix, block, n, NULL);
  else write_links(csr, matrix, block, n, names);
  reader_advance(&csr->reader, n);
  return n;
}
