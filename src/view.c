/* SPDX-License-Identifier: MIT */
#include "view.h"

#include "walk.h"

/* Merges spatial dims that follow on each other, and leaves out those of size 1. */
static void set_spatial(struct gn_view *view, const struct gn_desc *desc, const int64_t *strides)
{
    for (int i = 2; i < desc->rank; i++) {
        int last = view->rank - 1;
        if (desc->dims[i] == 1)
            continue;
        if (last >= 0 && view->strides[last] == strides[i] * desc->dims[i]) {
            view->dims[last] *= desc->dims[i];
            view->strides[last] = strides[i];
        } else {
            view->dims[view->rank] = desc->dims[i];
            view->strides[view->rank++] = strides[i];
        }
    }
    if (view->rank == 0)
        view->dims[view->rank++] = 1;
}

static void set_extent(struct gn_view *view, const struct gn_desc *desc, const int64_t *strides)
{
    view->extent.size = gn_size(view->type);
    view->extent.rank = desc->rank;
    for (int i = 0; i < desc->rank; i++) {
        view->extent.dims[i] = desc->dims[i];
        view->extent.strides[i] = desc->dims[i] > 1 ? strides[i] * view->extent.size : 0;
    }
}

/* Runs of fewer elements than this are rather packed. */
enum { LEAST_RUN = 8 };

static int64_t contiguous_run(const struct gn_view *view)
{
    int last = view->rank - 1;
    return view->strides[last] == 1 && view->dims[last] >= LEAST_RUN ? view->dims[last] : 0;
}

struct gn_view gn_view_of(const struct gn_desc *desc, gn_tensor which, gn_type type, bool columns)
{
    struct gn_view view = {.type = type};
    int64_t dense[GN_MAX_RANK];
    const int64_t *strides = desc->strided[which] ? desc->strides[which] : dense;
    gn_desc_dense_strides(desc, dense);
    set_spatial(&view, desc, strides);
    set_extent(&view, desc, strides);
    int64_t N = desc->dims[0], C = desc->dims[1], S = 1;
    for (int i = 0; i < view.rank; i++)
        S *= view.dims[i];
    view.n = N == 1 ? C * S : strides[0];
    view.c = C > 1 ? strides[1] : columns ? 1 : S;
    bool line = view.rank == 1;
    if (columns) {
        view.pixel = S == 1 ? C : view.strides[0];
        view.direct = line && (C == 1 || view.c == 1);
        view.walked = !line && view.c == 1;
        view.dense = view.direct && view.n == C * S && (S == 1 || view.pixel == C);
    } else {
        bool whole = line && (S == 1 || view.strides[0] == 1);
        view.direct = whole && view.c == S;
        view.walked = whole && view.c != S;
        view.dense = view.direct && view.n == C * S;
        view.contiguous_len = whole ? S : contiguous_run(&view);
    }
    return view;
}

/* Where each of a part's pixels begins. */
static void list_pixels(const struct gn_view *view, const struct gn_region *region, int64_t *at)
{
    int64_t stride = view->strides[view->rank - 1];
    struct gn_walk walk = gn_walk_to(view, region->s);
    for (int64_t s = 0, n; s < region->length; s += n) {
        n = gn_walk_left(view, &walk, region->length - s);
        for (int64_t i = 0; i < n; i++)
            at[s + i] = walk.offset + i * stride;
        gn_walk_on(view, &walk, view->rank - 1, n);
    }
}

/* Where each of a part's runs begins. */
static void list_runs(const struct gn_view *view, const struct gn_region *region, int64_t *at)
{
    struct gn_walk walk = gn_walk_to(view, region->s);
    int64_t n = gn_first_len(region);
    for (int64_t s = 0; s < region->length; s += n, n = region->contiguous_len) {
        *at++ = walk.offset;
        n = n < region->length - s ? n : region->length - s;
        gn_walk_on(view, &walk, view->rank - 1, n);
    }
}

int64_t gn_shared_contiguous_len(int64_t S, const struct gn_view *const *views, int count)
{
    int64_t run = S;
    for (int i = 0; i < count; i++)
        if (views[i]->contiguous_len && views[i]->contiguous_len < run)
            run = views[i]->contiguous_len;
    return run;
}

void gn_operand_apart(const struct gn_view *view, const void *tensor,
                      const struct gn_region *region, bool columns, void *buffer,
                      struct gn_operand *operand)
{
    bool in_runs = !view->walked && region->contiguous_len && view->contiguous_len;
    if (!view->walked && !in_runs) {
        *operand = (struct gn_operand){.data = buffer,
                                       .type = view->type,
                                       .stride = columns ? region->channels : region->length,
                                       .packed = true};
        return;
    }
    int64_t at = region->n * view->n + region->c * view->c + (columns || in_runs ? 0 : region->s);
    *operand = (struct gn_operand){.data = (void *)(uintptr_t)gn_at(tensor, view->type, at),
                                   .type = view->type,
                                   .stride = columns ? view->pixel : view->c};
    if (!columns && !in_runs)
        return;
    if (columns)
        list_pixels(view, region, buffer);
    else
        list_runs(view, region, buffer);
    operand->offsets = buffer;
}
