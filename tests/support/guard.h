/* SPDX-License-Identifier: MIT */
/* Memory that detects reads and writes beside it. The data touches an unreadable page on one side,
 * or is unaligned. Where there is no such page, a pattern surrounds the data. */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum place {
    AT_END,   /* the unreadable page follows the last element */
    AT_START, /* the unreadable page precedes the first element */
    ODD,      /* the address is 4 modulo 64, with patterns on both sides */
    PLACES
};

/* Must be all zeros at first. The mapping is kept from one placement to the next. */
struct guarded {
    char *map;
    size_t map_size;
    float *data;
    size_t count;
};

/* Provides memory for `count` floats and sets each to a NaN that no computation gives. */
void guard_place(struct guarded *guarded, size_t count, enum place place);

/* Provides the same memory, and copies source into it. */
void guard_copy(struct guarded *guarded, const float *source, size_t count, enum place place);

/* Whether the patterns beside the data are unchanged. */
bool guard_intact(const struct guarded *guarded);

/* Whether the data is unchanged since guard_place. */
bool guard_untouched(const struct guarded *guarded);

void guard_free(struct guarded *guarded);

#endif /* GUARD_H */
