/* SPDX-License-Identifier: MIT */
/* Tensors of any type and strides, in memory that detects writes beside their elements. Reads
 * beside them give NaN or end the test. */
#ifndef VIEW_H
#define VIEW_H

#include "memory.h"
#include "typed.h"

/* A tensor. Element i is counted in the order of dims, the last dim fastest, whatever the
 * strides. */
struct view {
    gn_type type;
    int rank;
    int64_t dims[8], strides[8];
    unsigned char *data; /* the first element */
};

int64_t view_count(const struct view *view);
/* The strides of dims that are densely packed in memory in the order of the layout. */
void dense_strides(int rank, const int64_t *dims, gn_layout layout, int64_t *strides);

/* Provides the memory of a view whose other fields are set. All of it is NaN. */
void view_create(struct view *view, struct memory *memory, enum place place);
/* Makes the elements NaN again. */
void view_erase(const struct view *view);

void view_set(const struct view *view, const long double *values);
void view_copy(const struct view *to, const struct view *from);
void view_values(const struct view *view, long double *values);
long double view_value(const struct view *view, int64_t i);

/* Whether two tensors of equal type and dims have the same bits. All NaNs count as equal. *where is
 * the index of the first difference. */
bool view_same(const struct view *a, const struct view *b, int64_t *where);

#endif /* VIEW_H */
