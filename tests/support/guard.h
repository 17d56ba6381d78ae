/* SPDX-License-Identifier: MIT */
/*
 * Memory that notices what is read or written beside it: the data touches an unreadable page on one
 * side, or is unaligned, and a pattern lies where the page does not reach.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stdbool.h>
#include <stddef.h>

enum place {
    AT_END,   /* the unreadable page follows the last element */
    AT_START, /* the unreadable page precedes the first element */
    ODD,      /* the address is 4 modulo 64, patterns on either side */
    PLACES
};

/* Starts as all zeros; the mapping is kept from one placement to the next. */
struct guarded {
    char *map;
    size_t map_size;
    float *data;
    size_t count;
};

/* Makes room for count floats, each set to a NaN that no computation gives. */
void guard_place(struct guarded *guarded, size_t count, enum place place);

/* The same with a copy of source as the content. */
void guard_copy(struct guarded *guarded, const float *source, size_t count, enum place place);

/* Whether the patterns beside the data are as they were. */
bool guard_intact(const struct guarded *guarded);

/* Whether the data is still what guard_place made of it. */
bool guard_untouched(const struct guarded *guarded);

void guard_free(struct guarded *guarded);

#endif /* GUARD_H */
