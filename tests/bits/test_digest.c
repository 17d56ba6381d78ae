/* SPDX-License-Identifier: MIT */
/*
 * Compares the bits of the results of 20,000 random problems of all kinds with stored hashes, so
 * that a change that must keep the bits can be checked. One line of the file covers 500 problems.
 */
#include "golden.h"
#include "problem.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 40, PROBLEMS = 500, QUICK_LINES = 2, SKIPPED = 77 };

/* The bits of element i in memory order. */
static uint64_t bits_at(const struct view *view, int64_t i)
{
    const unsigned char *p = view->data + (size_t)i * type_size(view->type);
    uint64_t bits = 0;
    uint32_t word;
    uint16_t half;

    switch (view->type) {
    case GN_F64:
        memcpy(&bits, p, sizeof(bits));
        return bits;
    case GN_F32:
        memcpy(&word, p, sizeof(word));
        return word;
    case GN_BF16:
    case GN_F16:
        memcpy(&half, p, sizeof(half));
        return half;
    }
    return bits;
}

static uint64_t hash_problem(uint64_t hash, uint64_t seed, gn_isa isa)
{
    struct problem problem;
    struct way way;

    problem_create(&problem, seed);
    way_plain(&way, &problem, isa);
    for (int stage = 0; stage < STAGES; stage++) {
        assert_int_equal(way_run(&way, &problem, (enum stage)stage, true), 0);
        if (stage == FORWARD && problem.stored) {
            view_copy(&problem.dense[R_GIVEN_MEAN], &problem.dense[R_MEAN]);
            view_copy(&problem.dense[R_GIVEN_RSTD], &problem.dense[R_RSTD]);
        }
    }
    for (int role = R_SUM; role < ROLES; role++) {
        const struct view *view = &problem.dense[role];
        const int64_t count =
            problem.add || (role != R_SUM && role != R_DSKIP) ? view_count(view) : 0;

        for (int64_t i = 0; i < count; i++) {
            const uint64_t bits = bits_at(view, i);
            hash = golden_hash(hash, isnan(type_value(view->type, bits)) ? 0x7fc0 : bits,
                               type_size(view->type));
        }
    }
    problem_destroy(&problem);
    return hash;
}

static void digest(int number, gn_isa isa, char line[GOLDEN_LINE])
{
    const uint64_t first = 1 + (uint64_t)number * PROBLEMS;
    uint64_t hash = GOLDEN_HASH;

    line[0] = '\0';
    if (quick() && number >= QUICK_LINES)
        return;
    for (uint64_t seed = first; seed < first + PROBLEMS; seed++)
        hash = hash_problem(hash, seed, isa);
    snprintf(line, GOLDEN_LINE, "problems %llu to %llu\t%016llx\n", (unsigned long long)first,
             (unsigned long long)first + PROBLEMS - 1, (unsigned long long)hash);
}

int main(int argc, char **argv)
{
    /* The problems are made in long double, and differ where it is another type. */
    if (LDBL_MANT_DIG != 64 || !wide_long_double()) {
        printf("skipped: long double does not have the 64 bits of x86; golden and golden_types run "
               "all "
               "the same\n");
        return SKIPPED;
    }
    return golden_main(argc, argv, LINES, digest);
}
