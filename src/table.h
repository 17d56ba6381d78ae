/* SPDX-License-Identifier: MIT */
/*
 * The numbers of the last pass for all channels of a sample, as the columns kernels read them: one
 * array a number, in float and, for the groups where float is not wide enough, in double.
 */
#ifndef GN_TABLE_H
#define GN_TABLE_H

#include <stdbool.h>

#include "kernels/kernels.h"

enum { GN_TABLE_NUMBERS = 4 };

struct gn_table {
    double *wide[GN_TABLE_NUMBERS];
    float *narrow[GN_TABLE_NUMBERS];
    bool *fits; /* a group: float is wide enough */
};

static inline int64_t gn_table_bytes(int64_t channels, int64_t groups)
{
    int64_t per_channel = GN_TABLE_NUMBERS * (int64_t)(sizeof(double) + sizeof(float));
    return gn_padded(channels) * per_channel + (groups + 63) / 64 * 64;
}

/* The table that lies in `memory`, which is aligned to 64 bytes. */
static inline struct gn_table gn_table_at(void *memory, int64_t channels)
{
    int64_t n = gn_padded(channels);
    struct gn_table table;
    double *wide = memory;
    float *narrow = (float *)(void *)(wide + GN_TABLE_NUMBERS * n);
    for (int i = 0; i < GN_TABLE_NUMBERS; i++) {
        table.wide[i] = wide + i * n;
        table.narrow[i] = narrow + i * n;
    }
    table.fits = (bool *)(void *)(narrow + GN_TABLE_NUMBERS * n);
    return table;
}

/* The end of the run of groups, from `first` on, that are alike in whether float fits. */
static inline int64_t gn_table_run(const struct gn_table *table, int64_t first, int64_t groups)
{
    int64_t last = first + 1;
    while (last < groups && table->fits[last] == table->fits[first])
        last++;
    return last;
}

#endif
