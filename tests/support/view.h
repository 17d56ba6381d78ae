/* SPDX-License-Identifier: MIT */
/*
 * Tensors of any type and strides, in larger memory that notices what is written beside their
 * elements, and gives NaN where something beside them is read.
 */
#ifndef VIEW_H
#define VIEW_H

#include "typed.h"

struct block;

/* All that a call may see. Starts as all zeros. */
struct memory {
    struct block *blocks;
};

/* Whether all is as it was filled or accepted. */
bool memory_intact(const struct memory *memory);
void memory_free(struct memory *memory);

/* Element i, counted in the order of dims, the last running fastest, whatever the strides. */
struct view {
    gn_type type;
    int rank;
    int64_t dims[8], strides[8];
    unsigned char *data; /* the first element */
    unsigned char *kept; /* the same in the copy that memory_intact compares with */
};

int64_t view_count(const struct view *view);
/* The strides of dims densely packed in that order in memory. */
void dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides);

/* Gives a view, of which all but the pointers are set, its memory: NaN all over, and lead elements
 * before the first. */
void view_create(struct view *view, struct memory *memory, int64_t lead);

/* Setting an element changes the copy as well: memory stays intact. */
void view_set(const struct view *view, const long double *values);
void view_copy(const struct view *to, const struct view *from);
void view_values(const struct view *view, long double *values);
long double view_value(const struct view *view, int64_t i);

/* What the elements are now is what they are to be. */
void view_accept(const struct view *view);

/* Whether two tensors of equal type and dims have the same bits, all NaN being one; *where is the
 * first difference. */
bool view_same(const struct view *a, const struct view *b, int64_t *where);

#endif /* VIEW_H */
