/* SPDX-License-Identifier: MIT */
/*
 * dgamma and dbeta: sums over samples, in double. Each block of samples has partial sums, which are
 * reduced at the end in the order of the blocks. If each sample has its own parameters, a block's
 * sums are those of one sample at a time.
 */
#ifndef GN_PARAMETER_SUMS_H
#define GN_PARAMETER_SUMS_H

#include "norm/backward.h"
#include "run/schedule.h"

/*
 * A block's partial sums of dgamma from channel c on. Those of dbeta are C doubles further on.
 * NULL: neither is wanted.
 */
double *gn_parameter_sums(const struct gn_job *job, int64_t block, int64_t c);

/*
 * Sets partial sums to 0: before a block's first sample or, if each sample has its own parameters,
 * before each sample.
 */
void gn_clear_parameter_sums(const struct gn_job *job, int64_t block, int64_t c, int64_t channels);

/*
 * Rounds a block's sums and stores them in dgamma and dbeta: those of sample n if each sample has
 * its own, else those of all samples.
 */
void gn_store_parameter_sums(const struct gn_job *job, int64_t block, int64_t n, int64_t c,
                             int64_t channels);

/* Adds up all blocks' sums of channels first to last - 1, and stores the results. */
void gn_reduce_parameter_sums(const struct gn_job *job, int64_t first, int64_t last);

/* The bytes of the partial sums of all blocks. */
int64_t gn_parameter_sums_bytes(const gn_plan *plan);

#endif
