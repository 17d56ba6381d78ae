/* SPDX-License-Identifier: MIT */
/*
 * Random cases, each from a seed of its own. The seeds are the same each time, so that whether a
 * commit passes does not depend on the hour; GN_TEST_SEED=first and GN_TEST_CASES=number try
 * others, and a failure prints the seed of its case.
 */
#ifndef SEEDS_H
#define SEEDS_H

#include <stdint.h>

/* Checks the case that the random numbers make; returns NULL, or wrong(...). */
typedef const char *seed_check(uint64_t *random);

/* The sentence that says what is wrong. It is valid until the next call. */
const char *wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Checks so many cases, or a tenth if the run is quick(); the calling test fails if one is wrong.
 */
void check_seeds(seed_check *check, uint64_t cases);

#endif /* SEEDS_H */
