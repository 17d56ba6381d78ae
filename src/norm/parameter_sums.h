/* SPDX-License-Identifier: MIT */
/*
 * dgamma and dbeta: sums over samples, in double. Each block of samples has partial sums, which are
 * added up at the end in the order of the blocks. Where each sample has its own parameters, a
 * block's sums are those of one sample at a time.
 */
#ifndef GN_PARAMETER_SUMS_H
#define GN_PARAMETER_SUMS_H

#include "norm/backward.h"
#include "run/schedule.h"

/*
 * The partial sums of dgamma of a block from channel c on, which those of dbeta follow C doubles
 * on; NULL: neither is wanted.
 */
double *gn_parameter_sums(const struct gn_job *job, int64_t block, int64_t c);

/* Makes them 0: before a block's first sample, or before each where each has parameters. */
void gn_clear_parameter_sums(const struct gn_job *job, int64_t block, int64_t c, int64_t channels);

/* Rounds them to dgamma and dbeta of sample n, or of all samples. */
void gn_store_parameter_sums(const struct gn_job *job, int64_t block, int64_t n, int64_t c,
                             int64_t channels);

/* Adds up all blocks' sums of channels first to last - 1, and stores them. */
void gn_reduce_parameter_sums(const struct gn_job *job, int64_t first, int64_t last);

/* The bytes of all blocks' sums. */
int64_t gn_parameter_sums_bytes(const gn_plan *plan);

#endif
