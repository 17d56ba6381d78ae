/* SPDX-License-Identifier: MIT */
/* Tensors of any type and strides in larger memory. A test can detect writes beside their elements;
 * reads beside them give NaN. */
#ifndef VIEW_H
#define VIEW_H

#include "typed.h"

struct block;

/* All memory that a call may access. Must be all zeros at first. */
struct memory {
    struct block *blocks;
};

/* Whether all memory is as it was filled or accepted. */
bool memory_intact(const struct memory *memory);
void memory_free(struct memory *memory);

/* A tensor. Element i is counted in the order of dims, the last dim fastest, whatever the
 * strides. */
struct view {
    gn_type type;
    int rank;
    int64_t dims[8], strides[8];
    unsigned char *data;  /* the first element */
    unsigned char *saved; /* the same element in the copy that memory_intact compares with */
};

int64_t view_count(const struct view *view);
/* The strides of dims that are densely packed in memory in the order of the layout. */
void dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides);

/* Allocates the memory of a view whose other fields are set. All of it is NaN, and `lead` elements
 * precede the first element. */
void view_create(struct view *view, struct memory *memory, int64_t lead);

/* Setting an element also changes the copy, so the memory stays intact. */
void view_set(const struct view *view, const long double *values);
void view_copy(const struct view *to, const struct view *from);
void view_values(const struct view *view, long double *values);
long double view_value(const struct view *view, int64_t i);

/* Makes the current elements the expected ones. */
void view_accept(const struct view *view);

/* Whether two tensors of equal type and dims have the same bits. All NaNs count as equal. *where is
 * the index of the first difference. */
bool view_same(const struct view *a, const struct view *b, int64_t *where);

#endif /* VIEW_H */
